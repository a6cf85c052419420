"""The whole of `make demo`: a model in production, three candidates, live traffic, and three verdicts.

    demo.py --openclaw PATH [--torch PYTHON] [--seed N] [--keep]

One of the candidates is better than what is in production: it is trained first, on three ranks of which one is killed. One has its features in the wrong order, one is slow and fails
now and then. Which is which is dealt out by the seed and written where only train.py reads it. The demo succeeds when
OpenClaw has promoted the first and rolled back the others.
"""

import argparse
import json
import pathlib
import random
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True

from product import OpenClaw, Process, Trouble, free_port  # noqa: E402
from screen import Screen  # noqa: E402
from training import Training  # noqa: E402
from traffic import Traffic  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / ".demo"
CANDIDATES = ["v12", "v13", "v14"]
RECIPES = ["better", "reordered", "leaking"]
TRUTH = {"better": "promoted", "reordered": "rolled back", "leaking": "rolled back"}
IN_WORDS = {
    "better": "better than what is in production",
    "reordered": "features in the wrong order: fast, no errors, poor answers",
    "leaking": "slow, and fails now and then, once its first requests are over",
}
FINAL = {"promoted", "rolled_back", "failed"}
RATE = 60
RELEASE_LIMIT = 240


class Demo:
    def __init__(self, options):
        self.options = options
        self.screen = Screen()
        self.running = []  # what has to be stopped, in order of its start
        self.traffic = None
        self.rows = []
        self.training = None

    def run(self):
        self.lay_out()
        self.start_production()
        self.start_openclaw()
        self.train()
        self.start_traffic()
        for version in CANDIDATES:
            self.release(version)
        return self.conclude()

    # Set-up

    def lay_out(self):
        """A fresh folder with a copy of the example, as a team's repository would look."""
        if WORK.exists():
            shutil.rmtree(WORK)
        self.folder = WORK / "fraud"
        shutil.copytree(HERE, self.folder, ignore=shutil.ignore_patterns("__pycache__", "recipes.json"))
        recipes = list(RECIPES)
        if self.options.seed is not None:
            random.Random(self.options.seed).shuffle(recipes)
        self.truth = dict(zip(CANDIDATES, recipes))
        (self.folder / "recipes.json").write_text(json.dumps({"v11": "stump", **self.truth}))
        self.production_port = free_port(9001)
        if self.production_port != 9001:
            model = self.folder / "model.yaml"
            model.write_text(model.read_text().replace("127.0.0.1:9001", f"127.0.0.1:{self.production_port}"))
        self.trained = next(version for version, recipe in self.truth.items() if recipe == "better")
        job = self.folder / "training.yaml"
        job.write_text(job.read_text().replace("v12", self.trained))
        self.call("prepare", [sys.executable, "prepare.py", "--out", "."])

    def start_production(self):
        """v11, trained and served as it was before OpenClaw came."""
        self.call("train v11", ["./train.sh", "v11", str(WORK / "v11")])
        server = Process(
            "the model server of v11", ["./serve.sh", str(WORK / "v11"), str(self.production_port)], WORK / "v11.log",
            cwd=self.folder,
        )
        self.running.append(server)
        server.wait_for(f"http://127.0.0.1:{self.production_port}/v2/models/fraud-model/ready", limit=60)
        self.screen.step(f"v11 is in production: MLServer on port {self.production_port}")

    def start_openclaw(self):
        self.openclaw = OpenClaw(self.options.openclaw, WORK)
        self.running.append(self.openclaw)
        ready = self.openclaw.start([self.folder / "model.yaml", self.folder / "route.yaml"])
        self.screen.step(
            f"openclaw serves: gateway on port {self.openclaw.gateway_port}, control on {self.openclaw.control_port} "
            f"(ready in {ready * 1000:.0f} ms)"
        )

    def train(self):
        """The better candidate, before it is released. Without torch it is built like the others."""
        if not self.options.torch:
            self.screen.step(f"there is no torch here: {self.trained} is built by scikit-learn, and nothing is trained on ranks")
            return
        self.training = Training(self.openclaw, self.screen, self.folder, self.trained, self.options.torch)
        self.running.append(self.training)
        self.training.run()

    def start_traffic(self):
        self.traffic = Traffic("127.0.0.1", self.openclaw.gateway_port, "/fraud", RATE, seed=self.options.seed or 0)
        self.running.append(self.traffic)
        self.traffic.start()
        time.sleep(1)
        if self.traffic.tally("v11").requests == 0:
            raise Trouble(f"v11 does not answer through the gateway: {self.traffic.last_fault or 'no answer yet'}")
        self.screen.step(f"{RATE} requests/s through the gateway, a new user each; labels follow as feedback")

    def call(self, name, arguments):
        log = WORK / f"{name.replace(' ', '-')}.log"
        process = Process(name, arguments, log, cwd=self.folder)
        try:
            status = process.child.wait(120)
        finally:
            process.stop()
        if status != 0:
            raise Trouble(f"{name} ended with status {status}:\n{log.read_text(errors='replace')[-2000:]}")

    # One release

    def release(self, version):
        name = f"fraud-model-{version}"
        self.screen.say()
        self.screen.step(self.screen.strong(f"openclaw release apply release-{version}.yaml"))
        self.openclaw.run("release", "apply", str(self.folder / f"release-{version}.yaml"))
        status = self.watch(name, version)
        self.rows.append(self.row(name, version, status))

    def watch(self, name, version):
        """Follows a release to its verdict, saying what is new."""
        deadline = time.monotonic() + RELEASE_LIMIT
        seen_stage, seen_share, told, decided = None, None, set(), None
        while time.monotonic() < deadline:
            status = self.openclaw.ask("release", "status", name)
            stage, share = status.get("stage"), status.get("share") or 0
            if stage != seen_stage and status["state"] == "running":
                self.screen.step(f"  {stage}")
                seen_stage = stage
            if share != seen_share and share:
                self.screen.step(f"  {version} now has {percent(share)} of the traffic")
            seen_share = share
            for verdict in status.get("verdicts", []):
                # A pass that is not yet needed may fall back to undecided for a while: it is told once.
                news = (verdict["gate"], verdict["outcome"])
                if verdict["outcome"] != "undecided" and news not in told and not decided:
                    self.screen.step(f"  {verdict['gate']}: {verdict['outcome']}, {verdict['reason']}")
                    told.add(news)
            if status["state"] in FINAL:
                if not decided:
                    decided = status | {"decided_at": time.time(), "tally": self.traffic.tally(version)}
                    self.screen.step(self.screen.strong(f"  {version} {status['state'].replace('_', ' ')}"))
                if not status.get("baking"):
                    return decided | {"state": status["state"]}
            tally = self.traffic.tally(version)
            self.screen.moment(
                f"  {version} {percent(share)}  {tally.requests} requests answered by it, {tally.bad} badly   "
                f"{self.traffic.total()} in all, {self.traffic.lost} lost"
            )
            time.sleep(0.25)
        raise Trouble(f"{name} came to no verdict within {RELEASE_LIMIT} s; {WORK}/openclaw.log says more")

    def row(self, name, version, status):
        # A rolled back version answers no more: everything it ever answered counts. A promoted one goes on.
        tally = status["tally"] if status["state"] == "promoted" else self.traffic.tally(version)
        return {
            "version": version, "verdict": status["state"].replace("_", " "), "why": status.get("because") or "?",
            "requests": tally.requests, "bad": tally.bad,
            "seconds": f"{status['decided_at'] - tally.first:.0f}" if tally.first else "-", "truth": TRUTH[self.truth[version]],
        }

    # The end

    def conclude(self):
        self.traffic.stop()
        self.screen.say()
        if self.training:
            self.training.table()
            self.screen.say("  until the next step: of the two others, from the kill on; accuracy: held out, of 530 rows,")
            self.screen.say("  undisturbed: the same script, data and seed under torchrun, with nobody killed")
            self.screen.say()
        self.screen.table(
            ["version", "verdict", "why", "requests", "bad answers", "seconds"],
            [[*(row[column] for column in ("version", "verdict", "why", "requests", "bad", "seconds"))] for row in self.rows],
            alignment="<<<>>>",
        )
        self.screen.say("  requests: answered by the candidate; bad answers: wrong or failed, as its users received them;")
        self.screen.say("  seconds: from the candidate's first live request to the decision")
        self.screen.say()
        for row in self.rows:
            mark = "as it should be" if row["verdict"] == row["truth"] else f"WRONG: it should have been {row['truth']}"
            self.screen.say(f"  {row['version']} was {IN_WORDS[self.truth[row['version']]]}: {row['verdict']}, {mark}")
        if self.training and not self.training.is_right:
            self.screen.say(f"  WRONG: the training of {self.trained} should have lost one rank and nothing of its quality")
        if self.traffic.lost:
            self.screen.say(f"  {self.traffic.lost} requests were lost: {self.traffic.last_fault}")
        if self.traffic.labels_refused:
            self.screen.say(f"  {self.traffic.labels_refused} labels were refused: {self.traffic.last_fault}")

        export = WORK / "audit.jsonl"
        self.openclaw.run("audit", "export", "--out", str(export))
        audit = self.openclaw.ask("audit", "verify", check=False)
        offline = self.openclaw.ask("audit", "verify", "--file", str(export), check=False)
        proven = bool(audit.get("ok")) and bool(offline.get("ok"))
        self.screen.say(
            f"  audit verify: {'ok' if proven else 'FAILED'}, {audit.get('entries')} entries"
            + ("" if proven else f"; first bad entry {audit.get('first_bad', offline.get('first_bad'))}")
        )
        for row in self.rows:
            name = f"fraud-model-{row['version']}"
            (WORK / f"explain-{row['version']}.txt").write_text(self.openclaw.run("release", "explain", name))
        if self.training:
            self.openclaw.run("train", "report", self.training.name, "--html", str(WORK / "training.html"))
        self.look_closer()
        right = all(row["verdict"] == row["truth"] for row in self.rows) and (not self.training or self.training.is_right)
        return 0 if right and proven and not self.traffic.lost and not self.traffic.labels_refused else 1

    def look_closer(self):
        binary = pathlib.Path(self.options.openclaw)
        last = CANDIDATES[-1]
        self.screen.say()
        if self.options.keep:
            self.screen.say(f"still running, for you to look closer (stop it with: kill {' '.join(self.kept_processes())}):")
            self.screen.say(f"  export OPENCLAW_HOME={self.openclaw.home}")
            self.screen.say(f"  {binary} release explain fraud-model-{last}      # what was seen, what would have changed it")
            self.screen.say(f"  {binary} route explain fraud --unit alice   # who is sent where, and why")
            self.screen.say(f"  {binary} audit log                          # every decision, in order")
            if self.training:
                self.screen.say(f"  {binary} train report {self.training.name}   # where the training's time went")
            self.screen.say(f"  curl 127.0.0.1:{self.openclaw.control_port}/metrics")
        else:
            self.screen.say("look closer:")
            self.screen.say(f"  cat .demo/explain-{last}.txt                            # what was seen, what would have changed it")
            self.screen.say(f"  {binary} audit verify --file .demo/audit.jsonl   # the proof, offline")
            if self.training:
                self.screen.say("  .demo/training.html                                # the training's report, for a browser")
            self.screen.say("  less .demo/openclaw.log                            # what the daemon said")
            self.screen.say("  make demo KEEP=1                                   # the same, and everything keeps running")

    def kept_processes(self):
        return [str(thing.child.pid) for thing in self.running if isinstance(thing, Process)] + [
            str(self.openclaw.process.child.pid)
        ]

    def stop(self):
        for thing in reversed(self.running):
            try:
                thing.stop()
            except Exception as problem:  # whatever goes wrong with one, the others are still stopped
                self.screen.say(f"could not stop {thing}: {problem}")


def percent(fraction):
    return f"{fraction * 100:g} %"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--openclaw", required=True)
    arguments.add_argument("--seed", type=int)
    arguments.add_argument("--torch", help="the Python of an environment with torch, for the training")
    arguments.add_argument("--keep", action="store_true")
    options = arguments.parse_args()

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    demo = Demo(options)
    keep = False
    try:
        status = demo.run()
        keep = options.keep
    except Trouble as trouble:
        demo.screen.say(f"\nerror: the demo could not be finished\n  why: {trouble}\n  fix: see .demo/openclaw.log and the logs beside it")
        status = 1
    except KeyboardInterrupt:
        demo.screen.say("\nstopped by hand")
        status = 130
    finally:
        if not keep:
            demo.stop()
    return status


if __name__ == "__main__":
    sys.exit(main())
