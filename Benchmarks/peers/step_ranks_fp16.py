"""step_ranks.py with DDP's own hook that sends gradients as float16. A file of its own: a script with a hook of its own is one whose
ranks cannot go on after a death, and its source says so."""

import step_ranks
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

step_ranks.main(lambda model: model.register_comm_hook(None, default_hooks.fp16_compress_hook))
