"""Our daemon as the rows start it, and clients that ask it."""

import http.client
import json
import socket
import threading
import time

from product import OpenClaw
from stand.servers import Upstream

ROUTE = """
route:
  name: {name}
  match: {{ path: "/{name}" }}
  unit: "header:X-User-Id"
  variants:
    v11: {{ url: "http://127.0.0.1:{port}/", share: 90%, rewrite: {{ json: {{ "/model": "fraud-v11" }} }} }}
    v12: {{ url: "http://127.0.0.1:{port}/", share: 10%, rewrite: {{ json: {{ "/model": "fraud-v12" }} }} }}
"""


def route(name, port):
    """A route whose both variants hash the unit, rewrite a field and record the exposure."""
    return ROUTE.format(name=name, port=port)


class Gateway:
    """Our daemon with one loop, serving what `files` (name to text) say."""

    name = "openclaw"

    def __init__(self, binary, folder, files):
        folder = folder / "gateway"
        folder.mkdir(parents=True)
        self.openclaw = OpenClaw(binary, folder)
        paths = []
        for name, text in files.items():
            paths.append(folder / f"{name}.yaml")
            paths[-1].write_text(text)
        self.openclaw.start(paths, "--loops", "1")
        self.process = self.openclaw.process
        self.port = self.openclaw.gateway_port
        self.headers = {"Authorization": f"Bearer {self.openclaw.token()}", "Content-Type": "application/json"}
        self.control = http.client.HTTPConnection("127.0.0.1", self.openclaw.control_port, timeout=60)
        self.asked = time.monotonic()

    def call(self, method, path, body=None):
        """Asks the control API; anything but 200 raises."""
        # The daemon closes a connection on which nothing was asked for a minute; between two measurements that is usual.
        if time.monotonic() - self.asked > 30:
            self.control.close()
        self.asked = time.monotonic()
        self.control.request(method, path, json.dumps(body) if body is not None else None, self.headers)
        answer = self.control.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} was refused with {answer.status}: {text[:300]}")
        return json.loads(text)

    def stop(self):
        self.openclaw.stop()


class House:
    """Our daemon with one route, fraud, before an upstream that answers at once."""

    def __init__(self, binary, folder):
        self.upstream = Upstream(folder)
        try:
            self.gateway = Gateway(binary, folder, {"route": route("fraud", self.upstream.port)})
        except BaseException:
            self.upstream.stop()
            raise
        self.call = self.gateway.call

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gateway.stop()
        self.upstream.stop()

    @property
    def pid(self):
        return self.gateway.process.child.pid


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


class Watch:
    """Asks as one unit, again and again, and remembers when each variant answered."""

    def __init__(self, port, path):
        self.moments = []  # (when it was answered, variant)
        self.stopping = threading.Event()
        self.client = Client(port, path)
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def run(self):
        while not self.stopping.is_set():
            variant, _ = self.client.ask("somebody")
            self.moments.append((time.monotonic(), variant))
        self.client.close()

    def first(self, variant, since, limit):
        """When `variant` first answered a request after `since`; what was seen before is forgotten."""
        while time.monotonic() - since < limit:
            for at, answered in list(self.moments):
                if at >= since and answered == variant:
                    self.moments.clear()
                    return at
            time.sleep(0.0005)
        raise RuntimeError(f"no request was answered by {variant} within {limit} s")
