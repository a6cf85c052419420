"""A stock DistributedDataParallel script that trains a small network anew for several seeds. The same under torchrun."""

import argparse

import torch
import torch.distributed as dist
import torch.nn as nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


def data():
    generator = torch.Generator().manual_seed(11)
    inputs = torch.randn(1600, 16, generator=generator)
    hidden = torch.tanh(inputs @ torch.randn(16, 8, generator=generator))
    labels = (hidden @ torch.randn(8, generator=generator) + 0.3 * torch.randn(1600, generator=generator) > 0).float()
    return TensorDataset(inputs[:1200], labels[:1200]), (inputs[1200:], labels[1200:])


def train(seed, epochs):
    torch.manual_seed(seed)
    learnt, (held_inputs, held_labels) = data()
    sampler = DistributedSampler(learnt, seed=seed)
    loader = DataLoader(learnt, batch_size=25, sampler=sampler)
    model = DDP(nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss_function = nn.BCEWithLogitsLoss()
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss_function(model(inputs).squeeze(1), labels).backward()
            optimizer.step()
    with torch.no_grad():
        learnt_loss = loss_function(model.module(learnt.tensors[0]).squeeze(1), learnt.tensors[1]).item()
        held_loss = loss_function(model.module(held_inputs).squeeze(1), held_labels).item()
    return learnt_loss, held_loss


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    dist.init_process_group("gloo")
    for seed in range(options.seeds):
        learnt, held = train(seed, options.epochs)
        if dist.get_rank() == 0:
            print(f"seed {seed} learnt {learnt:.6f} held {held:.6f}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
