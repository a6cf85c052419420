"""Checkpoints: folders that are whole or not there. Written beside, synced, then renamed; every file's SHA-256 in the manifest."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import threading
import time

FORMAT = 1
_NAME = re.compile(r"step-(\d{12})$")


class CheckpointBroken(Exception):
    """A checkpoint on disk is not what was written."""


class Digesting:
    """A file that knows the SHA-256 of what was written to it."""

    def __init__(self, path):
        self._file = open(path, "wb")
        self._digest = hashlib.sha256()
        self.size = 0
        self.error = None  # why something could not be written: those who write through this file may tell it less well

    def write(self, piece):
        try:
            self._file.write(piece)
        except OSError as error:
            self.error = error
            raise
        self._digest.update(piece)
        self.size += memoryview(piece).nbytes
        return memoryview(piece).nbytes

    def flush(self):
        self._file.flush()

    def close(self):
        """Returns once the bytes are on the disk. -> {bytes, sha256}"""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
        return {"bytes": self.size, "sha256": self._digest.hexdigest()}


class CheckpointFolder:
    """The checkpoints of one job, newest last."""

    def __init__(self, path, keep):
        self.path = path
        self._keep = max(1, keep)

    def steps(self):
        """The steps of which a checkpoint stands here, whole or damaged, rising."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) for name in names if (match := _NAME.match(name)))

    def place(self, step):
        return os.path.join(self.path, f"step-{step:012d}")

    def write(self, step, files, about):
        """Writes one checkpoint: `files` maps a name to `write(file)`. Atomic: it has its name only when all of it is on disk.

        -> (path, bytes). An OSError leaves nothing behind.
        """
        place = self.place(step)
        if os.path.exists(place):
            return place, 0
        os.makedirs(self.path, exist_ok=True)
        beside = os.path.join(self.path, f".partial-{step:012d}-{os.getpid()}")
        try:
            os.makedirs(beside, exist_ok=True)
            described = {}
            for name, write in files.items():
                described[name] = _written(os.path.join(beside, name), write)
            manifest = Digesting(os.path.join(beside, "manifest.json"))
            manifest.write(json.dumps({"format": FORMAT, "step": step, "files": described, **about},
                                      indent=1, sort_keys=True).encode() + b"\n")
            manifest.close()
            _sync_folder(beside)
            os.rename(beside, place)
            _sync_folder(self.path)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return place, sum(one["bytes"] for one in described.values())

    def sweep(self):
        """Removes what exceeds the retention, and what writers left that died on the way."""
        for step in self.steps()[:-self._keep]:
            doomed = os.path.join(self.path, f".doomed-{step:012d}")
            os.rename(self.place(step), doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        for name in os.listdir(self.path):
            owner = name.rsplit("-", 1)[-1]
            if name.startswith(".doomed-") or (name.startswith(".partial-") and not _is_alive(owner)):
                shutil.rmtree(os.path.join(self.path, name), ignore_errors=True)

    def read(self, step):
        """-> (manifest, {name: bytes}), each file checked against its digest; CheckpointBroken where anything is off."""
        place = self.place(step)
        try:
            with open(os.path.join(place, "manifest.json"), "rb") as file:
                manifest = json.loads(file.read())
            if manifest.get("format") != FORMAT:
                raise CheckpointBroken(f"{place} has format {manifest.get('format')}; this package reads {FORMAT}.")
            contents = {}
            for name, described in manifest["files"].items():
                with open(os.path.join(place, os.path.basename(name)), "rb") as file:
                    content = file.read()
                if len(content) != described["bytes"] or hashlib.sha256(content).hexdigest() != described["sha256"]:
                    raise CheckpointBroken(f"{place}/{name} is not what its manifest says.")
                contents[name] = content
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointBroken(f"{place} cannot be read: {error}") from error
        return manifest, contents

    def newest(self, damaged=lambda step, error: None):
        """The newest whole checkpoint as (step, manifest, contents), or None; `damaged` hears of those passed over."""
        for step in reversed(self.steps()):
            try:
                return (step, *self.read(step))
            except CheckpointBroken as error:
                damaged(step, error)
        return None


class CheckpointWriter:
    """Writes snapshots on a thread of its own. One at a time: while one is being written the next is not begun."""

    def __init__(self, folder, worker):
        self._folder = folder
        self._worker = worker
        self._thread = None

    @property
    def is_busy(self):
        return self._thread is not None and self._thread.is_alive()

    def start(self, step, files, about, copy_s):
        """Returns at once. Call it only while it is not busy."""
        self._thread = threading.Thread(
            target=self._write, args=(step, files, about, copy_s), name="openclaw-checkpoint")
        self._thread.start()

    def wait(self, timeout_s=None):
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _write(self, step, files, about, copy_s):
        started = time.monotonic()
        try:
            path, size = self._folder.write(step, files, about)
            self._worker.send("checkpoint", path=path, step=step, bytes=size, copy_s=copy_s,
                              write_s=time.monotonic() - started)
            self._folder.sweep()
        except Exception as error:  # a full disk, a folder that went away: training goes on
            what = f"The checkpoint of step {step} was not written."
            self._worker.send("checkpoint_failed", what=what, why=str(error))
            self._worker.warn(what, f"{error}.", f"Make room in {self._folder.path}; training goes on, and the next one is tried in time.")


def _written(path, write):
    """-> what the manifest says of the file"""
    file = Digesting(path)
    try:
        write(file)
        described = file.close()
    except Exception as error:
        with contextlib.suppress(OSError):
            file.close()
        if file.error is not None and error is not file.error:
            raise file.error from error
        raise
    return described


def _sync_folder(path):
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_alive(pid):
    return pid.isdigit() and os.path.exists(f"/proc/{pid}")
