"""Loops of the script's own: what to keep (`state`), where to go on (`resume`), and how to become data-parallel (`parallel`).

With a process group the step boundaries of the training decide when a checkpoint is written. Without one every rank keeps its
own: `resume` counts the items it handed out, and writes what `state` was given whenever a checkpoint is due.
"""

import io
import os
import pickle
import sys
import time

from . import line
from .checkpoint import CheckpointFolder, CheckpointWriter
from .contract import Contract
from .ending import leave_as_asked

_plain = None


def state(thing):
    """Makes the thing part of the job's checkpoints, and puts back what the last one held. -> the thing

    It is a dict, or has `state_dict()` and `load_state_dict()`.
    """
    if not isinstance(thing, dict) and not (hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")):
        raise TypeError(f"openclaw.state takes a dict or something with state_dict and load_state_dict, not {type(thing).__name__}.")
    if (patches := _grouped()) is not None:
        patches.register("states", thing)
    elif (plain := _plain_loop()) is not None:
        plain.add(thing)
    return thing


def resume(items):
    """Iterates over the items, after a restart from where the last checkpoint was. Items must come in the same order again."""
    if _grouped() is None and (plain := _plain_loop()) is not None:
        return plain.walk(items)
    return iter(items)


def parallel(model, loader):
    """Makes a single-process loop data-parallel: `model, loader = openclaw.parallel(model, loader)`.

    Each rank then walks over its share of the data, and gradients are averaged. Outside of a job both are returned as they are.
    """
    if Contract.of_environment() is None:
        return model, loader
    from .pytorch.parallel import parallel as torchs

    return torchs(model, loader)


def _grouped():
    """The torch adapter, where the script has a process group or is a rank among several (and so will have one)."""
    patches = sys.modules.get("openclaw.pytorch.patches")
    if patches is None or (patches.training() is None and int(os.environ.get("WORLD_SIZE") or 1) == 1):
        return None
    return patches


def _plain_loop():
    global _plain
    if _plain is None and (contract := Contract.of_environment()) is not None and contract.checkpoints:
        _plain = PlainLoop(contract)
    return _plain


class PlainLoop:
    """A loop without a process group. Its place is (how many walks were begun, how many items of the last one were done)."""

    def __init__(self, contract):
        line.introduce("none", ["its loop is its own"])
        folder = CheckpointFolder(os.path.join(contract.checkpoints, f"rank-{contract.slot}"), contract.checkpoint_keep)
        self._worker = line.worker()
        self._about = {"job": contract.job, "attempt": contract.attempt, "framework": "none"}
        self._writer = CheckpointWriter(folder, self._worker)
        self._every_s = contract.checkpoint_every_s
        self._due = time.monotonic() + self._every_s
        self._things = []
        self._walks = self._steps = 0
        self._saved = {"walk": 0, "item": 0, "step": 0, "things": []}
        found = folder.newest(lambda step, error: self._worker.warn(
            f"The checkpoint of step {step} is damaged and is not used.", str(error), "The one before it is used."))
        if found is not None:
            # Written by this job, and checked against the digests of its manifest.
            self._saved = pickle.loads(found[2]["state.pickle"])
            self._steps = self._saved["step"]

    def add(self, thing):
        if len(self._things) < len(self._saved["things"]):
            saved = pickle.loads(self._saved["things"][len(self._things)])
            if isinstance(thing, dict):
                thing.clear()
                thing.update(saved)
            else:
                thing.load_state_dict(saved)
        self._things.append(thing)

    def walk(self, items):
        self._walks += 1
        walk = self._walks
        if walk < self._saved["walk"]:
            return
        done = self._saved["item"] if walk == self._saved["walk"] else 0
        for number, item in enumerate(items, start=1):
            if number <= done:
                continue
            yield item
            self._step(walk, number)

    def _step(self, walk, item):
        self._steps += 1
        stops = self._worker.stop_within_s is not None
        is_wanted = stops or self._worker.checkpoint_wanted or time.monotonic() >= self._due
        if is_wanted and (stops or not self._writer.is_busy):
            self._worker.checkpoint_wanted = False
            self._due = time.monotonic() + self._every_s
            self._write(walk, item)
        if stops:
            self._writer.wait()
            leave_as_asked(self._worker)

    def _write(self, walk, item):
        self._writer.wait()
        started = time.monotonic()
        things = [pickle.dumps(thing if isinstance(thing, dict) else thing.state_dict()) for thing in self._things]
        into = io.BytesIO()
        pickle.dump({"walk": walk, "item": item, "step": self._steps, "things": things}, into)
        self._writer.start(self._steps, {"state.pickle": lambda file: file.write(into.getbuffer())}, self._about,
                           time.monotonic() - started)
