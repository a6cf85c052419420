"""Snapshot: everything a rank needs to be where another was. Taken at a step boundary, copied at once, written later."""

import collections
import contextlib
import hashlib
import io
import itertools
import random
import sys
import weakref

import torch


class Registry:
    """The things whose state makes up a training run, numbered in the order of their making, which is the same on all ranks."""

    KINDS = ("models", "optimizers", "schedulers", "scalers", "states")

    def __init__(self):
        self._things = {kind: {} for kind in self.KINDS}
        self._numbers = {kind: itertools.count() for kind in self.KINDS}

    def add(self, kind, thing):
        number = next(self._numbers[kind])
        try:
            self._things[kind][number] = weakref.ref(thing)
        except TypeError:  # a dict given to openclaw.state
            self._things[kind][number] = lambda kept=thing: kept
        return number

    def living(self, kind):
        for number, reference in list(self._things[kind].items()):
            thing = reference()
            if thing is None:
                del self._things[kind][number]
            else:
                yield number, thing

    def copies(self):
        """{kind: {number: state}}: nothing in it changes when training goes on."""
        return {kind: self.copies_of(kind) for kind in self.KINDS}

    def copies_of(self, kind):
        return {number: on_host(_state(thing)) for number, thing in self.living(kind)}

    def load(self, copies):
        """Puts the states into the things of the same numbers."""
        for kind in self.KINDS:
            for number, thing in self.living(kind):
                if number in copies.get(kind, {}):
                    _load(thing, copies[kind][number])


def _state(thing):
    if isinstance(thing, torch.nn.parallel.DistributedDataParallel):
        return thing.module.state_dict()
    return thing if isinstance(thing, dict) else thing.state_dict()


def _load(thing, state):
    if isinstance(thing, torch.nn.parallel.DistributedDataParallel):
        thing.module.load_state_dict(state)
    elif isinstance(thing, dict):
        thing.clear()
        thing.update(state)
    else:
        thing.load_state_dict(state)


def on_host(value):
    """The value with every tensor in it copied to main memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, collections.OrderedDict):
        return collections.OrderedDict((key, on_host(one)) for key, one in value.items())
    if type(value) is dict:
        return {key: on_host(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(on_host(one) for one in value)
    return value


def packed(value):
    into = io.BytesIO()
    torch.save(value, into)
    return into.getvalue()


def unpacked(content):
    """Reads what `packed` wrote. The content is this job's own: checked against its manifest, or proven by the job's secret."""
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)


# -- randomness


def random_state():
    """Every generator that a script is likely to draw from."""
    numpy = sys.modules.get("numpy")
    return {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": numpy.random.get_state() if numpy else None,
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None,
    }


def set_random_state(state):
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
    numpy = sys.modules.get("numpy")
    if numpy and state.get("numpy") is not None:
        numpy.random.set_state(state["numpy"])
    if state.get("cuda") is not None and torch.cuda.is_available():
        with contextlib.suppress(RuntimeError):  # fewer devices than the writer had
            torch.cuda.set_rng_state_all(state["cuda"])


def random_digest():
    """Eight bytes that tell whether two ranks draw the same numbers."""
    return hashlib.sha256(torch.get_rng_state().numpy().tobytes()).digest()[:8]


def seed_apart(state, slot):
    """A state of its own for a slot whose own is lost: drawn from a peer's, and from the slot's number."""
    set_random_state(state)
    seed = hashlib.sha256(state["torch"].numpy().tobytes() + str(slot).encode()).digest()
    torch.manual_seed(int.from_bytes(seed[:7], "little"))
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy:
        numpy.random.seed(int.from_bytes(seed[:4], "little"))
