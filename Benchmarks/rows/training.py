"""Training: what the scheduler decides; steps over a slow link beside stock DDP; a rank that is killed beside torchrun."""

import importlib.util
import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import time

from product import OpenClaw, Process, free_port, tail
from rows import median, row
from stand.environment import torch
from stand.namespaces import Link

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "Benchmarks" / "peers" / "step_ranks.py"
FP16 = ROOT / "Benchmarks" / "peers" / "step_ranks_fp16.py"


@row(seconds=60)
def scheduling(bench):
    """Decisions a second with 100 000 jobs in the queue, each written durably: a job ends and another arrives."""
    lines = bench.lines("openclaw-scheduling")
    width = max(len(line["policy"]) for line in lines)
    for line in lines:
        plain = next(one for one in lines if (one["nodes"], one["policy"]) == (line["nodes"], "fifo"))
        bench.told(
            f"decisions, {line['nodes']:>6,} nodes, {line['policy']:<{width}}", line["per_second"], "per second",
            f"{line['per_second'] / plain['per_second']:4.2f} of fifo's; {line['deciding_ms']:6.2f} ms of deciding, "
            f"the slowest {line['slowest_ms']:6.1f} ms; {line['started']:>6,} starts, {line['stopped']:>6,} stops")


# Steps over a link

# Mbit/s, steps of one measurement, how much of a step may be left beside stock DDP's (None: told), by wire.
RATES = [
    (100, 14, {"bfloat16": 0.8, "int8": 0.6}),
    (1000, 60, {"bfloat16": 0.8, "int8": 0.6}),
    (None, 80, {"auto": 1.0}),
]
WARM_STEPS = 4
LOSS, LOSS_OVER, LOSS_STEPS = 0.6, 20, 600


class Ranks:
    """Two ranks, one at each end of a link, by torch's own gloo or by ours."""

    def __init__(self, bench, link):
        self.bench, self.link, self.python = bench, link, torch(bench.step)
        self.library = bench.openclaw.parent / "libopenclaw_collectives.so"
        if not self.library.exists():
            raise RuntimeError(f"{self.library.name} is not beside {bench.openclaw.name}; `make build` builds it")
        self.stand_in = stand_in()

    def measured(self, kind, *arguments):
        """What rank 0 told. `kind`: stock, fp16, or one of our wires."""
        if kind in ("stock", "fp16"):
            return self.under_gloo(FP16 if kind == "fp16" else SCRIPT, arguments)
        return self.under_ours(kind, arguments)

    def under_gloo(self, script, arguments):
        port = str(free_port(0))
        processes = []
        for rank in range(2):
            environment = {
                **os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": self.link.addresses[0],
                "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": self.link.interfaces[rank], "OMP_NUM_THREADS": "1"}
            processes.append(subprocess.Popen(
                [*self.link.prefix(rank), str(self.python), str(script), *arguments], env=environment, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True))
        try:
            ends = [process.communicate(timeout=200) for process in processes]
        finally:
            for process in processes:
                process.kill()
        return told("\n".join(out for out, _ in ends), "\n".join(error for _, error in ends))

    def under_ours(self, wire, arguments):
        secret = secrets.token_hex(32)
        with self.stand_in.Job(
            SCRIPT, *arguments, world=2, replace=False, wire=wire, python=self.python, prefix=self.link.prefix,
            checkpoint_every_s=3_600,
            environment={"OPENCLAW_COLLECTIVES": str(self.library), "OPENCLAW_JOB_SECRET": secret},
            environment_of=lambda slot: {"OPENCLAW_LISTEN": self.link.addresses[slot]},
        ) as job:
            job.wait_for_end(timeout_s=200)
            return told("\n".join(rank.text() for rank in job.history), job.story())


