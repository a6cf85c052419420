"""Language models behind the gateway: what a request with an experiment on it costs, and what a stream waits."""

import http.client
import json
import os
import pathlib
import socket
import sys
import time

from product import Process, free_port
from rows import median, percentile, row
from stand.environment import environment
from stand.gateway import Gateway
from stand.load import costs, interleaved, ratio
from stand.servers import PROMPT_TOKENS, ChatUpstream, Nginx

RESOURCES = """
provider:
  name: local
  api: openai
  url: "http://127.0.0.1:{port}/v1"
  prices: {{ bench-a: {{ input: 0.15, output: 0.60 }}, bench-b: {{ input: 0.15, output: 0.60 }} }}
---
prompt:
  name: support
  versions:
    v3: {{ system: "You help customers of a shop. Refer them to the documentation.", model: bench-a, temperature: 0.2 }}
    v4: {{ system: "You help customers of a shop. Be warm, and say what happens next.", model: bench-b, temperature: 0.2 }}
---
route:
  name: support
  api: openai
  match: {{ path: "/v1" }}
  unit: "header:X-User-Id"
  provider: local
  variants:
    v3: {{ prompt: support@v3, share: 100% }}
"""

EXPERIMENT = """
experiment:
  name: friendlier-support
  route: support
  variants:
    control:    { prompt: support@v3, share: 50% }
    friendlier: { prompt: support@v4, share: 50% }
  allocation: { strategy: fixed }
  metrics:
    primary: { name: resolved, type: binary, direction: up, minimum_effect: 0.02, window: 1h }
    guardrails:
      - { name: cost_usd, type: mean, max_increase: 50% }
  decision: { auto: none, max_duration: 1d }
"""

LITELLM = """
model_list:
  - model_name: bench
    litellm_params: {{ model: openai/bench, api_base: "http://127.0.0.1:{port}/v1", api_key: none }}
litellm_settings: {{ set_verbose: false, telemetry: false }}
"""


def experimenting(bench, upstream):
    """Our daemon with a prompt experiment on the traffic to `upstream`."""
    gateway = Gateway(bench.openclaw, bench.folder, {"resources": RESOURCES.format(port=upstream.port)})
    try:
        gateway.call("POST", "/api/v1/experiments", {"files": [{"name": "bench.yaml", "directory": "/", "text": EXPERIMENT}]})
    except BaseException:
        gateway.stop()
        raise
    return gateway


