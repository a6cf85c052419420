"""A script that sends from rank to rank by a name its source does not show."""

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
number = torch.tensor([float(dist.get_rank())])
if dist.get_rank() == 0:
    getattr(dist, "se" + "nd")(number, 1)
else:
    getattr(dist, "re" + "cv")(number, 0)
    print("received", number.item(), flush=True)
dist.destroy_process_group()
