"""Users of the fraud service: a steady stream of requests through the gateway, and the truth about each, told later."""

import collections
import dataclasses
import http.client
import json
import queue
import random
import threading
import time

import phishing

CLIENTS = 48
FEEDBACK_EVERY = 0.25
LABELS_PER_POST = 200
REQUEST_TIMEOUT = 10


@dataclasses.dataclass
class Tally:
    """What one variant's users saw."""

    requests: int = 0
    wrong: int = 0
    failed: int = 0
    first: float = 0.0

    @property
    def bad(self):
        return self.wrong + self.failed


class Traffic:
    """Sends `rate` requests a second until stopped. Each comes from a user never seen before, about a row drawn with
    replacement from the held-out ones; what is right about it reaches the gateway as feedback a moment later."""

    def __init__(self, host, port, path, rate, seed):
        self.host, self.port, self.path, self.rate = host, port, path, rate
        self.random = random.Random(seed)
        columns = phishing.service_columns()
        _, held_out = phishing.split()
        self.rows = [(json.dumps(phishing.inference_request(features, columns)).encode(), label) for features, label in held_out]
        self.tallies = collections.defaultdict(Tally)
        self.lost = 0  # answers without a variant: the gateway itself did not answer, or could not be reached
        self.late = 0  # requests that could not be sent on time, because all clients were busy
        self.last_fault = ""
        self.labels_refused = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.due = queue.Queue(maxsize=CLIENTS)
        self.labels = queue.Queue()
        self.threads = [threading.Thread(target=self.client, daemon=True) for _ in range(CLIENTS)]
        self.threads += [threading.Thread(target=work, daemon=True) for work in (self.clock, self.teller)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout=REQUEST_TIMEOUT)

    def tally(self, variant):
        """A copy, so that it stays what it was at this moment."""
        with self.lock:
            return dataclasses.replace(self.tallies[variant])

    def total(self):
        with self.lock:
            return sum(tally.requests for tally in self.tallies.values()) + self.lost

    def clock(self):
        """Open loop: the next request is due when it is due, however slow the last one was."""
        started, number = time.monotonic(), 0
        while not self.stopping.is_set():
            number += 1
            wait = started + number / self.rate - time.monotonic()
            if wait > 0:
                self.stopping.wait(wait)
            try:
                self.due.put_nowait((number, *self.random.choice(self.rows)))
            except queue.Full:
                self.late += 1

    def client(self):
        connection = None
        while not self.stopping.is_set():
            try:
                number, body, label = self.due.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                connection = connection or http.client.HTTPConnection(self.host, self.port, timeout=REQUEST_TIMEOUT)
                headers = {"Content-Type": "application/json", "X-User-Id": f"user-{number}"}
                connection.request("POST", self.path, body, headers)
                answer = connection.getresponse()
                self.judge(answer, answer.read(), label)
                if answer.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as problem:
                if connection:
                    connection.close()
                connection = None
                with self.lock:
                    self.lost += 1
                    self.last_fault = f"{type(problem).__name__}: {problem}"

    def judge(self, answer, body, label):
        variant = answer.getheader("X-OpenClaw-Variant")
        request_id = answer.getheader("X-OpenClaw-Request-Id")
        right = None
        if answer.status == 200:
            try:
                right = json.loads(body)["outputs"][0]["data"][0] == label
            except (ValueError, LookupError, TypeError):
                pass
        with self.lock:
            if not variant:
                self.lost += 1
                self.last_fault = f"status {answer.status}: {body[:200].decode(errors='replace')}"
                return
            tally = self.tallies[variant]
            tally.requests += 1
            tally.first = tally.first or time.time()
            tally.failed += right is None
            tally.wrong += right is False
        if right is not None:
            # Whoever reports a fraud takes a moment longer than whoever was served.
            told_at = time.monotonic() + self.random.uniform(0.2, 1.0)
            self.labels.put((told_at, {
                "request_id": request_id, "metric": "correct", "value": 1 if right else 0,
                "idempotency_key": f"label-{request_id}",
            }))

    def teller(self):
        """Posts the labels that are due, several at once."""
        waiting, connection = [], None
        while not self.stopping.wait(FEEDBACK_EVERY):
            while not self.labels.empty():
                waiting.append(self.labels.get())
            now = time.monotonic()
            due = [label for told_at, label in waiting if told_at <= now][:LABELS_PER_POST]
            if not due:
                continue
            try:
                connection = connection or http.client.HTTPConnection(self.host, self.port, timeout=REQUEST_TIMEOUT)
                connection.request("POST", "/v1/feedback", json.dumps(due), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                body = answer.read()
                if answer.status >= 300:
                    self.labels_refused += len(due)
                    self.last_fault = f"feedback: status {answer.status}: {body[:200].decode(errors='replace')}"
            except (OSError, http.client.HTTPException) as problem:
                self.last_fault = f"feedback: {type(problem).__name__}: {problem}"
                connection = None
                continue  # told again: the idempotency key makes that harmless
            told = {id(label) for label in due}
            waiting = [entry for entry in waiting if id(entry[1]) not in told]
