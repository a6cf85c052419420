"""A stock training loop in which one rank gets stuck while it reads its data."""

import os
import signal
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def read_row(number):
    if number == 20 and os.environ["RANK"] == "1" and not os.environ.get("OPENCLAW_JOINING"):
        if os.environ.get("HOW") == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(3600)
    return torch.full((4, 8), float(number % 7))


def main():
    dist.init_process_group("gloo")
    model = DistributedDataParallel(torch.nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    for number in range(50):
        optimizer.zero_grad()
        model(read_row(number)).mean().backward()
        optimizer.step()
        time.sleep(0.01)
    print("weights", float(model.module.weight.detach().double().sum()), flush=True)
    dist.destroy_process_group()


main()
