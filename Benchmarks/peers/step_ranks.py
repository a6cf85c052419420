"""One rank of a plain DistributedDataParallel training, timed: run by rows/training.py under torchrun's contract and under OpenClaw's.

    step_ranks.py --steps N [--marks FILE] [--snapshot FILE]

A network of 4.5 MB, 64 samples a rank and step. Rank 0 prints one line of JSON: the seconds of each step and the losses. With
--marks it writes a line at the end of each step as it goes: the step and the time. With --snapshot it does what torchrun's
manual advises: it writes its state down every 50 steps, and goes on from there when it is started again.
"""

import argparse
import json
import os
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

BATCH, INPUTS, HIDDEN, CLASSES = 64, 256, 940, 10
SNAPSHOT_EVERY = 50


def samples(count):
    """Answered by another network, which is what there is to be learnt."""
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(count, INPUTS, generator=generator)
    teacher = torch.randn(INPUTS, CLASSES, generator=generator)
    return TensorDataset(inputs, (inputs @ teacher).argmax(1))


def main(prepare=lambda model: None):
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--steps", type=int, required=True)
    arguments.add_argument("--marks")
    arguments.add_argument("--snapshot")
    options = arguments.parse_args()

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    torch.manual_seed(3)
    rank = dist.get_rank()
    data = samples(40 * BATCH * dist.get_world_size())
    sampler = DistributedSampler(data, seed=3)
    loader = DataLoader(data, batch_size=BATCH, sampler=sampler)
    network = nn.Sequential(
        nn.Linear(INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    model = DistributedDataParallel(network)
    prepare(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = 0
    if options.snapshot and os.path.exists(options.snapshot):
        snapshot = torch.load(options.snapshot)
        network.load_state_dict(snapshot["network"])
        optimizer.load_state_dict(snapshot["optimizer"])
        step = snapshot["step"]

    marks = open(options.marks, "a") if options.marks and rank == 0 else None
    times, losses = [], []
    before = time.perf_counter()
    epoch = step // len(loader)
    while step < options.steps:
        sampler.set_epoch(epoch)
        epoch += 1
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            step += 1
            now = time.perf_counter()
            times.append(now - before)
            before = now
            losses.append(loss.item())
            if marks:
                marks.write(f"{step} {time.time()}\n")
                marks.flush()
            if options.snapshot and rank == 0 and step % SNAPSHOT_EVERY == 0:
                state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
                torch.save(state, options.snapshot + ".new")
                os.replace(options.snapshot + ".new", options.snapshot)
            if step >= options.steps:
                break
    if rank == 0:
        print(json.dumps({"times": times, "losses": losses}), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
