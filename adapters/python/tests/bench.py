"""Bench: stands in for daemon and Workers on one machine, so that the adapter can be tried without them.

It speaks the lines of docs/protocols/worker.md: starts ranks, keeps the membership, pushes deaths, starts replacements.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PYTHON_FOLDER = pathlib.Path(__file__).resolve().parent.parent
LINE_BYTES_MAX = 256 * 1024
# Only reached when something is wrong: a starved machine takes minutes for what takes seconds.
PATIENCE_S = 300


class Rank:
    """One process of one slot, and the messages it sent."""

    def __init__(self, job, slot, is_joining):
        self.job, self.slot, self.is_joining = job, slot, is_joining
        self.messages = []
        self.born = time.monotonic()
        self.mesh = None
        self.state = "gone" if is_joining else "live"  # until it says where its mesh listens
        self.status = None
        self._connection = None
        self._sending = threading.Lock()
        self._path = os.path.join(job.folder, f"w{slot}-{len(job.history)}")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self._path)
        self._listener.listen(1)
        self.output = os.path.join(job.folder, f"rank-{slot}-{len(job.history)}.out")
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [*job.prefix(slot), *job.command], env=self._environment(), stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                cwd=job.folder)
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()
        threading.Thread(target=self._reap, daemon=True).start()

    def _environment(self):
        job = self.job
        environment = {
            **os.environ, "RANK": str(self.slot), "LOCAL_RANK": str(self.slot), "WORLD_SIZE": str(job.world),
            "LOCAL_WORLD_SIZE": str(job.world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(job.port),
            "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "OPENCLAW_JOB": "bench",
            "OPENCLAW_ATTEMPT": str(job.attempt), "OPENCLAW_SLOT": str(self.slot), "OPENCLAW_WORKER_SOCKET": self._path,
            "OPENCLAW_COLLECTIVES": os.environ.get("OPENCLAW_COLLECTIVES", ""), "OPENCLAW_CHECKPOINTS": job.checkpoints,
            "OPENCLAW_CHECKPOINT_EVERY_S": str(job.checkpoint_every_s), "OPENCLAW_CHECKPOINT_KEEP": "3",
            "OPENCLAW_WIRE": job.wire, "OPENCLAW_MEMBERSHIP_TIMEOUT_S": "120",
            "PYTHONPATH": os.pathsep.join([str(PYTHON_FOLDER / "hook"), str(PYTHON_FOLDER), *job.python_path, *filter(None, [os.environ.get("PYTHONPATH")])]),
            **job.environment, **job.environment_of(self.slot),
        }
        if self.is_joining:
            environment["OPENCLAW_JOINING"] = "1"
        if job.own_hosts:
            environment["OPENCLAW_HOST"] = f"host-{self.slot}"
        return environment

    def send(self, kind, **values):
        if self._connection is not None:
            with contextlib.suppress(OSError), self._sending:
                self._connection.sendall(json.dumps({"type": kind, **values}).encode() + b"\n")

    def _serve(self):
        with self._listener, contextlib.suppress(OSError):
            self._connection, _ = self._listener.accept()
            buffered = b""
            with self._connection as connection:
                while received := connection.recv(65536):
                    *lines, buffered = (buffered + received).split(b"\n")
                    for line in lines:
                        assert len(line) < LINE_BYTES_MAX
                        self.job._heard(self, json.loads(line))

    def _reap(self):
        status = self.process.wait()
        # What it said last may still lie in the socket: it is heard before its end is told. One that never came is waited for no more.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._serving.join(PATIENCE_S)
        self.status = status
        self.job._ended(self)

    def said(self, kind):
        return [message for message in list(self.messages) if message["type"] == kind]

    def text(self):
        return pathlib.Path(self.output).read_text(errors="replace")


class Job:
    """N ranks of one script. `replace=True` starts a replacement the moment a rank dies."""

    def __init__(self, script, *arguments, world=3, replace=True, wire="float32", checkpoint_every_s=30, checkpoints=None,
                 attempt=1, environment=None, python_path=(), own_hosts=False, prefix=lambda slot: [],
                 environment_of=lambda slot: {}, python=sys.executable):
        self._home = tempfile.TemporaryDirectory(prefix="openclaw-bench-")
        self.folder = self._home.name
        self.prefix, self.environment_of = prefix, environment_of
        self.command = [str(python), str(script), *map(str, arguments)]
        self.world, self.replace, self.wire = world, replace, wire
        self.checkpoints = checkpoints or os.path.join(self.folder, "checkpoints")
        self.checkpoint_every_s, self.attempt = checkpoint_every_s, attempt
        self.own_hosts = own_hosts
        self.environment, self.python_path = environment or {}, list(python_path)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.epoch = 0
        self.history = []  # every process that was started, in order
        self.ranks = {}  # the newest process of each slot
        self.leaving = []  # slots that were asked to leave, until the others go on without them
        self.coming = {}  # slots that were added, until all of them can be met
        self.killed_at = None
        self.replacements_max = 6
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        for slot in range(world):
            self._start(slot, False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.replace = False
        for rank in self.history:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(rank.process.pid, signal.SIGKILL)
            rank.process.wait()
        self._home.cleanup()

    def _start(self, slot, is_joining):
        with self._lock:
            rank = Rank(self, slot, is_joining)
            self.history.append(rank)
            self.ranks[slot] = rank

    # -- what the daemon does

    def _heard(self, rank, message):
        with self._news:
            rank.messages.append({**message, "at": time.monotonic()})
            kind = message["type"]
            if kind == "hello":
                rank.send("welcome", slot=rank.slot, world=self.world, attempt=self.attempt, joining=rank.is_joining)
                if self.epoch:
                    rank.send("membership", **self._membership())
            elif kind == "mesh":
                rank.mesh = {name: message[name] for name in ("address", "host", "peer")}
                if rank.is_joining:
                    rank.state = "joining"
                if self.coming and all(self.ranks[slot].mesh for slot in self.coming):
                    self.coming = {}
                if self.epoch or all(one.mesh or one.status is not None for one in self.ranks.values()):
                    self._raise_epoch()
            elif kind == "joined":
                rank.state = "live"
                self._tell()
            elif kind == "rescaled":
                self._dismiss()
            self._news.notify_all()

    def _ended(self, rank):
        with self._news:
            said_bye = bool(rank.said("bye"))
            if self.ranks.get(rank.slot) is rank and rank.slot in self.leaving:
                if rank.status != 0:
                    for one in self.ranks.values():
                        one.send("dead", slot=rank.slot)
                self.leaving.remove(rank.slot)
                del self.ranks[rank.slot]
                self._raise_epoch()
            elif self.ranks.get(rank.slot) is rank and rank.status != 0 and not said_bye:
                rank.state, rank.mesh = "gone", None
                for one in self.ranks.values():
                    one.send("dead", slot=rank.slot)
                # Where another one is done there is nobody to follow: the daemon starts the whole job again then.
                others_run = all(one.status != 0 for one in self.ranks.values())
                if self.replace and others_run and len(self.history) < self.world + self.replacements_max:
                    self._start(rank.slot, self.epoch > 0)
                if self.epoch:
                    self._raise_epoch()
            self._news.notify_all()

    def _membership(self):
        members = [{"slot": slot, "state": rank.state, **(rank.mesh or {"address": "", "host": "", "peer": ""})}
                   for slot, rank in sorted(self.ranks.items()) if slot not in self.coming and rank.state != "dismissed"]
        return {"epoch": self.epoch, "world": sum(one["state"] != "leaving" for one in members), "members": members}

    def _raise_epoch(self):
        self.epoch += 1
        self._tell()

    def _tell(self):
        for rank in self.ranks.values():
            rank.send("membership", **self._membership())

    def _dismiss(self):
        for slot in self.leaving:
            self.ranks[slot].state = "dismissed"
        self._tell()

    # -- what a test does

    def scale(self, world):
        """More or fewer ranks while the others train on, as the daemon does it."""
        with self._news:
            if world < self.world:
                self.leaving = list(range(world, self.world))
                for slot in self.leaving:
                    self.ranks[slot].state = "leaving"
                self.world = world
                self._raise_epoch()
            else:
                added = range(self.world, world)
                self.world, self.coming = world, dict.fromkeys(added)
                for slot in added:
                    self._start(slot, True)

    def kill(self, *slots, how=signal.SIGKILL):
        """All of them at once: nobody is told of a death before the last one is dead."""
        with self._lock:
            self.killed_at = time.monotonic()
            for slot in slots:
                os.killpg(self.ranks[slot].process.pid, how)

    def kill_at_its_end(self, slot):
        """In the pause that surroundings/lingering makes after a rank's last step; its replacement stands in for it."""
        self.wait_until(lambda: "lingers" in self.ranks[slot].text())  # the others wait for it, or soon will
        self.kill(slot)
        self.wait_until(lambda: len(self.history) == self.world + 1)
        self.wait_for_end()

    def wait_until(self, what, timeout_s=PATIENCE_S):
        deadline = time.monotonic() + timeout_s
        with self._news:
            while not what():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError("it did not happen within %g s\n%s" % (timeout_s, self.story()))
                self._news.wait(min(left, 0.05))

    def wait_for_step(self, step, timeout_s=PATIENCE_S):
        self.wait_until(lambda: self.step() >= step, timeout_s)

    def wait_for_end(self, status=0, timeout_s=PATIENCE_S):
        self.wait_until(lambda: all(rank.status is not None for rank in self.ranks.values()), timeout_s)
        statuses = {slot: rank.status for slot, rank in self.ranks.items()}
        assert set(statuses.values()) == {status}, f"{statuses}\n{self.story()}"

    def step(self):
        """The highest step that any rank told."""
        return max((message["step"] for message in self.said("progress")), default=0)

    def lines(self, start):
        """What the ranks printed, of the lines that begin so, without the beginning."""
        return [line[len(start):] for rank in self.history for line in rank.text().splitlines() if line.startswith(start)]

    def story(self):
        parts = []
        for rank in self.history:
            parts.append(f"--- slot {rank.slot} pid {rank.process.pid} status {rank.status}\n{rank.text()[-3000:]}")
            parts += [json.dumps(one)[:600] for one in rank.messages if one["type"] not in ("progress", "log")]
        return "\n".join(parts)

    def said(self, kind):
        return [message for rank in self.history for message in rank.said(kind)]
