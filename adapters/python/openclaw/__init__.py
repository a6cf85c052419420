"""OpenClaw's Python side. A script needs none of this to be trained by `openclaw train`; what is here is for scripts that want to
say more (`log`, `output`), or whose loops are their own (`state`, `resume`, `parallel`)."""

from .saying import log, output
from .loops import parallel, resume, state

__all__ = ["log", "output", "parallel", "resume", "state"]
__version__ = "0.4.0"