class LiteLLM:
    """LiteLLM's proxy as its manual wants it in production: one worker, no database, nothing logged but errors. It counts
    tokens and cost of each answer, as ours does. It asks for no key, as ours does not: to check one would cost it more."""

    name = "litellm"
    connections = 16
    patience = 3  # times as long as the others in each round: it answers some hundred requests a second

    def __init__(self, programs, folder, upstream):
        folder = folder / "litellm"
        folder.mkdir(parents=True)
        config = folder / "config.yaml"
        config.write_text(LITELLM.format(port=upstream.port))
        self.port = free_port(0)
        self.process = Process(
            "litellm", [str(programs / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(self.port),
                        "--num_workers", "1", "--telemetry", "False"],
            folder / "log", cwd=folder, env={
                "PATH": f"{programs}:{os.environ.get('PATH', '')}", "HOME": str(folder), "LITELLM_MODE": "PRODUCTION",
                "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_DOCS": "True",
                "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"})
        try:
            self.process.wait_for(f"http://127.0.0.1:{self.port}/health/liveliness", limit=120)
            self.first_answer()
        except BaseException:
            self.process.stop()
            raise

    def first_answer(self):
        """It loads what it needs when it is first asked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(
            "POST", "/v1/chat/completions", '{"model":"bench","messages":[{"role":"user","content":"Hello."}]}',
            {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"litellm answers {answer.status}: {body[:300]}")

    def stop(self):
        self.process.stop()


@row(seconds=130)
def models(bench):
    """CPU of a chat request with experiment, rewrite, exposure and token accounting, beside nginx and LiteLLM."""
    started, why = [ChatUpstream(bench.folder)], None
    try:
        started.append(experimenting(bench, started[0]))
        started.append(Nginx(bench.folder, started[0]))
        try:
            started.append(LiteLLM(environment("litellm", bench.step), bench.folder, started[0]))
        except Exception as trouble:
            why = f"LiteLLM does not run here: {trouble}"
            bench.step(why)
        results = interleaved(started[1:], "chat", bench)
        check_accounting(started[1])
    finally:
        for thing in reversed(started):
            thing.stop()
    bench.at_most(
        "CPU per chat request, to nginx that only passes on", ratio(results, "cpu_us", "openclaw", "nginx"), 1, "times",
        costs(results, "cpu_us"))
    if why:
        bench.missing("CPU per chat request, LiteLLM's to ours", why, "at least", 200)
    else:
        bench.at_least(
            "CPU per chat request, LiteLLM's to ours", ratio(results, "cpu_us", "litellm", "openclaw"), 200, "times",
            costs(results, "rate", unit="requests/s"))


def check_accounting(gateway):
    """Whatever was measured was also recorded and counted: else it was another work."""
    counted = gateway.call("GET", "/api/v1/outcomes")
    arms = {
        name: one for name, one in counted["traffic"]["routes"]["support"].items() if name.startswith("friendlier-support/")}
    answered = sum(one["requests"] for one in arms.values())
    for one in arms.values():
        used = one["models"]
        if used["input_tokens"] != PROMPT_TOKENS * one["requests"] or used["unpriced"] or used["estimated"]:
            raise RuntimeError(f"the tokens of {one['requests']} requests were counted as {used}")
    if len(arms) != 2 or counted["outcomes"]["exposures"] < 0.99 * answered:
        raise RuntimeError(f"of {answered} answers {counted['outcomes']['exposures']} exposures were recorded, on {list(arms)}")


# Time to first token


class TokenStream:
    """A server that streams, as a program of its own; also what nginx and our gateway stand before."""

    def __init__(self, folder):
        self.port = free_port(0)
        program = pathlib.Path(__file__).resolve().parent.parent / "stand" / "token_stream.py"
        self.process = Process("stream", [sys.executable, str(program), str(self.port)], folder / "stream.log")
        self.process.wait_for(f"http://127.0.0.1:{self.port}/", limit=10)

    def stop(self):
        self.process.stop()


class Listener:
    """One keep-alive connection that asks for streams."""

    BODY = json.dumps({
        "model": "bench", "stream": True, "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "My card was charged twice."}]}).encode()

    def __init__(self, port):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def listen(self, user):
        """Seconds to the first token, and to the end."""
        request = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User-Id: {user}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self.BODY)}\r\n\r\n").encode() + self.BODY
        began, first, heard = time.perf_counter(), None, b""
        self.connection.sendall(request)
        while not heard.endswith(b"0\r\n\r\n"):
            piece = self.connection.recv(65_536)
            if not piece:
                raise RuntimeError(f"the stream broke off after {heard[-200:]!r}")
            heard += piece
            if first is None and b"data: " in heard:
                first = time.perf_counter() - began
        if not heard.startswith(b"HTTP/1.1 200") or b"[DONE]" not in heard:
            raise RuntimeError(f"that is no stream: {heard[:300]!r}")
        return first, time.perf_counter() - began


@row(seconds=20)
def stream(bench, turns=1_000):
    """What the gateway adds to the time to the first token of a streamed answer, with the experiment on."""
    started = [TokenStream(bench.folder)]
    try:
        started.append(experimenting(bench, started[0]))
        started.append(Nginx(bench.folder, started[0], buffering="off"))
        listeners = [Listener(one.port) for one in started]
        first, rest = [[] for _ in listeners], []
        for turn in range(-50, turns):
            for place in range(3):
                place = (place + turn) % 3
                token, end = listeners[place].listen(f"user-{turn % 400}")
                if turn >= 0:
                    first[place].append(token)
                    rest.append(end - token)
    finally:
        for thing in reversed(started):
            thing.stop()
    if percentile(rest, 0.1) < 0.001:
        raise RuntimeError("first tokens came with the last ones: that was not streamed")
    direct, ours, nginx = first
    for name, times, say in (
        ("added to the time to first token, p99", ours, lambda *rest: bench.at_most(rest[0], rest[1], 1, *rest[2:])),
        ("the same by nginx", nginx, bench.told),
    ):
        added = [through - straight for through, straight in zip(times, direct)]
        say(name, percentile(added, 0.99) * 1000, "ms",
            f"median {median(added) * 1000:.3f} ms; p99 {percentile(times, 0.99) * 1000:.2f} ms, "
            f"direct {percentile(direct, 0.99) * 1000:.2f} ms, of {turns:,} streams each")
