"""Collectives: all-reduce between two ranks of this machine, beside gloo (of torch) and OpenMPI."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

from rows import median, row
from stand.environment import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
RANKS = ROOT / "Benchmarks" / "peers" / "all_reduce_ranks.py"
KILO, MEGA = 1024, 1024 * 1024
SIZES = [KILO, 16 * KILO, 256 * KILO, MEGA, 4 * MEGA, 25 * MEGA, 100 * MEGA]


def name(size):
    return f"{size // MEGA} MB" if size >= MEGA else f"{size // KILO} KB"


def free_port():
    """One that is free, and the next as well."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def measured(library, python, environment):
    """Median seconds of a call, by size."""
    port, sizes = free_port(), json.dumps(SIZES)
    ranks = [[str(python), str(RANKS), library, str(rank), str(port), sizes] for rank in range(2)]
    if library == "openmpi":
        ranks = [["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2", *ranks[0]]]
    processes = [
        subprocess.Popen(rank, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for rank in ranks]
    try:
        ends = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
    lines = [line for out, _ in ends for line in out.splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError(f"{library} told nothing: {' / '.join(error.strip()[-300:] for _, error in ends)}")
    return {int(size): seconds for size, seconds in json.loads(lines[0]).items()}


def gloo(bench):
    """Python with torch, or None."""
    try:
        return torch(bench.step)
    except RuntimeError:
        return None


@row(seconds=120)
def all_reduce(bench):
    """All-reduce of 1 KB to 100 MB between two ranks, against gloo and OpenMPI."""
    library = bench.openclaw.parent / "libopenclaw_collectives.so"
    if not library.exists():
        raise RuntimeError(f"{library.name} is not beside {bench.openclaw.name}; `make build` builds it")
    environment = dict(os.environ, OPENCLAW_COLLECTIVES=str(library), OMP_NUM_THREADS="1")
    pythons = {"ours": sys.executable, "gloo": gloo(bench), "openmpi": sys.executable if shutil.which("mpirun") else None}
    rounds = []
    for turn in range(min(bench.rounds, 7)):
        bench.step(f"round {turn + 1}: {', '.join(library for library, python in pythons.items() if python)}")
        rounds.append({
            library: measured(library, python, environment) for library, python in pythons.items() if python})

    def against(peer, size, figure, limit):
        title = f"all-reduce of {name(size)}, {figure} {peer}'s"
        if not pythons[peer]:
            return bench.missing(title, f"{peer} is not installed", "at least", limit)
        times = {library: median([one[library][size] for one in rounds]) for library in ("ours", peer)}
        if size < MEGA:
            detail = ", ".join(f"{library} {seconds * 1e6:.1f} us" for library, seconds in times.items())
        else:
            detail = ", ".join(f"{library} {size / seconds / 1e9:.2f} GB/s" for library, seconds in times.items())
        bench.at_least(title, median([one[peer][size] / one["ours"][size] for one in rounds]), limit, "times", detail)

    against("gloo", KILO, "how many times shorter than", 10)
    for size in (MEGA, 4 * MEGA, 25 * MEGA, 100 * MEGA):
        against("gloo", size, "speed to", 2)
    for size in (25 * MEGA, 100 * MEGA):
        against("openmpi", size, "speed to", 1)
    for size in SIZES:
        seconds = median([one["ours"][size] for one in rounds])
        bench.told(f"all-reduce of {name(size)}", seconds * 1e6, "us", f"{size / seconds / 1e9:.2f} GB/s")
