"""A disk on which no file grows beyond a few kilobytes, as if it were full."""

import os
import resource

if os.environ.get("OPENCLAW_WORKER_SOCKET"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
