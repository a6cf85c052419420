"""A stock DistributedDataParallel script that says, epoch by epoch, how many ranks there are, and averages over them."""

import argparse
import os
import time

import torch
import torch.distributed as dist
import torch.nn as nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


def mean(value):
    """Over all ranks that there are now."""
    value = torch.tensor(float(value))
    dist.all_reduce(value)
    return (value / dist.get_world_size()).item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--samples", type=int, default=1200)
    parser.add_argument("--pause", type=float, default=0, help="seconds after each step, until there is a file named go")
    options = parser.parse_args()

    dist.init_process_group("gloo")
    generator = torch.Generator().manual_seed(7)
    inputs = torch.randn(options.samples, 8, generator=generator)
    rows = TensorDataset(inputs, inputs.sum(dim=1, keepdim=True), torch.arange(options.samples))
    sampler = DistributedSampler(rows, seed=3)
    loader = DataLoader(rows, batch_size=10, sampler=sampler)
    model = DDP(nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=options.epochs * len(loader))

    for epoch in range(options.epochs):
        sampler.set_epoch(epoch)
        for features, labels, numbers in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(features), labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            print("trained", epoch, *numbers.tolist(), flush=True)
            if options.pause and not os.path.exists("go"):
                time.sleep(options.pause)
        gathered = [torch.zeros(1) for _ in range(dist.get_world_size())]
        dist.all_gather(gathered, torch.tensor([float(dist.get_rank())]))
        ranks = [int(one.item()) for one in gathered]
        print(f"epoch {epoch} world {dist.get_world_size()} ranks {ranks} mean {mean(1)} batches {len(loader)}", flush=True)

    digest = sum(float(one.detach().double().abs().sum()) for one in model.parameters())
    share = scheduler.last_epoch / scheduler.total_steps
    print(f"rank {dist.get_rank()} of {dist.get_world_size()} share {share:.2f} weights {digest:.12f}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
