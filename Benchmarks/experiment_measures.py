"""How the promises about experiments are measured. Each function returns figures; bench.py holds them against their limits."""

import http.client
import json
import threading
import time

from measures import Client, Gateway
from servers import Upstream, processor_seconds

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


class House:
    """Our daemon with one route, its control API, and an upstream that answers at once."""

    def __init__(self, binary, folder):
        self.upstream = Upstream(folder)
        try:
            self.gateway = Gateway(binary, folder, self.upstream)
        except BaseException:
            self.upstream.stop()
            raise
        self.headers = {
            "Authorization": f"Bearer {self.gateway.openclaw.token()}", "Content-Type": "application/json"}
        self.control = http.client.HTTPConnection("127.0.0.1", self.gateway.openclaw.control_port, timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gateway.stop()
        self.upstream.stop()

    def call(self, method, path, body=None):
        self.control.request(method, path, json.dumps(body) if body is not None else None, self.headers)
        answer = self.control.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} was refused with {answer.status}: {text[:300]}")
        return json.loads(text)

    def apply(self, name, control, tried, allocation="{ strategy: fixed }"):
        text = EXPERIMENT.format(
            name=name, port=self.upstream.port, control=control, tried=tried, allocation=allocation)
        return self.call("POST", "/api/v1/experiments", {"files": [{"name": "bench.yaml", "directory": "/", "text": text}]})


def first_user(binary, folder, repeats):
    """Seconds from sending an experiment to the control API until a user was answered with its new variant."""
    times = []
    with House(binary, folder) as house:
        moments = []
        stopping = threading.Event()

        def watch():
            client = Client(house.gateway.port, "/fraud")
            while not stopping.is_set():
                variant, _ = client.ask("somebody")
                moments.append((time.monotonic(), variant))
            client.close()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for number in range(repeats):
                asked = time.monotonic()
                house.apply(f"bench-{number}", 0, 100)
                times.append(first_after(asked, moments, "tried") - asked)
                house.call("POST", f"/api/v1/experiments/bench-{number}/stop", {})
                moments.clear()
        finally:
            stopping.set()
            watcher.join()
    return times


def first_after(asked, moments, wanted, limit=10):
    while time.monotonic() - asked < limit:
        for at, variant in list(moments):
            if at >= asked and variant == wanted:
                return at
        time.sleep(0.0005)
    raise RuntimeError(f"no request was answered by {wanted} within {limit} s")


def answer(connection, unit):
    """One answered request: its id and variant."""
    connection.request(
        "POST", "/fraud", b'{"model":"fraud"}', {"X-User-Id": unit, "Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    return response.getheader("X-OpenClaw-Request-Id"), response.getheader("X-OpenClaw-Variant")


def feed(connection, events):
    connection.request("POST", "/v1/feedback", json.dumps(events), {"Content-Type": "application/json"})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"feedback was refused with {response.status}: {body[:300]}")
    return json.loads(body)


def reward_to_shares(binary, folder, repeats):
    """Seconds from sending outcomes that speak for one variant until the table with its larger share is published."""
    times = []
    with House(binary, folder) as house:
        connection = http.client.HTTPConnection("127.0.0.1", house.gateway.port, timeout=60)
        for number in range(repeats):
            name = f"reward-{number}"
            house.apply(name, 50, 50, "{ strategy: thompson, floor: 5%, warm_up: 0 }")
            events = []
            for user in range(60):
                request, variant = answer(connection, f"{name}-{user}")
                events.append({"request_id": request, "metric": "correct", "value": variant == "tried"})
            asked = time.monotonic()
            feed(connection, events)
            while share(house.call("GET", f"/api/v1/experiments/{name}"), "tried") < 0.75:
                if time.monotonic() - asked > 30:
                    raise RuntimeError(f"{name}: the shares did not follow the outcomes")
                time.sleep(0.005)
            times.append(time.monotonic() - asked)
            house.call("POST", f"/api/v1/experiments/{name}/stop", {})
    return times


def share(status, variant):
    return next(one["share"] for one in status["variants"] if one["name"] == variant)


def feedback(binary, folder, events, size=500):
    """Microseconds of the daemon's CPU time for each event of feedback, in arrays of `size`: durable, each counted once, and
    joined to its exposure while an experiment reads it; and the events a second of one connection."""
    with House(binary, folder) as house:
        house.apply("feedback", 50, 50)
        connection = http.client.HTTPConnection("127.0.0.1", house.gateway.port, timeout=60)
        requests = [answer(connection, f"user-{number}")[0] for number in range(events)]
        time.sleep(2)  # what belongs to the requests is done
        batches = [
            [{"request_id": request, "metric": "correct", "value": True} for request in requests[start:start + size]]
            for start in range(0, events, size)
        ]
        # Written beforehand: what a client spends on its JSON is not the daemon's.
        bodies = [json.dumps(batch) for batch in batches]
        process = house.gateway.process.child.pid
        before, began = processor_seconds(process), time.monotonic()
        joined = 0
        for body in bodies:
            connection.request("POST", "/v1/feedback", body, {"Content-Type": "application/json"})
            joined += json.loads(connection.getresponse().read())["results"].count("joined")
        spent, took = processor_seconds(process) - before, time.monotonic() - began
        if joined != events:
            raise RuntimeError(f"{joined} of {events} events were joined")
        again = feed(connection, batches[0])["results"].count("duplicate")
        if again != size:
            raise RuntimeError(f"{again} of {size} events that were sent again count as duplicates")
    return spent * 1e6 / events, events / took
