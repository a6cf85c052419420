"""OpenClaw's Python side. A script needs none of this to be trained by `openclaw train`; what is here is for scripts that want to
say more (`log`, `output`, `total`), or whose loops are their own (`state`, `resume`, `parallel`)."""

from .saying import log, output, total
from .loops import parallel, resume, state

__all__ = ["log", "output", "parallel", "resume", "state", "total"]
__version__ = "0.4.0"
