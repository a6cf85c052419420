"""Worker: the line to the process that supervises this rank. Newline-delimited JSON over its unix socket."""

import json
import math
import os
import socket
import sys
import threading
import time
import traceback

from .membership import Membership

LINE_BYTES_MAX = 256 * 1024
TEXT_CHARACTERS_MAX = 16_000


class Worker:
    """Sends what the rank did, and keeps what the Worker pushes: membership, deaths, wishes. Safe from any thread.

    A Worker that goes away does not stop the training: what can no longer be said is dropped, and the newest membership stands.
    """

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._sending = threading.Lock()
        self._news = threading.Condition()
        self._membership = None
        self._dead = set()
        self._on_death = []
        self._infinite = set()  # names of values that were told to be no finite numbers
        self.checkpoint_wanted = False
        self.stop_within_s = None  # set when the Worker asked to stop: how long there is
        self.stop_with_checkpoint = False
        self.is_connected = True
        self.waits = None  # () -> a text: whether this rank waits for others, or they for it
        self._reader = None

    def listen(self):
        """Starts to take what the Worker pushes."""
        self._reader = threading.Thread(target=self._read, name="openclaw-worker", daemon=True)
        self._reader.start()
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self):
        # A data loader's worker inherits the socket; kept open, it would hide this rank's death from its Worker.
        self.is_connected = False
        try:
            self._socket.close()
        except OSError:
            pass

    # -- sending

    def send(self, kind, **values):
        """One message; False when nobody listens any more."""
        if not self.is_connected:
            return False
        message = {"type": kind, **values}
        try:
            line = json.dumps(message, default=str, allow_nan=False).encode()
        except ValueError:  # JSON has no infinity, and no "not a number": a line with one would end the connection
            line = json.dumps(_finite(message), default=str).encode()
            self._tell_of_infinite(kind, values)
        if len(line) + 1 > LINE_BYTES_MAX:
            line = json.dumps({"type": "warning", "what": f"A {kind} message was too long to be sent.",
                               "why": f"It has {len(line)} bytes; a line may have {LINE_BYTES_MAX}.",
                               "fix": "Say less in it."}).encode()
        try:
            with self._sending:
                self._socket.sendall(line + b"\n")
            return True
        except OSError:
            self.is_connected = False
            return False

    def _tell_of_infinite(self, kind, values):
        """A loss that is no number any more is the first that a person should hear of."""
        logged = values.get("values") if kind == "log" else None
        for name, value in (logged or {}).items():
            if isinstance(value, float) and not math.isfinite(value) and name not in self._infinite:
                self._infinite.add(name)
                self.warn(f"{name} is {value}.", f"It was logged so at step {values.get('step')}.",
                          "Look at the learning rate and the data of the steps before; its curve holds finite values only.")

    def warn(self, what, why, fix):
        """Tells the person who runs the job; on the job's own output too, where no Worker listens."""
        if not self.send("warning", what=what, why=why, fix=fix):
            print(f"openclaw: {what} {why} {fix}", file=sys.stderr, flush=True)

    def fail(self, error):
        """The first cause of a failure, with its traceback."""
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.send("failed", exception=f"{type(error).__name__}: {error}"[:TEXT_CHARACTERS_MAX],
                  traceback=text[-TEXT_CHARACTERS_MAX:])

    # -- what was pushed

    @property
    def membership(self):
        with self._news:
            return self._membership

    @property
    def dead(self):
        """Slots that died since the newest membership."""
        with self._news:
            return frozenset(self._dead)

    def on_death(self, act):
        """`act(slot)` is called on the reading thread the moment a death is heard of (slot -1: a newer membership came)."""
        self._on_death.append(act)

    def wait_for_membership(self, suits, timeout_s):
        """The newest membership as soon as `suits(it)`; None when the time passed."""
        deadline = time.monotonic() + timeout_s
        with self._news:
            while self._membership is None or not suits(self._membership):
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._news.wait(left)
            return self._membership

    def _read(self):
        buffered = b""
        while True:
            try:
                received = self._socket.recv(65536)
            except OSError:
                received = b""
            if not received:
                self.is_connected = False
                return
            buffered += received
            *lines, buffered = buffered.split(b"\n")
            for line in lines:
                if line.strip():
                    self._take(line)
            if len(buffered) > LINE_BYTES_MAX:
                buffered = b""

    def _take(self, line):
        try:
            message = json.loads(line)
            kind = message["type"]
            if kind == "membership":
                self._take_membership(Membership.of_message(message))
            elif kind == "dead":
                self._take_death(int(message["slot"]))
            elif kind == "stop":
                self.stop_with_checkpoint = bool(message.get("checkpoint"))
                self.stop_within_s = float(message.get("within_s") or 10)
            elif kind == "checkpoint_now":
                self.checkpoint_wanted = True
            elif kind == "stack_wanted":
                # Every rank of a job that hangs stands still; which of them waits is not to be seen in C++ frames.
                self.send("stack", threads=stacks() + ([f"openclaw: {self.waits()}"] if self.waits is not None else []))
        except (ValueError, KeyError, TypeError) as error:
            self.warn("A message of the Worker was not understood.", f"{error!r} in {line[:200]!r}.",
                      "See that binary and Python package are of one version.")

    def _take_membership(self, membership):
        with self._news:
            if self._membership is not None and membership.epoch < self._membership.epoch:
                return
            is_newer = self._membership is not None
            lost = is_newer and _present(self._membership) - _present(membership)
            self._membership = membership
            self._dead.clear()
            self._news.notify_all()
        for slot in lost or ():
            for act in self._on_death:
                act(slot)

    def _take_death(self, slot):
        with self._news:
            self._dead.add(slot)
            self._news.notify_all()
        for act in self._on_death:
            act(slot)


def _finite(value):
    """The same with None in place of each number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def _present(membership):
    return {one.slot for one in membership.live + membership.leaving}


def stacks():
    """What every Python thread of this process is doing, one text each, the main thread first."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    main = threading.main_thread().ident
    texts = []
    for ident, frame in sorted(sys._current_frames().items(), key=lambda item: item[0] != main)[:64]:
        frames = "".join(traceback.format_list(traceback.extract_stack(frame)[-40:]))
        texts.append(f"{names.get(ident, ident)}:\n{frames}"[-TEXT_CHARACTERS_MAX // 4:])
    return texts
