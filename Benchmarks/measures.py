"""How the gateway's promises are measured. Each function returns figures; bench.py holds them against their limits."""

import datetime
import http.client
import json
import pathlib
import socket
import statistics
import subprocess
import threading
import time

from servers import Haproxy, Nginx, OpenClaw, Upstream, processor_seconds, resident_bytes

HERE = pathlib.Path(__file__).resolve().parent
CONNECTIONS = 64

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
  name: {name}
  match: {{ path: "/{name}" }}
  unit: "header:X-User-Id"
  variants:
    v11: {{ url: "http://127.0.0.1:{port}/", share: 90%, rewrite: {{ json: {{ "/model": "fraud-v11" }} }} }}
    v12: {{ url: "http://127.0.0.1:{port}/", share: 10%, rewrite: {{ json: {{ "/model": "fraud-v12" }} }} }}
"""

RELEASE_ROUTE = """
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


class Gateway:
    """Our daemon with one loop and one route whose both variants hash the unit, rewrite a field and record the exposure."""

    name = "openclaw"

    def __init__(self, binary, folder, upstream):
        folder = folder / "gateway"
        folder.mkdir(parents=True)
        self.openclaw = OpenClaw(binary, folder)
        route = folder / "route.yaml"
        route.write_text(ROUTE.format(name="fraud", port=upstream.port))
        self.openclaw.start([route], "--loops", "1")
        self.process = self.openclaw.process
        self.port = self.openclaw.gateway_port

    def stop(self):
        self.openclaw.stop()


# CPU per request


def processor_time(binary, folder, rounds, seconds, say):
    """Microseconds of CPU per proxied request, for each proxy and round: one list of {name: microseconds}."""
    upstream = Upstream(folder)
    started = [upstream]
    try:
        proxies = []
        for make in (lambda: Gateway(binary, folder, upstream), lambda: Nginx(folder, upstream), lambda: Haproxy(folder, upstream)):
            proxies.append(make())
            started.append(proxies[-1])
        results = []
        for number in range(rounds + 1):
            # Each round begins with another one, so that none always follows the same.
            order = proxies[number % 3 :] + proxies[: number % 3]
            results.append({proxy.name: drive(proxy, seconds if number else 1) for proxy in order})
            if number:
                say(f"  round {number} of {rounds}: " + ", ".join(
                    f"{proxy.name} {results[-1][proxy.name]['cpu_us']:.2f} us ({results[-1][proxy.name]['rate']:.0f}/s)"
                    for proxy in proxies))
        return results[1:]  # the first only warmed them up
    finally:
        for thing in reversed(started):
            thing.stop()


def drive(proxy, seconds):
    before = processor_seconds(proxy.process.child.pid)
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(HERE / "load.lua"), f"http://127.0.0.1:{proxy.port}/fraud"],
        capture_output=True, text=True, check=True,
    )
    time.sleep(0.3)  # what is written behind the requests (ours: exposures) belongs to them
    spent = processor_seconds(proxy.process.child.pid) - before
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    if result["errors"] or not result["requests"]:
        raise RuntimeError(f"{proxy.name}: {result['errors']} of {result['requests']} requests failed: not a measurement")
    return {
        "cpu_us": spent * 1e6 / result["requests"], "rate": result["requests"] / (result["microseconds"] / 1e6),
        "p50_us": result["p50_us"], "p99_us": result["p99_us"],
    }


# Split change


class Client:
    """One keep-alive connection that asks as fast as it is answered."""

    def __init__(self, port, path):
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.connection.makefile("rb")
        self.path = path
        self.number = 0

    def ask(self, unit=None):
        """The variant that answered, and the status."""
        self.number += 1
        body = b'{"model":"fraud"}'
        self.connection.sendall(
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User-Id: {unit or f'user-{self.number}'}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        status = int(self.file.readline().split()[1])
        variant, length = "", 0
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            if name.lower() == "x-openclaw-variant":
                variant = value.strip()
            elif name.lower() == "content-length":
                length = int(value)
        self.file.read(length)
        return variant, status

    def close(self):
        self.connection.close()


def split_change(binary, folder, changes):
    """Seconds from sending a new split to the control API until the first request that is answered under it."""
    upstream = Upstream(folder)
    gateway = None
    try:
        gateway = Gateway(binary, folder, upstream)
        control = http.client.HTTPConnection("127.0.0.1", gateway.openclaw.control_port, timeout=10)
        headers = {"Authorization": f"Bearer {gateway.openclaw.token()}", "Content-Type": "application/json"}
        moments = []  # (when, variant) of every answer
        stopping = threading.Event()

        def watch():
            client = Client(gateway.port, "/fraud")
            while not stopping.is_set():
                variant, _ = client.ask("somebody")
                moments.append((time.monotonic(), variant))
            client.close()

        watcher = threading.Thread(target=watch)
        watcher.start()
        times = []
        try:
            for number in range(changes):
                wanted, other = ("v11", "v12") if number % 2 else ("v12", "v11")
                asked = time.monotonic()
                control.request("PUT", "/api/v1/routes/fraud/split", json.dumps({"shares": {wanted: 1, other: 0}}), headers)
                answer = control.getresponse()
                body = answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"the split was refused with {answer.status}: {body[:300]}")
                times.append(first_under(wanted, moments, asked) - asked)
                moments.clear()
        finally:
            stopping.set()
            watcher.join()
        return times
    finally:
        for thing in (gateway, upstream):
            if thing:
                thing.stop()


def first_under(wanted, moments, asked, limit=5):
    """When the first request that was sent after `asked` was answered by `wanted`."""
    while time.monotonic() - asked < limit:
        for moment, variant in list(moments):
            if moment > asked and variant == wanted:
                return moment
        time.sleep(0.001)
    raise RuntimeError(f"{limit} s after the split was changed, {wanted} answers nothing")


# Verdict to rollback


def rollback(binary, folder, repeats):
    """Seconds from the recorded failing verdict until a unit of the candidate was answered by the stable version again."""
    return [one_rollback(binary, folder / f"rollback-{number}") for number in range(repeats)]


def one_rollback(binary, folder):
    folder.mkdir(parents=True)
    upstream = Upstream(folder)
    openclaw = OpenClaw(binary, folder)
    try:
        for name, text in (
            ("model", MODEL.format(good=upstream.port, bad=upstream.bad_port)), ("route", RELEASE_ROUTE), ("release", RELEASE)
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


# Start, memory


def starts(binary, folder, repeats):
    """Seconds from exec to a 200 of /readyz: of a fresh home, and of one that has been served before."""
    upstream = Upstream(folder)
    fresh, again = [], []
    try:
        for number in range(repeats):
            home = folder / f"start-{number}"
            home.mkdir(parents=True)
            (home / "route.yaml").write_text(ROUTE.format(name="fraud", port=upstream.port))
            for times in (fresh, again):
                openclaw = OpenClaw(binary, home)
                try:
                    times.append(openclaw.start([home / "route.yaml"]))
                finally:
                    openclaw.stop()
    finally:
        upstream.stop()
    return fresh, again


def idle(binary, folder):
    """Bytes resident, after a little traffic and then none."""
    upstream = Upstream(folder)
    gateway = None
    try:
        gateway = Gateway(binary, folder, upstream)
        client = Client(gateway.port, "/fraud")
        for _ in range(1_000):
            client.ask()
        client.close()
        time.sleep(2)
        return resident_bytes(gateway.process.child.pid)
    finally:
        for thing in (gateway, upstream):
            if thing:
                thing.stop()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values):
    return statistics.median(values)
