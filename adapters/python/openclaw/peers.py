"""Peers: the side channel between ranks. A replacement asks how far the others are, and takes state from one of them.

A request is one line of JSON, an answer a line of JSON (`bytes`, `proof`) and that many bytes. Both prove with the job's secret
that they come from a rank of this job, where there is one; without one only loopback addresses are listened on.
"""

import hashlib
import hmac
import json
import os
import socket
import threading
import time

LINE_BYTES_MAX = 4096
ANSWER_BYTES_MAX = 64 << 30


class Peers:
    """This rank's end: answers questions with what their functions say, and `state KEY SLOT` with what was offered for the key."""

    def __init__(self, listen, secret, questions):
        if not secret and not listen.startswith("127."):
            raise ValueError(f"The side channel does not listen on {listen} without OPENCLAW_JOB_SECRET.")
        self._secret = secret
        self._questions = questions
        self._offers = {}
        self.served = set()  # (key, slot) of those who fetched what was offered
        self.heard_at = 0.0  # when somebody of the job asked last
        self._offered = threading.Condition()
        self._listener = socket.create_server((listen, 0), backlog=64)
        self.address = "{}:{}".format(*self._listener.getsockname()[:2])
        threading.Thread(target=self._accept, name="openclaw-peers", daemon=True).start()
        os.register_at_fork(after_in_child=self._listener.close)

    def offer(self, key, content):
        """What replacements may fetch by this key; the offer before it is dropped."""
        with self._offered:
            self._offers = {str(key): content}
            self._offered.notify_all()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            try:
                connection.settimeout(60)
                nonce = os.urandom(16).hex()
                connection.sendall(nonce.encode() + b"\n")
                request = json.loads(_line(connection))
                if not hmac.compare_digest(_proof(self._secret, nonce, request["ask"]), request["proof"]):
                    return
                self.heard_at = time.monotonic()
                content = self._content(request)
                head = {"bytes": len(content), "proof": _proof(self._secret, nonce, hashlib.sha256(content).hexdigest())}
                connection.sendall(json.dumps(head).encode() + b"\n")
                connection.sendall(content)
                if request["ask"].startswith("state "):
                    self.served.add(tuple(request["ask"].split()[1:]))
            except (OSError, ValueError, KeyError, TypeError, RuntimeError):
                return

    def _content(self, request):
        if request["ask"] in self._questions:
            return self._questions[request["ask"]]()
        key = request["ask"].split()[1]
        deadline = time.monotonic() + 60
        with self._offered:
            while key not in self._offers and time.monotonic() < deadline:
                self._offered.wait(1)
            return self._offers[key]


def ask(address, secret, question, timeout_s=60):
    """One answer of the rank at `address`; OSError where it cannot be had."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        connection.settimeout(timeout_s)
        nonce = _line(connection).decode()
        connection.sendall(json.dumps({"ask": question, "proof": _proof(secret, nonce, question)}).encode() + b"\n")
        head = json.loads(_line(connection))
        size = int(head["bytes"])
        if size > ANSWER_BYTES_MAX:
            raise OSError(f"{address} announces {size} bytes")
        content = _exactly(connection, size)
    if not hmac.compare_digest(_proof(secret, nonce, hashlib.sha256(content).hexdigest()), head["proof"]):
        raise OSError(f"{address} does not hold the job's secret")
    return content


def _proof(secret, nonce, text):
    return hmac.new(secret, f"{nonce} {text}".encode(), hashlib.sha256).hexdigest()


def _line(connection):
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = connection.recv(1)
        if not piece or len(line) > LINE_BYTES_MAX:
            raise OSError("the line broke off")
        line += piece
    return bytes(line[:-1])


def _exactly(connection, size):
    content = bytearray(size)
    view = memoryview(content)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise OSError("the answer broke off")
        view = view[count:]
    return bytes(content)
