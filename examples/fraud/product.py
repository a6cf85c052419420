"""OpenClaw as the demo uses it: the daemon as a child process, everything else through its command line."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request


class Trouble(Exception):
    """The demo cannot go on; the text says why, and where to look."""


def free_port(wanted):
    """`wanted` where nobody listens on it, else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise Trouble("no free port on 127.0.0.1")


def tail(path, lines=12):
    try:
        return "\n".join("  | " + line for line in pathlib.Path(path).read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "  | (nothing was written)"


class Process:
    """A child in its own process group, its output in a file; stopping it stops the group."""

    def __init__(self, name, arguments, log, **options):
        self.name, self.log = name, log
        with open(log, "wb") as output:
            self.child = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **options
            )

    def wait_for(self, url, limit):
        """Until `url` answers 200."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise Trouble(f"{self.name} ended with status {self.child.returncode} before it was ready:\n{tail(self.log)}")
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (OSError, urllib.error.URLError):
                pass
            time.sleep(0.002)
        raise Trouble(f"{self.name} was not ready within {limit} s ({url}):\n{tail(self.log)}")

    def stop(self, grace=10):
        if self.child.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.child.wait(grace)
            except subprocess.TimeoutExpired:
                pass
        self.signal(signal.SIGKILL)
        self.child.wait()

    def signal(self, number):
        try:
            os.killpg(self.child.pid, number)
        except ProcessLookupError:
            pass


class OpenClaw:
    """One daemon with a home of its own, and its command line."""

    def __init__(self, binary, folder):
        self.binary = str(pathlib.Path(binary).resolve())
        self.home = folder / "home"
        self.log = folder / "openclaw.log"
        self.gateway_port, self.control_port = free_port(7700), free_port(7701)
        self.process = None

    @property
    def environment(self):
        """What commands are run with, and what the daemon hands on to the builds and servers it starts."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, "OPENCLAW_HOME": str(self.home)}

    def start(self, files, *options):
        """Serves; the seconds it took until everything in `files` was served."""
        arguments = [
            self.binary, "serve", "--gateway", f"127.0.0.1:{self.gateway_port}", "--control", f"127.0.0.1:{self.control_port}",
            "--stop-servers", *options,
        ]
        for file in files:
            arguments += ["--apply", str(file)]
        started = time.monotonic()
        self.process = Process("openclaw serve", arguments, self.log, env=self.environment)
        self.process.wait_for(f"http://127.0.0.1:{self.control_port}/readyz", limit=20)
        return time.monotonic() - started

    def stop(self):
        if self.process:
            self.process.stop(grace=20)  # it stops the model servers that it started

    def token(self):
        """What its control API asks for; the command line finds it in the home by itself."""
        return (self.home / "admin.token").read_text().strip()

    def run(self, *arguments, check=True):
        """Runs a command; its standard output as text."""
        done = subprocess.run([self.binary, *arguments], env=self.environment, capture_output=True, text=True, timeout=60)
        if check and done.returncode != 0:
            raise Trouble(f"`openclaw {' '.join(arguments)}` ended with status {done.returncode}:\n{done.stderr.strip()}")
        return done.stdout

    def ask(self, *arguments, check=True):
        """Runs a command with --json; the document it printed."""
        text = self.run(*arguments, "--json", check=check)
        try:
            return json.loads(text)
        except ValueError:
            raise Trouble(f"`openclaw {' '.join(arguments)} --json` printed no JSON document:\n{text[:400]}") from None
