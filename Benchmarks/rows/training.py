"""Training: what the scheduler decides, told."""

from rows import row


@row(seconds=60)
def scheduling(bench):
    """Jobs started a second with 100 000 in the queue, each start written durably."""
    bench.tell("openclaw-scheduling")
