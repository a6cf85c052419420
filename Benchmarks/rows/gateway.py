"""The gateway and the daemon around it: cost of a request, change of a split, start, memory."""

import json
import subprocess
import time

from product import OpenClaw
from rows import median, percentile, row
from stand.gateway import Client, Gateway, House, Watch, route
from stand.load import costs, interleaved, ratio
from stand.processes import resident_bytes
from stand.servers import Haproxy, Nginx, Upstream


@row(seconds=75)
def cpu(bench):
    """CPU of a proxied request (unit hashed, JSON field rewritten, exposure recorded) beside nginx and haproxy."""
    started = [Upstream(bench.folder)]
    try:
        upstream = started[0]
        for make in (
            lambda: Gateway(bench.openclaw, bench.folder, {"route": route("fraud", upstream.port)}),
            lambda: Nginx(bench.folder, upstream), lambda: Haproxy(bench.folder, upstream),
        ):
            started.append(make())
        results = interleaved(started[1:], "fraud", bench)
    finally:
        for thing in reversed(started):
            thing.stop()
    bench.at_most("CPU per request, to nginx", ratio(results, "cpu_us", "openclaw", "nginx"), 0.8, "times", costs(results, "cpu_us"))
    bench.told("CPU per request, to haproxy", ratio(results, "cpu_us", "openclaw", "haproxy"), "times")
    bench.told(
        "p99 latency under full load, to nginx", ratio(results, "p99_us", "openclaw", "nginx"), "times",
        costs(results, "p99_us", 1000, "ms"))


@row(seconds=3)
def split(bench, changes=200):
    """From sending a new split to the control API until the first request that is answered under it."""
    times = []
    with House(bench.openclaw, bench.folder) as house, Watch(house.gateway.port, "/fraud") as watch:
        for number in range(changes):
            wanted, other = ("v11", "v12") if number % 2 else ("v12", "v11")
            asked = time.monotonic()
            house.call("PUT", "/api/v1/routes/fraud/split", {"shares": {wanted: 1, other: 0}})
            times.append(watch.first(wanted, asked, limit=5) - asked)
    bench.at_most(
        "split change to first request under it, p99", percentile(times, 0.99) * 1000, 50, "ms",
        f"median {median(times) * 1000:.1f} ms of {len(times)} changes")


@row(seconds=2)
def start(bench, repeats=11):
    """From exec until /readyz answers 200: in a home that has been served before, and in a new one."""
    upstream = Upstream(bench.folder)
    fresh, again = [], []
    try:
        for number in range(repeats):
            home = bench.folder / f"start-{number}"
            home.mkdir()
            (home / "route.yaml").write_text(route("fraud", upstream.port))
            for times in (fresh, again):
                openclaw = OpenClaw(bench.openclaw, home)
                try:
                    times.append(openclaw.start([home / "route.yaml"]))
                finally:
                    openclaw.stop()
    finally:
        upstream.stop()
    bench.at_most(
        "daemon ready", median(again) * 1000, 50, "ms", f"worst {max(again) * 1000:.0f} ms of {len(again)} starts")
    # Its first start makes keys and stores, which waits for the disk.
    bench.told("daemon ready, in a new home", median(fresh) * 1000, "ms", f"worst {max(fresh) * 1000:.0f} ms")


@row(seconds=3)
def idle(bench):
    """Resident memory after a little traffic and then none."""
    with House(bench.openclaw, bench.folder) as house:
        client = Client(house.gateway.port, "/fraud")
        for _ in range(1_000):
            client.ask()
        client.close()
        time.sleep(2)
        bench.at_most("idle, resident", resident_bytes(house.pid) / 2**20, 40, "MB")


@row(seconds=3)
def allocations(bench):
    """Calls of malloc in the assignment path: a program of its own stands between the process and malloc."""
    done = subprocess.run([bench.product("openclaw-allocations")], capture_output=True, text=True, timeout=120)
    line = (done.stdout.strip().splitlines() or ["nothing"])[-1]
    try:
        count = int(json.loads(line)["allocations"])
    except (ValueError, KeyError, TypeError):
        raise RuntimeError(f"the allocation check printed {line!r}: {done.stderr.strip()[-500:]}") from None
    bench.at_most("allocations in the assignment path", count, 0, "", "of 100 000 assignments")
