"""A rank 1 that takes its time at its end, so that a test meets it there. The process that replaces it goes on at once."""

import os
import time

from openclaw.checkpoint import CheckpointWriter

wait = CheckpointWriter.wait


def slow(self, timeout_s=None):
    if os.environ.get("OPENCLAW_SLOT") == "1" and os.environ.get("OPENCLAW_JOINING") != "1":
        print("lingers", flush=True)
        time.sleep(3600)
    return wait(self, timeout_s)


CheckpointWriter.wait = slow
