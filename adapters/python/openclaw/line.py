"""Line: this process' one connection to its Worker, shared by the adapters and by what a script says itself."""

import atexit
import os
import sys
import threading

from .contract import Contract
from .worker import Worker

BUFFERED_MAX = 100

_lock = threading.Lock()
_worker = None
_is_introduced = False
_introduction = None  # what was said last: framework, why a death cannot be hidden
_fixed = ["its adapter changes the number of ranks at a checkpoint only"]  # why ranks cannot come and go while it trains
_waiting = []


def worker():
    """The connection, made at the first call; None where no Worker started this process."""
    global _worker
    with _lock:
        if _worker is None and (contract := Contract.of_environment()) is not None:
            _worker = Worker(contract.worker_socket)
            _worker.listen()
        return _worker


def introduce(framework, why_not, why_fixed=None):
    """The first message, once: what the script is made with, and why a rank's death cannot be hidden from it (no reason: it can).
    `why_fixed`: why ranks cannot come and go while the others train on."""
    global _is_introduced
    line = worker()
    if why_fixed is not None:
        _fixed[:] = why_fixed
    with _lock:
        if _is_introduced or line is None:
            return
        _is_introduced = True
        waiting, _waiting[:] = list(_waiting), []
    _say_hello(line, framework, why_not)
    _warn(line, why_not)
    for kind, values in waiting:
        line.send(kind, **values)


def introduce_again(framework, why_not):
    """The script turned out to do what no rank's death can be hidden from: the last introduction counts."""
    line = worker()
    if line is not None:
        _say_hello(line, framework, why_not)
        _warn(line, why_not)


def introduce_scaling(why_fixed):
    """Whether ranks can come and go while the others train on (no reason against it: they can), as soon as that is known."""
    line = worker()
    _fixed[:] = why_fixed
    if line is not None and _introduction is not None:
        _say_hello(line, *_introduction)


def _say_hello(line, framework, why_not):
    global _introduction
    from . import __version__

    _introduction = framework, list(why_not)
    fixed = list(why_not) + _fixed
    line.send("hello", pid=os.getpid(), framework=framework, version=__version__, survives=not why_not, why_not=list(why_not),
              scales=not fixed, why_fixed=fixed)


def _warn(line, why_not):
    for why in why_not:
        line.warn("A rank's death cannot be hidden from this script.", f"Because {why}.",
                  "The whole job starts again from its last checkpoint then; openclaw.state and openclaw.resume make that exact.")


def say(kind, **values):
    """One message of the script's own. Before the adapter introduced the process it waits for that, if that may still come."""
    line = worker()
    if line is None:
        return
    with _lock:
        if not _is_introduced and _may_be_introduced():
            if not _waiting:
                atexit.register(introduce, "none", ["it makes no process group"])
            if len(_waiting) < BUFFERED_MAX:
                _waiting.append((kind, values))
            return
    introduce("none", ["its loop is its own"])
    line.send(kind, **values)


def _may_be_introduced():
    return "torch" in sys.modules or "tensorflow" in sys.modules