def stand_in():
    """The adapter's own stand-in for daemon and Workers: the daemon of this version starts ranks in its own namespace only."""
    path = ROOT / "adapters" / "python" / "tests" / "bench.py"
    spec = importlib.util.spec_from_file_location("openclaw_stand_in", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def told(text, trouble):
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError(f"the ranks told nothing: {trouble.strip()[-600:]}")
    return json.loads(lines[0])


@row(seconds=300)
def steps(bench):
    """Steps of a 4.5 MB network, 2 ranks at the ends of a link, against stock DDP and its fp16 hook; time to equal loss."""
    link = Link()
    try:
        ranks = Ranks(bench, link)
        for megabits, count, promises in RATES:
            link.shape(megabits)
            compare_steps(bench, ranks, megabits, count, promises)
        link.shape(1000)
        compare_losses(bench, ranks)
    finally:
        link.remove()


def name(megabits):
    return "unshaped" if megabits is None else f"at {megabits // 1000} Gbit" if megabits >= 1000 else f"at {megabits} Mbit"


def compare_steps(bench, ranks, megabits, count, promises):
    kinds = ["stock", "fp16", *promises]
    rounds = []
    for turn in range(min(bench.rounds, 3)):
        bench.step(f"{name(megabits)}, round {turn + 1}: {', '.join(kinds)}")
        rounds.append({
            kind: median(ranks.measured(kind, "--steps", str(count))["times"][WARM_STEPS:]) for kind in kinds})
    times = {kind: median([one[kind] for one in rounds]) for kind in kinds}
    ratios = {kind: median([one[kind] / one["stock"] for one in rounds]) for kind in kinds}
    for kind, limit in promises.items():
        bench.at_most(
            f"step {name(megabits)}, {kind}, of stock DDP's", ratios[kind], limit, "times",
            ", ".join(f"{kind} {times[kind] * 1000:.1f} ms" for kind in ("stock", "fp16", kind)))
    bench.told(f"step {name(megabits)}, DDP's fp16 hook, of stock DDP's", ratios["fp16"], "times")


def compare_losses(bench, ranks):
    """Once: how long until the loss is there, steps that learn less included."""
    found = {}
    for kind in ("stock", "bfloat16", "int8"):
        bench.step(f"to a loss of {LOSS} at 1 Gbit: {kind}")
        found[kind] = reached(ranks.measured(kind, "--steps", str(LOSS_STEPS)))
        if found[kind] is None:
            return bench.missing(f"time to a loss of {LOSS} at 1 Gbit", f"{kind} did not reach it", "at most", 1)
    for kind in ("bfloat16", "int8"):
        bench.at_most(
            f"time to a loss of {LOSS} at 1 Gbit, {kind}, of stock DDP's", found[kind][0] / found["stock"][0], 1, "times",
            ", ".join(f"{kind} {found[kind][0]:.1f} s, {found[kind][1]} steps" for kind in ("stock", kind)))


def reached(end):
    """(seconds, steps) until the mean loss of some steps was there; None where it never was."""
    for step in range(LOSS_OVER, len(end["losses"]) + 1):
        if sum(end["losses"][step - LOSS_OVER:step]) / LOSS_OVER <= LOSS:
            return sum(end["times"][:step]), step
    return None


# A rank that is killed

KILLED_AT = 175
STEPS_AFTER = 400


@row(seconds=120)
def killed(bench):
    """kill -9 of one of three ranks: seconds until the job trains again and steps done again, against torchrun."""
    python = torch(bench.step)
    ours, torchruns = [], []
    for turn in range(min(bench.rounds, 3)):
        bench.step(f"round {turn + 1}: ours, torchrun")
        ours.append(killed_under_openclaw(bench, python, bench.folder / f"ours-{turn}"))
        torchruns.append(killed_under_torchrun(python, bench.folder / f"torchrun-{turn}"))
    seconds = {"ours": [one[0] for one in ours], "torchrun": [one[0] for one in torchruns]}
    bench.at_most(
        "kill -9 of one of three, until it trains again", median(seconds["ours"]), 0.2, "s",
        f"torchrun {median(seconds['torchrun']):.1f} s, {median([b / a for a, b in zip(seconds['ours'], seconds['torchrun'])]):.0f}"
        " times as long")
    bench.at_most(
        "kill -9 of one of three, steps lost", max(one[1] for one in ours), 1, "",
        f"torchrun {median([one[1] for one in torchruns]):.0f} (its script writes its state down every 50)")


class Marks:
    """What rank 0 wrote at the end of each step."""

    def __init__(self, path):
        self.path = path

    def read(self):
        if not self.path.exists():
            return []
        lines = self.path.read_text().splitlines(keepends=True)
        return [(int(step), float(at)) for step, at in (line.split() for line in lines if line.endswith("\n"))]

    def wait_for(self, step, process, limit):
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if any(reached >= step for reached, _ in self.read()):
                return
            if process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"no step {step} within {limit} s")

    def after(self, killed_at):
        """(seconds until the next step was done, steps that were done twice or never)

        A step that was done, and its line written, in the moment of the kill is one of those before it."""
        marks = self.read()
        before = [step for step, at in marks if at <= killed_at + 0.001]
        later = [(step, at) for step, at in marks if at > killed_at + 0.001]
        if not before or not later:
            raise RuntimeError("it did not train again")
        return later[0][1] - killed_at, abs(before[-1] + 1 - later[0][0])


