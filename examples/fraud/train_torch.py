"""Trains the fraud model with PyTorch: a plain DistributedDataParallel script, as it would be written for torchrun.

    train_torch.py --data FOLDER --out FOLDER [--version NAME] [--epochs N]

The data folder holds training.csv and held-out.csv: a column for each feature, then `label`. What is left in --out is
weights.json, and beside it what MLServer needs to serve it.
"""

import argparse
import contextlib
import csv
import json
import os
import pathlib

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import serving

BATCH = 48  # of all ranks together


def table(path):
    with open(path, newline="") as file:
        names, *rows = csv.reader(file)
    values = torch.tensor([[float(value) for value in row] for row in rows])
    return names[:-1], TensorDataset(values[:, :-1], values[:, -1])


def accuracy(model, data):
    inputs, labels = data.tensors
    model.eval()
    with torch.no_grad():
        return ((model(inputs).squeeze(1) > 0) == (labels > 0.5)).float().mean().item()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True, type=pathlib.Path)
    arguments.add_argument("--out", required=True, type=pathlib.Path)
    arguments.add_argument("--version", default="v12")
    arguments.add_argument("--epochs", type=int, default=80)
    arguments.add_argument("--seed", type=int, default=12)
    options = arguments.parse_args()

    dist.init_process_group("gloo")
    torch.manual_seed(options.seed)  # the same first weights on every rank
    features, training = table(options.data / "training.csv")
    _, held_out = table(options.data / "held-out.csv")
    sampler = DistributedSampler(training, seed=options.seed)
    loader = DataLoader(training, batch_size=BATCH // dist.get_world_size(), sampler=sampler)

    network = nn.Sequential(
        nn.Linear(len(features), 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1))
    model = DistributedDataParallel(network)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.006, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
    for epoch in range(options.epochs):
        sampler.set_epoch(epoch)
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(model(inputs).squeeze(1), labels)
            loss.backward()
            optimizer.step()
        schedule.step()

    if dist.get_rank() == 0:
        os.makedirs(options.out, exist_ok=True)
        layers = [{"weights": layer.weight.tolist(), "biases": layer.bias.tolist()} for layer in network if hasattr(layer, "weight")]
        (options.out / "weights.json").write_text(json.dumps({"features": features, "layers": layers}) + "\n")
        serving.describe(options.out, options.version, "runtime.TrainedModel", "weights.json")
        measured = accuracy(network, held_out)
        print(f"held-out accuracy {measured:.4f}", flush=True)
        with contextlib.suppress(ImportError):  # there where OpenClaw runs this: the version that it registers then says so
            import openclaw

            openclaw.log(held_out_accuracy=measured)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
