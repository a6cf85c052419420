"""A disk that takes its time, so that a test meets a checkpoint while it is being written."""

import time

from openclaw.checkpoint import Digesting

close = Digesting.close


def slow(self):
    time.sleep(0.3)
    return close(self)


Digesting.close = slow
