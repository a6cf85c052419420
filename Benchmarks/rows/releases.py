"""Releases: how fast a failing verdict takes users back."""

import datetime
import threading
import time

from product import OpenClaw
from rows import median, row
from stand.gateway import Client
from stand.servers import Upstream

MODEL = """
model:
  name: fraud-model
  route: fraud
  versions:
    v11: {{ url: "http://127.0.0.1:{good}/" }}
    v12: {{ url: "http://127.0.0.1:{bad}/" }}
"""

ROUTE = """
route:
  name: fraud
  match: { path: "/fraud" }
  unit: "header:X-User-Id"
  variants:
    v11: { version: fraud-model@v11, share: 100% }
"""

RELEASE = """
release_pipeline:
  name: "fraud-model-v12"
  stages:
    - canary_deploy: { steps: [20%, 100%], min_samples: 100000000, hold: 10m }
    - promote_or_rollback
  gates: { max_error_rate: 1% }
"""


@row(seconds=11)
def rollback(bench, repeats=5):
    """From the recorded failing verdict until a unit of the candidate is answered by the stable version again."""
    times = []
    for number in range(repeats):
        times.append(one_rollback(bench.openclaw, bench.folder / f"release-{number}"))
        bench.step(f"release {number + 1} of {repeats}: {times[-1] * 1000:.1f} ms")
    bench.at_most(
        "verdict to rollback in effect, worst", max(times) * 1000, 1000, "ms",
        f"median {median(times) * 1000:.1f} ms of {len(times)} releases; the verdict's time is in whole ms")


def one_rollback(binary, folder):
    folder.mkdir(parents=True)
    upstream = Upstream(folder)
    openclaw = OpenClaw(binary, folder)
    try:
        for name, text in (
            ("model", MODEL.format(good=upstream.port, bad=upstream.bad_port)), ("route", ROUTE), ("release", RELEASE)
        ):
            (folder / f"{name}.yaml").write_text(text)
        openclaw.start([folder / "model.yaml", folder / "route.yaml"])
        openclaw.run("release", "apply", str(folder / "release.yaml"))
        client = Client(openclaw.gateway_port, "/fraud")
        deadline = time.time() + 60
        watch = None
        while time.time() < deadline and (watch is None or watch.is_alive()):
            variant, _ = client.ask()
            if variant == "v12":
                unit = f"user-{client.number}"
                if watch is None:
                    watch = RollbackWatch(openclaw.gateway_port, unit, deadline)
                    watch.start()
                watch.unit = unit
            time.sleep(0.002)
        client.close()
        if watch is None or watch.in_effect is None:
            raise RuntimeError("the candidate fails every request, and within 60 s its traffic was not taken back")
        return watch.in_effect - verdict_time(openclaw)
    finally:
        openclaw.stop()
        upstream.stop()


class RollbackWatch(threading.Thread):
    """Asks for the candidate's latest unit, as fast as it is answered, until the stable version answers it. Always another
    one: where one unit sends most of the traffic, a gate by units has little to judge by."""

    def __init__(self, port, unit, deadline):
        super().__init__(daemon=True)
        self.port, self.unit, self.deadline = port, unit, deadline
        self.in_effect = None

    def run(self):
        client = Client(self.port, "/fraud")
        while time.time() < self.deadline:
            variant, _ = client.ask(self.unit)
            if variant == "v11":
                self.in_effect = time.time()
                break
        client.close()


def verdict_time(openclaw):
    """When the decision to roll back was recorded, by the ledger's own time: whole milliseconds, the last begun one."""
    story = openclaw.ask("release", "explain", "fraud-model-v12")
    if story["state"] != "rolled_back":
        raise RuntimeError(f"the candidate fails every request and is {story['state']}: {story.get('because')}")
    at = story["decisions"][-1]["at"]
    return datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
