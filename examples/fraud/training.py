"""The demo's first act: a version is trained on three ranks, and one of them is killed on the way."""

import datetime
import os
import pathlib
import re
import signal
import time

from product import Process, Trouble, free_port, tail

RANKS = 3
VICTIM = 1
KILLED_FROM_STEP = 300  # of 1 200, and some more where two ranks take over what the third had not seen
LIMIT = 150
# Of two runs that nothing disturbed, with different seeds, the accuracies differ by up to 1.5 points.
QUALITY_MARGIN = 0.02
# Of what the version says of itself.
MEASURED = ("held_out_accuracy", "loss")


class Training:
    """One version, trained twice with the same seed: by torchrun with nothing in its way, and by OpenClaw with a kill."""

    def __init__(self, openclaw, screen, folder, version, python):
        self.openclaw, self.screen, self.folder, self.version = openclaw, screen, folder, version
        self.python = pathlib.Path(python).absolute()  # not resolved: it is a link, and knows by it where its packages are
        self.name = f"fraud-model-{version}"
        self.process = None
        self.killed = None

    def run(self):
        self.screen.say()
        self.screen.step(self.screen.strong(f"fraud-model {self.version} is trained by a plain PyTorch script"))
        self.undisturbed, self.undisturbed_seconds = self.under_torchrun()
        self.screen.step(
            f"  by torchrun, undisturbed: held-out accuracy {self.undisturbed:.3f} after {self.undisturbed_seconds:.0f} s")
        self.screen.step(self.screen.strong("openclaw train submit training.yaml"))
        self.openclaw.run("train", "submit", str(self.folder / "training.yaml"))
        self.status = self.watch()
        self.conclude()

    def stop(self):
        if self.process:
            self.process.stop()

    # Undisturbed

    def under_torchrun(self):
        log = self.folder.parent / "torchrun.log"
        arguments = [
            str(self.python), "-m", "torch.distributed.run", "--nproc-per-node", str(RANKS), "--master-port", str(free_port(0)),
            "train_torch.py", "--data", "data", "--out", str(self.folder.parent / "undisturbed"), "--version", self.version,
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        began = time.monotonic()
        self.process = Process("torchrun", arguments, log, cwd=self.folder, env=environment)
        try:
            while self.process.child.poll() is None:
                seconds = time.monotonic() - began
                if seconds > LIMIT:
                    raise Trouble(f"torchrun was not done after {LIMIT} s:\n{tail(log)}")
                self.screen.moment(f"  by torchrun, undisturbed: {seconds:.0f} s")
                time.sleep(0.1)
        finally:
            self.process.stop()
        if self.process.child.returncode:
            raise Trouble(f"torchrun ended with status {self.process.child.returncode}:\n{tail(log)}")
        return accuracy(log.read_text(errors="replace")), time.monotonic() - began

    # Under OpenClaw

    def watch(self):
        """Follows the job to its end; kills a rank once it is well under way."""
        deadline = time.monotonic() + LIMIT
        told = set()
        while time.monotonic() < deadline:
            status = self.openclaw.ask("train", "status", self.name)
            progress = status.get("progress", {})
            step = progress.get("step", 0)
            if status["state"] == "running" and "running" not in told and all("pid" in rank for rank in status["ranks"]):
                told.add("running")
                self.screen.step(f"  {RANKS} ranks run: pids {', '.join(str(rank.get('pid', '?')) for rank in status['ranks'])}")
            if status["state"] == "running" and step >= KILLED_FROM_STEP and not self.killed:
                self.kill(status, step)
            if status["losses"]:
                self.tell_of_loss(status, told)
            if status["state"] in ("finished", "failed", "cancelled"):
                return status
            self.screen.moment(
                f"  step {step}, {progress.get('samples_per_s', 0):.0f} samples/s, "
                f"{sum(rank['state'] in ('up', 'done') for rank in status.get('ranks', []))} of {RANKS} ranks")
            time.sleep(0.1)
        raise Trouble(f"{self.name} was not trained within {LIMIT} s; openclaw train status {self.name}")

    def kill(self, status, step):
        pid = status["ranks"][VICTIM].get("pid")
        if not pid:
            return
        self.killed = {"pid": pid, "at": time.time(), "step": step}
        os.kill(pid, signal.SIGKILL)
        self.screen.step(self.screen.strong(f"  kill -9 {pid}") + f": rank {VICTIM} is dead, at about step {step}")

    def tell_of_loss(self, status, told):
        loss = status["losses"][0]
        if "went_on_at" in loss and "went on" not in told:
            told.add("went on")
            self.killed["stood"] = moment(loss["went_on_at"]) - self.killed["at"]
            self.screen.step(
                f"  the other two went on: their next step was done {self.killed['stood']:.2f} s after the kill "
                f"(step {loss['went_on_with_step']})")
        if "mended_after_s" in loss and "replaced" not in told:
            told.add("replaced")
            pid = status["ranks"][VICTIM].get("pid") if status.get("ranks") else None
            self.killed["replaced"] = loss["mended_after_s"]
            self.screen.step(
                f"  a new rank {VICTIM}{f' (pid {pid})' if pid else ''} took state from one of them and joined "
                f"{loss['mended_after_s']:.1f} s after the kill, at step {loss.get('replaced_at_step', '?')}")

    # The end

    def conclude(self):
        status = self.status
        if status["state"] != "finished":
            raise Trouble(f"{self.name} {status['state']}: {status.get('because') or status.get('first_cause', {}).get('text')}")
        self.accuracy = accuracy(self.openclaw.run("train", "logs", self.name, "--rank", "0"))
        self.seconds = moment(status["ended_at"]) - moment(status["started_at"])
        lineage = self.openclaw.ask("version", "show", status["version"])["lineage"]["inputs"]
        self.screen.step(f"  held-out accuracy {self.accuracy:.3f} after {self.seconds:.0f} s, a rank killed on the way")
        self.screen.step(
            f"  {status['version']} is registered, with what it was made from: "
            + ", ".join(f"{name} {lineage[name].removeprefix('sha256:')[:8]}" for name in ("job", "code", "data"))
            + "".join(f", {name} {float(lineage[f'metric.{name}']):.3f}" for name in MEASURED if f"metric.{name}" in lineage))

    @property
    def is_right(self):
        """One kill, nobody started again who was not killed, and nothing lost in quality."""
        return (
            self.killed is not None and "stood" in self.killed and self.status["run"] == 1 and self.status["failures"] == 1
            and self.accuracy >= self.undisturbed - QUALITY_MARGIN)

    def table(self):
        killed = self.killed or {}
        self.screen.table(
            ["trained", "ranks", "killed", "until the next step", "until replaced", "seconds", "accuracy", "undisturbed"],
            [[
                self.version, RANKS, f"rank {VICTIM}, pid {killed['pid']}" if killed else "nobody",
                f"{killed['stood']:.2f} s" if "stood" in killed else "-",
                f"{killed['replaced']:.1f} s" if "replaced" in killed else "-",
                f"{self.seconds:.0f}", f"{self.accuracy:.3f}", f"{self.undisturbed:.3f}",
            ]],
            alignment="<><>>>>>",
        )


def accuracy(text):
    found = re.search(r"held-out accuracy ([0-9.]+)", text)
    if not found:
        raise Trouble(f"the training said no accuracy:\n{text[-500:]}")
    return float(found[1])


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
