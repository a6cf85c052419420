"""A stock DistributedDataParallel script, as in the tutorials. Runs unchanged under torchrun and under `openclaw train`."""

import argparse
import time

import torch
import torch.distributed as dist
import torch.nn as nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


def data(samples):
    generator = torch.Generator().manual_seed(7)
    numbers = torch.arange(samples)
    inputs = torch.randn(samples, 20, generator=generator)
    truth = torch.randn(20, generator=generator)
    labels = (inputs @ truth + 0.5 * torch.randn(samples, generator=generator) > 0).float()
    return TensorDataset(inputs, labels, numbers)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--trace", action="store_true", help="print which samples were trained on")
    parser.add_argument("--slow", action="store_true", help="take a while for each step, and longer later, so that a test can meet it")
    parser.add_argument("--save", default="model.pt")
    options = parser.parse_args()

    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(1 + rank)

    train = data(options.samples)
    sampler = DistributedSampler(train, seed=3)
    loader = DataLoader(train, batch_size=options.batch, sampler=sampler, num_workers=options.workers)

    model = DDP(nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=options.epochs * len(loader))
    loss_function = nn.BCEWithLogitsLoss()

    steps = 0
    for epoch in range(options.epochs):
        sampler.set_epoch(epoch)
        model.train()
        total = torch.zeros(2)
        for inputs, labels, numbers in loader:
            optimizer.zero_grad()
            loss = loss_function(model(inputs).squeeze(1), labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            if options.trace:
                # In one piece: what is killed here has said all of it, or nothing.
                print(f"trained {epoch} {' '.join(map(str, numbers.tolist()))}\n", end="", flush=True)
            steps += 1
            if options.slow:
                time.sleep(0.1 if steps < 60 else 1)
            total += torch.tensor([loss.item(), 1.0])
        dist.all_reduce(total)
        if rank == 0:
            print(f"epoch {epoch} loss {(total[0] / total[1]).item():.4f}", flush=True)

    if rank == 0:
        torch.save(model.module.state_dict(), options.save)
    model.eval()
    with torch.no_grad():
        inputs, labels, _ = train.tensors
        final = loss_function(model.module(inputs).squeeze(1), labels).item()
    digest = sum(float(p.detach().double().abs().sum()) for p in model.parameters())
    print(f"rank {rank} of {world} final {final:.4f} weights {digest:.12f}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
