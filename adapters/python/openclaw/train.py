"""Train: submits training jobs and looks after them from Python, over the daemon's control API. Standard library only.

    from openclaw import train

    job = train.submit("python train.py --epochs 20", ranks=3)
    print(job.wait()["state"])
"""

import http.client
import json
import os
import pathlib
import re
import time
import urllib.parse

ANSWER_BYTES_MAX = 64 << 20
ENDED = ("finished", "failed", "cancelled")


class Fault(Exception):
    """What happened, why, and how to mend it, as the command line says it. `status` is HTTP's, or 0 where nobody answered."""

    def __init__(self, what, why="", fix="", status=0):
        super().__init__(" ".join(filter(None, [what, f"why: {why}" if why else "", f"fix: {fix}" if fix else ""])))
        self.what, self.why, self.fix, self.status = what, why, fix, status


class Daemon:
    """A daemon's control API. Without arguments the home's own, found as the command line finds it."""

    def __init__(self, server=None, token=None, home=None, timeout_s=60):
        self._timeout_s = timeout_s
        if server is not None:
            # The home's token goes to the home's daemon and to nobody else.
            self.server, self._token = server if "://" in server else f"http://{server}", token or os.environ.get("OPENCLAW_TOKEN")
            return
        folder = _home(home)
        try:
            self.server = "http://" + json.loads((folder / "daemon.json").read_text())["control"]
            self._token = token or os.environ.get("OPENCLAW_TOKEN") or (folder / "admin.token").read_text().strip()
        except (OSError, ValueError, KeyError) as error:
            raise Fault(f"No daemon serves {folder}.", str(error), "Start it with `openclaw serve`, or name another: server=URL, token=TOKEN.") from error

    def ask(self, method, path, body=None):
        """One request. -> what its JSON says; Fault where it is refused."""
        status, content = self._send(method, path, body)
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {}
        if not 200 <= status < 300:
            said = answer.get("error") if isinstance(answer, dict) else None
            if not isinstance(said, dict):
                said = {"what": f"{self.server} answered with status {status}.", "why": "Its answer carries no reason.",
                        "fix": "See that this is the address of the control API."}
            raise Fault(said.get("what", ""), said.get("why", ""), said.get("fix", ""), status)
        return answer

    def text(self, path):
        status, content = self._send("GET", path, None)
        if status != 200:
            self.ask("GET", path)
        return content.decode(errors="replace")

    def _send(self, method, path, body):
        parts = urllib.parse.urlsplit(self.server)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname, parts.port or (443 if parts.scheme == "https" else 7701), timeout=self._timeout_s)
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        content = None
        if body is not None:
            headers["Content-Type"], content = "application/json", json.dumps(body).encode()
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            read = answer.read(ANSWER_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Fault(f"{self.server} cannot be reached.", str(error), "See that the daemon runs: openclaw status.") from error
        finally:
            connection.close()
        if len(read) > ANSWER_BYTES_MAX:
            raise Fault(f"{self.server} answered with more than {ANSWER_BYTES_MAX} bytes.", "", "Ask for less, such as tail=1000.")
        return answer.status, read

    # -- jobs

    def submit(self, run, ranks=1, name=None, workdir=".", **more):
        """Submits a job that runs `run` on every rank. `more` are further members of `training_job:`, such as env, resources,
        checkpoint, recovery, sync, output, priority, team (docs/training.md). `ranks` is a number or {"min": 2, "max": 4}. -> Job"""
        name = name or _standard_name(run)
        folder = os.path.abspath(workdir)
        declared = {"training_job": {"name": name, "run": run, "ranks": ranks, **more}}
        self.ask("POST", "/api/v1/jobs", {"files": [{"name": "submitted from Python", "directory": folder, "text": json.dumps(declared)}]})
        return Job(self, name)

    def job(self, name):
        """A job that was submitted, whoever did it."""
        return Job(self, name)

    def jobs(self):
        """The status of every job, the newest first."""
        return self.ask("GET", "/api/v1/jobs")["jobs"]

    def nodes(self):
        return self.ask("GET", "/api/v1/nodes")["nodes"]


class Job:
    """One training job."""

    def __init__(self, daemon, name):
        self._daemon, self.name = daemon, name
        self._path = "/api/v1/jobs/" + urllib.parse.quote(name, safe="")

    def __repr__(self):
        return f"Job({self.name!r})"

    def status(self):
        return self._daemon.ask("GET", self._path)

    def explain(self):
        """Why it waits and until when, or why it was placed where it is."""
        return self._daemon.ask("GET", f"{self._path}/explain")

    def report(self):
        return self._daemon.ask("GET", f"{self._path}/report")

    def logs(self, rank=None, tail=1000):
        """What ranks wrote: lines of `time rank text`."""
        query = {"tail": tail, **({"rank": rank} if rank is not None else {})}
        return self._daemon.text(f"{self._path}/logs?{urllib.parse.urlencode(query)}")

    def cancel(self, reason=None):
        """Ends it; its checkpoints stay."""
        return self._daemon.ask("POST", f"{self._path}/cancel", {"reason": reason} if reason else {})

    def scale(self, ranks):
        """So many ranks from now on; one that runs is stopped at a checkpoint and goes on with these."""
        return self._daemon.ask("POST", f"{self._path}/scale", {"ranks": ranks})

    def wait(self, timeout_s=None, every_s=0.5, told=None):
        """Returns its status when it has ended; TimeoutError where it has not in time. `told(status)` hears of each look."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            status = self.status()
            if told is not None:
                told(status)
            if status.get("state") in ENDED:
                return status
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"{self.name} is {status.get('state')} after {timeout_s:g} s.")
            time.sleep(every_s)


def submit(run, ranks=1, name=None, workdir=".", **more):
    """Daemon.submit at the home's own daemon."""
    return Daemon().submit(run, ranks, name, workdir, **more)


def job(name):
    return Daemon().job(name)


def jobs():
    return Daemon().jobs()


def nodes():
    return Daemon().nodes()


def _home(named):
    if path := named or os.environ.get("OPENCLAW_HOME"):
        return pathlib.Path(path).absolute()
    state = os.environ.get("XDG_STATE_HOME", "")
    return pathlib.Path(state if state.startswith("/") else pathlib.Path.home() / ".local" / "state") / "openclaw"


def _standard_name(run):
    words = run.split()
    script = next((word for word in words if word.endswith((".py", ".sh"))), words[0] if words else "job")
    plain = re.sub(r"[^A-Za-z0-9_]", "-", pathlib.PurePath(script).stem)[:40]
    return f"{plain if plain[:1].isalnum() else 'job'}-{int(time.time() * 100):x}"
