"""Python environments of the bench's own, one for each thing it is measured against: exactly what its lock names."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

PEERS = pathlib.Path(__file__).resolve().parent.parent / "peers"
# Not in the demo's environment, which is made anew when its lock changes.
HOME = PEERS.parent.parent / ".venv-bench"


def environment(name, step):
    """The folder with its programs; installed once. Raises where that fails (no index is reached, no wheel for this Python)."""
    lock, folder = PEERS / f"{name}.lock", HOME / name
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / "made-from"
    if not stamp.exists() or stamp.read_text() != wanted:
        step(f"installing {name} and what it needs (once; minutes)")
        try:
            call([os.environ.get("PYTHON") or sys.executable, "-m", "venv", "--clear", str(folder)])
            call([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
                  "--require-hashes", "--only-binary", ":all:", "-r", str(lock)])
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        stamp.write_text(wanted)
    return folder / "bin"


def torch(step):
    """The Python of the environment with torch, which the adapter's tests use too. Raises where it cannot be made."""
    folder = PEERS.parent.parent
    python = folder / ".build" / "torch" / "bin" / "python"
    if not (python.parent.parent / "made-from").exists():
        step("torch (once; a minute, 1 GB)")
    done = subprocess.run([str(folder / "scripts" / "setup-torch.sh")], capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise RuntimeError(f"torch cannot be installed: {' / '.join(done.stderr.strip().splitlines()[-3:])}")
    return python


def call(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise RuntimeError(f"{' '.join(command[1:4])} ended with {done.returncode}: {' / '.join(lines)}")
