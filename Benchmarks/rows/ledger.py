"""The ledger on this disk: told, not promised, since the disk sets most of it."""

from rows import row


@row(seconds=10)
def appends(bench):
    """Durable appends one by one and in groups, and entries verified."""
    bench.tell("openclaw-appends")