def killed_under_openclaw(bench, python, folder):
    folder.mkdir()
    marks = Marks(folder / "marks")
    openclaw = OpenClaw(bench.openclaw, folder)
    job = {"training_job": {
        "name": "killed", "ranks": 3, "run": f"exec {python} {SCRIPT} --steps {KILLED_AT + STEPS_AFTER} --marks {marks.path}"}}
    (folder / "job.yaml").write_text(json.dumps(job))  # JSON is YAML
    openclaw.start([])
    try:
        openclaw.run("train", "submit", str(folder / "job.yaml"))
        marks.wait_for(KILLED_AT, openclaw.process.child, 90)
        pid = openclaw.ask("train", "status", "killed")["ranks"][1]["pid"]
        killed_at = time.time()
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not any(at > killed_at + 0.001 for _, at in marks.read()):
            time.sleep(0.02)
        found = marks.after(killed_at)
        openclaw.run("train", "cancel", "killed")
        return found
    finally:
        openclaw.stop()


def killed_under_torchrun(python, folder):
    folder.mkdir()
    marks = Marks(folder / "marks")
    arguments = [
        str(python), "-m", "torch.distributed.run", "--nproc-per-node", "3", "--max-restarts", "3", "--standalone",
        str(SCRIPT), "--steps", str(KILLED_AT + STEPS_AFTER), "--marks", str(marks.path), "--snapshot",
        str(folder / "snapshot")]
    # Without it torchrun of this version does not recover on one machine.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    process = Process("torchrun", arguments, folder / "log", env=environment, cwd=folder)
    try:
        marks.wait_for(KILLED_AT, process.child, 90)
        victim = rank_of(process.child.pid, 1)
        killed_at = time.time()
        os.kill(victim, signal.SIGKILL)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.child.poll() is None:
            if any(at > killed_at + 0.001 for _, at in marks.read()[-1:]):
                # A last step may have ended in the moment of the kill: what follows a pause is the new beginning.
                if marks.read()[-1][1] - killed_at > 0.5:
                    break
            time.sleep(0.05)
        later = [one for one in marks.read() if one[1] > killed_at + 0.5]
        if not later:
            raise RuntimeError(f"torchrun did not train again:\n{tail(folder / 'log')}")
        before = [step for step, at in marks.read() if at <= killed_at + 0.5]
        return later[0][1] - killed_at, before[-1] + 1 - later[0][0]
    finally:
        process.stop()


def rank_of(parent, rank):
    """The process of a rank below torchrun's."""
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "status").read_text()
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if re.search(rf"^PPid:\s+{parent}$", status, re.MULTILINE) and f"\0RANK={rank}\0".encode() in b"\0" + environment:
            return int(entry.name)
    raise RuntimeError(f"no rank {rank} below torchrun (pid {parent})")
