"""An act of `make demo`: a friendlier prompt against the one in production, on live chat traffic, until one of them is promoted.

    demo.py --openclaw PATH [--seed N]

The chat server is no language model: it is a small program that speaks OpenAI's API and answers from a few sentences, kindly
when its system prompt asks for kindness. Users are simulated: each is content with an answer by a chance that is known here and
nowhere else, so that the verdict can be held against the truth. The act succeeds when the better prompt is promoted.
"""

import argparse
import http.client
import json
import pathlib
import random
import shutil
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "examples" / "fraud"))

from product import OpenClaw, Process, Trouble, free_port  # noqa: E402
from screen import Screen  # noqa: E402

WORK = ROOT / ".demo" / "support"
NAME = "friendlier-support"
# How many users are content with what each prompt makes the server say.
TRUTH = {"plain": 0.55, "kind": 0.78}
USERS, WORKERS, RATE = 4_000, 4, 50
LIMIT = 110
HEIGHT, WIDTH = 8, 60


class Users:
    """People who come back: each asks through the gateway, and says whether the answer helped."""

    def __init__(self, port, seed):
        self.port, self.seed = port, seed
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.asked, self.faults, self.first = 0, [], {}
        self.workers = [threading.Thread(target=self.work, args=(number,)) for number in range(WORKERS)]

    def start(self):
        for worker in self.workers:
            worker.start()

    def stop(self):
        self.stopping.set()
        for worker in self.workers:
            worker.join()

    def work(self, number):
        chance = random.Random(self.seed * 1_000 + number)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        due = time.monotonic()
        while not self.stopping.is_set():
            try:
                self.ask(connection, chance)
            except (OSError, ValueError, KeyError, http.client.HTTPException) as problem:
                with self.lock:
                    self.faults.append(repr(problem))
                connection.close()
            due = max(due + WORKERS / RATE, time.monotonic() - 0.5)
            time.sleep(max(0, due - time.monotonic()))

    def ask(self, connection, chance):
        user = f"customer-{chance.randrange(USERS)}"
        question = {"model": "local", "messages": [{"role": "user", "content": "My order has not arrived."}]}
        headers = {"X-User-Id": user, "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(question), headers)
        response = connection.getresponse()
        body = json.loads(response.read())
        if response.status != 200:
            raise ValueError(f"status {response.status}: {body}")
        answer = body["choices"][0]["message"]["content"]
        kind = "kind" if answer.startswith("I am sorry") else "plain"
        with self.lock:
            self.asked += 1
            self.first.setdefault((kind, response.getheader("X-OpenClaw-Variant")), time.monotonic())
        feedback = {
            "request_id": response.getheader("X-OpenClaw-Request-Id"), "metric": "resolved", "value": chance.random() < TRUTH[kind]}
        connection.request("POST", "/v1/feedback", json.dumps(feedback), {"Content-Type": "application/json"})
        connection.getresponse().read()


class Act:
    def __init__(self, options):
        self.options = options
        self.screen = Screen()
        self.running = []

    def run(self):
        self.screen.step("a support desk answers with prompt support@v3; somebody has written a friendlier one")
        self.screen.step("  (the chat server is a small program that speaks OpenAI's API, not a language model; users are simulated)")
        self.start()
        self.screen.step(self.screen.strong("openclaw experiment apply experiment.yaml"))
        applied = time.monotonic()
        self.openclaw.run("experiment", "apply", str(HERE / "experiment.yaml"))
        status = self.watch()
        return self.conclude(status, applied)

    def start(self):
        shutil.rmtree(WORK, ignore_errors=True)
        WORK.mkdir(parents=True)
        port = free_port(9101)
        server = Process(
            "the chat server", [sys.executable, str(ROOT / "examples" / "openai-server" / "server.py"), "--port", str(port)],
            WORK / "server.log")
        self.running.append(server)
        server.wait_for(f"http://127.0.0.1:{port}/v1/models", limit=20)
        resources = WORK / "resources.yaml"
        resources.write_text((HERE / "resources.yaml").read_text().replace("PORT", str(port)))
        self.openclaw = OpenClaw(self.options.openclaw, WORK)
        self.running.append(self.openclaw)
        self.openclaw.start([resources])
        self.users = Users(self.openclaw.gateway_port, self.options.seed or 0)
        self.running.append(self.users)
        self.users.start()
        time.sleep(2)
        if self.users.faults or not self.users.asked:
            raise Trouble(f"the support desk does not answer: {(self.users.faults or ['nothing came'])[0]}")
        self.screen.step(f"{USERS} customers ask {RATE} times a second through the gateway, and say whether it helped")

    def watch(self):
        """Follows the experiment to its end, saying when shares move and what is known."""
        deadline = time.monotonic() + LIMIT
        told = None
        while time.monotonic() < deadline:
            status = self.openclaw.ask("experiment", "status", NAME)
            if status["state"] in ("promoted", "stopped", "failed"):
                return status
            share = next(v["share"] for v in status["variants"] if v["name"] == "friendlier")
            verdict = status.get("verdict") or {}
            if verdict.get("outcome") not in (None, "undecided", told):
                told = verdict["outcome"]
                self.screen.step(f"  {verdict['reason']}")
            self.screen.moment(
                f"  friendlier has {share * 100:.0f} % of the users; {status['units']} seen, {self.users.asked} questions asked")
            time.sleep(0.5)
        raise Trouble(f"no verdict within {LIMIT} s; {WORK}/openclaw.log says more")

    def conclude(self, status, applied):
        self.users.stop()
        self.screen.step(self.screen.strong(f"  {status['winner'] or 'nobody'} {status['state']}"))
        self.screen.say()
        self.curve(status)
        first = min((at for (kind, _), at in self.users.first.items() if kind == "kind"), default=None)
        for line in self.openclaw.run("experiment", "report", NAME).splitlines()[:5]:
            self.screen.say(f"  {line}")
        self.screen.say()
        if first:
            self.screen.say(f"  from the change to the first user with the new prompt: {(first - applied) * 1000:.0f} ms")
        self.screen.say(f"  from the change to the decision: {status['seconds_to_decision'] or 0:.0f} s")
        right = status["state"] == "promoted" and status["winner"] == "friendlier"
        self.screen.say(
            f"  truth: {TRUTH['kind']:.0%} of the users are content with the friendlier answers and {TRUTH['plain']:.0%} with the others: "
            + ("as it should be" if right else "WRONG"))
        if self.users.faults:
            self.screen.say(f"  {len(self.users.faults)} questions failed, such as {self.users.faults[0]}")
        proven = bool(self.openclaw.ask("audit", "verify", check=False).get("ok"))
        self.screen.say(f"  audit verify: {'ok' if proven else 'FAILED'}")
        return 0 if right and proven and not self.users.faults else 1

    def curve(self, status):
        """The friendlier prompt's share of the users over time."""
        points = [(point["at"], point["shares"][1]) for point in status["course"]["shares"]]
        if not points:
            return
        times = [seconds(at) for at, _ in points]
        end = max(seconds(status["ended_at"]), times[-1] + 1)
        span = end - times[0]
        columns = []
        for column in range(WIDTH):
            at = times[0] + span * column / (WIDTH - 1)
            columns.append([share for when, (_, share) in zip(times, points) if when <= at + 1e-9][-1])
        self.screen.say("  share of the users who get the friendlier prompt")
        for row in range(HEIGHT, 0, -1):
            line = "".join("█" if share * HEIGHT >= row - 0.25 else "▄" if share * HEIGHT >= row - 0.75 else " " for share in columns)
            label = {HEIGHT: "100 %", HEIGHT // 2: " 50 %"}.get(row, "     ")
            self.screen.say(f"  {label} │{line}")
        self.screen.say(f"        └{'─' * WIDTH}")
        self.screen.say(f"         0{f'{span:.0f} s':>{WIDTH - 1}}")
        self.screen.say()

    def stop(self):
        for thing in reversed(self.running):
            try:
                thing.stop()
            except Exception as problem:  # whatever goes wrong with one, the others are still stopped
                self.screen.say(f"could not stop {thing}: {problem}")


def seconds(moment):
    """Of the day, of a time in RFC 3339; an act does not last over midnight twice."""
    hours, minutes, rest = moment.split("T")[1].rstrip("Z").split(":")
    return int(hours) * 3_600 + int(minutes) * 60 + float(rest)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--openclaw", required=True)
    arguments.add_argument("--seed", type=int)
    options = arguments.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    act = Act(options)
    try:
        return act.run()
    except Trouble as trouble:
        act.screen.say(f"error: {trouble}")
        return 1
    finally:
        act.stop()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
