"""Experiments: how fast a change reaches users, how fast outcomes reach the shares, and what feedback costs."""

import http.client
import json
import os
import pathlib
import subprocess
import time

from rows import median, percentile, row
from stand.gateway import House, Watch
from stand.processes import processor_seconds

EXPERIMENT = """
experiment:
  name: {name}
  route: fraud
  variants:
    control: {{ url: "http://127.0.0.1:{port}/", share: {control}% }}
    tried:   {{ url: "http://127.0.0.1:{port}/", share: {tried}% }}
  allocation: {allocation}
  metrics:
    primary: {{ name: correct, type: binary, minimum_effect: 0.02, window: 1h }}
  decision: {{ auto: none, max_duration: 1d }}
"""


def apply(house, name, control, tried, allocation="{ strategy: fixed }"):
    text = EXPERIMENT.format(
        name=name, port=house.upstream.port, control=control, tried=tried, allocation=allocation)
    return house.call("POST", "/api/v1/experiments", {"files": [{"name": "bench.yaml", "directory": "/", "text": text}]})


@row(seconds=5)
def experiment(bench, repeats=200):
    """From sending an experiment to the control API until a user is answered with its new variant."""
    times = []
    with House(bench.openclaw, bench.folder) as house, Watch(house.gateway.port, "/fraud") as watch:
        for number in range(repeats):
            asked = time.monotonic()
            apply(house, f"bench-{number}", 0, 100)
            times.append(watch.first("tried", asked, limit=10) - asked)
            house.call("POST", f"/api/v1/experiments/bench-{number}/stop", {})
            watch.moments.clear()
    bench.at_most(
        "experiment applied to first user on the new variant, p99", percentile(times, 0.99) * 1000, 100, "ms",
        f"median {median(times) * 1000:.1f} ms of {len(times)} experiments")


@row(seconds=40)
def reward(bench, repeats=20):
    """From sending outcomes that speak for one variant until the gateway gives it to users who had the other."""
    times = []
    with House(bench.openclaw, bench.folder) as house:
        connection = http.client.HTTPConnection("127.0.0.1", house.gateway.port, timeout=60)
        for number in range(repeats):
            name = f"reward-{number}"
            apply(house, name, 50, 50, "{ strategy: thompson, floor: 5%, warm_up: 0 }")
            events, others = [], []
            for user in (f"{name}-{number}" for number in range(60)):
                request, variant = answer(connection, user)
                events.append({"request_id": request, "metric": "correct", "value": variant == "tried"})
                if variant == "control":
                    others.append(user)
            asked = time.monotonic()
            feed(connection, json.dumps(events))
            # At 95 % of the users for what was rewarded, nine in ten of those who had the other move.
            while all(answer(connection, user)[1] == "control" for user in others):
                if time.monotonic() - asked > 30:
                    raise RuntimeError(f"{name}: the shares did not follow the outcomes")
            times.append(time.monotonic() - asked)
            house.call("POST", f"/api/v1/experiments/{name}/stop", {})
    bench.at_most(
        "outcome to the first user moved by it, worst", max(times), 5, "s",
        f"median {median(times):.2f} s of {len(times)} experiments")


@row(seconds=25)
def feedback(bench, events=30_000, size=500):
    """Feedback in arrays of 500, durable, deduplicated and joined, with the daemon on one core."""
    with House(bench.openclaw, bench.folder) as house:
        apply(house, "feedback", 50, 50)
        connection = http.client.HTTPConnection("127.0.0.1", house.gateway.port, timeout=60)
        bench.step(f"{events:,} requests, so that there is something to join")
        requests = [answer(connection, f"user-{number}")[0] for number in range(events)]
        # Written beforehand: what a client spends on its JSON is not the daemon's.
        bodies = [
            json.dumps([{"request_id": request, "metric": "correct", "value": True} for request in requests[start:start + size]])
            for start in range(0, events, size)
        ]
        time.sleep(2)  # what belongs to the requests is done
        stay_on_one_core(house.pid)
        bench.step(f"{events:,} events")
        before, began = processor_seconds(house.pid), time.monotonic()
        joined = sum(feed(connection, body).count("joined") for body in bodies)
        took = time.monotonic() - began
        time.sleep(1)  # what is folded behind the answers belongs to them
        spent = processor_seconds(house.pid) - before
        if joined != events:
            raise RuntimeError(f"{joined:,} of {events:,} events were joined")
        again = feed(connection, bodies[0]).count("duplicate")
        if again != size:
            raise RuntimeError(f"{again} of {size} events that were sent again count as duplicates")
    bench.at_least(
        "feedback on one core, an array after the other", events / took, 20_000, "events/s",
        f"each answered when durable; {spent * 1e6 / events:.1f} us of CPU an event")


@row(seconds=10)
def analysis(bench):
    """An experiment's analysis read anew after a million exposures, and the memory that it holds."""
    done = subprocess.run([bench.product("openclaw-analysis")], capture_output=True, text=True, timeout=100)
    sizes = {line["exposures"]: line for line in map(json.loads, done.stdout.splitlines())}
    if done.returncode or 1_000_000 not in sizes:
        raise RuntimeError(f"openclaw-analysis ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    many, few = sizes[1_000_000], sizes[100_000]
    bench.at_most(
        "analysis refreshed after 1 000 000 exposures", many["refresh_ms"], 200, "ms",
        f"longest {many['longest_ms']:.1f} ms; after 100 000 {few['refresh_ms']:.1f} ms; three variants, five metrics")
    bench.at_most(
        "its memory, to that after 100 000", many["megabytes"] / few["megabytes"], 1.5, "times",
        f"{many['megabytes']:.1f} MB and {few['megabytes']:.1f} MB; {many['microseconds_an_exposure']:.1f} us an exposure")


def stay_on_one_core(pid):
    """Binds all threads of a process, and those they will start, to the last core: its client has the others."""
    core = max(os.sched_getaffinity(0))
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def answer(connection, unit):
    """One answered request: its id and variant."""
    connection.request(
        "POST", "/fraud", b'{"model":"fraud"}', {"X-User-Id": unit, "Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    return response.getheader("X-OpenClaw-Request-Id"), response.getheader("X-OpenClaw-Variant")


def feed(connection, body):
    """What became of each event."""
    connection.request("POST", "/v1/feedback", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        raise RuntimeError(f"feedback was refused with {response.status}: {text[:300]}")
    return json.loads(text)["results"]
