"""The rows of the bench, each one function in the file of its capability.

A row is a function of the bench, marked with the seconds that it takes on a machine of two cores:

    @row(seconds=20)
    def split(bench):
        times = ...                      # bench.openclaw, bench.folder (its own, empty), bench.rounds, bench.step(text)
        bench.at_most("split change to first request under it, p99", percentile(times, 0.99) * 1000, 50, "ms")

It leaves nothing running. What it cannot measure it says by raising, or by `bench.missing`: that counts as not kept. Its name,
with dashes, is what `--only` takes. A new file of rows is added to `load`.
"""

import importlib
import statistics

ROWS = {}


class Row:
    def __init__(self, measure, seconds):
        self.name = measure.__name__.replace("_", "-")
        self.measure, self.seconds = measure, seconds
        self.about = (measure.__doc__ or "").strip().splitlines()[0]


def row(seconds):
    def mark(measure):
        one = Row(measure, seconds)
        if one.name in ROWS:
            raise RuntimeError(f"two rows are called {one.name}")
        ROWS[one.name] = one
        return measure
    return mark


def load():
    """All rows, in the order in which they are measured and shown."""
    for capability in ("gateway", "releases", "experiments", "models", "bandits", "training", "collectives", "ledger"):
        importlib.import_module(f"rows.{capability}")
    return ROWS


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values):
    return statistics.median(values)
