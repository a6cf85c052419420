#!/usr/bin/env python3
"""A chat companion that learns each user's taste, with simulated users. Python's standard library alone.

usage: companion.py [--openclaw PATH] [--users N] [--rounds N] [--seed N]

It starts what it needs: the local server of examples/openai-server (a few sentences, no language model), a daemon in a folder
of its own, the route and the experiment. Then users talk, round after round. Each one likes one of three styles (85 % of such
answers, 25 % of others) and says so after each answer; nobody tells the bandit who likes what. The companion keeps each user's
own marks, as an app does on a phone, and sends with each request how much that user liked each style so far
(`X-Liked-Warm: 0.4`). The gateway chooses a style for that user by it (`linucb` over these features), and learns from the mark.

Printed: the part of answers that were liked, round by round, beside what the best single style and a perfect companion get.
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STYLES = ["plain", "warm", "brief"]
LIKES, DISLIKES = 0.85, 0.25
# How many users like which style.
TASTES = {"plain": 0.2, "warm": 0.45, "brief": 0.35}


def style_of(answer):
    """What a user notices of an answer, whoever chose it."""
    return "warm" if "sorry" in answer else "brief" if answer.startswith("Done") else "plain"


class User:
    def __init__(self, number, random):
        self.name, self.random = f"user-{number}", random
        self.taste = random.choices(list(TASTES), TASTES.values())[0]
        self.marks = {style: [0, 0] for style in STYLES}  # liked, heard

    def liked(self, style):
        """Between -1 and 1, and 0 while little is known."""
        liked, heard = self.marks[style]
        return (2 * liked - heard) / (heard + 2)

    def hears(self, style):
        mark = self.random.random() < (LIKES if style == self.taste else DISLIKES)
        self.marks[style][0] += mark
        self.marks[style][1] += 1
        return mark


class Companion:
    """The app: it talks to the gateway as to any server of OpenAI's API, and reports marks."""

    def __init__(self, gateway):
        host, port = gateway.rsplit("/", 1)[-1].rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=30)

    def post(self, path, body, headers):
        self.connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
        response = self.connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise RuntimeError(f"POST {path} was answered with {response.status}: {text[:300]!r}")
        return json.loads(text), response.headers

    def talk(self, user, question):
        """The answer's style and whether it was liked."""
        body = {"model": "small", "messages": [{"role": "user", "content": question}]}
        headers = {f"X-Liked-{style.capitalize()}": f"{user.liked(style):.3f}" for style in STYLES}
        answer, seen = self.post("/v1/chat/completions", body, {"X-User-Id": user.name, **headers})
        style = style_of(answer["choices"][0]["message"]["content"])
        mark = user.hears(style)
        self.post("/v1/feedback", {"request_id": seen["X-OpenClaw-Request-Id"], "metric": "liked", "value": mark}, {})
        return style, mark


class Stage:
    """The server, the daemon and what is applied to it; all gone afterwards."""

    def __init__(self, openclaw):
        self.openclaw, self.children = openclaw, []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="companion-"))

    def __enter__(self):
        try:
            return self.set()
        except BaseException:
            self.__exit__()
            raise

    def set(self):
        server = self.start([sys.executable, str(ROOT / "examples/openai-server/server.py"), "--port", "0"], subprocess.PIPE)
        port = re.search(r"\d+", server.stdout.readline())
        if not port:
            raise RuntimeError("the local server did not start")
        resources = self.folder / "resources.yaml"
        resources.write_text((HERE / "resources.yaml").read_text().replace("PORT", port[0]))
        log = open(self.folder / "daemon.log", "w")
        self.start(
            [self.openclaw, "serve", "--home", str(self.folder / "home"), "--gateway", "127.0.0.1:0", "--control", "127.0.0.1:0"],
            log)
        self.gateway = self.until("the daemon listens", self.address)
        self.until("the daemon answers", lambda: self.ask("status").returncode == 0)
        self.run("apply", "-f", str(resources))
        self.run("experiment", "apply", str(HERE / "experiment.yaml"))
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            child.terminate()
        for child in self.children:
            child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, command, output):
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)
        self.children.append(child)
        return child

    def ask(self, *arguments):
        return subprocess.run(
            [self.openclaw, *arguments, "--home", str(self.folder / "home")], capture_output=True, text=True)

    def run(self, *arguments):
        done = self.ask(*arguments)
        if done.returncode:
            raise RuntimeError(f"openclaw {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def address(self):
        """Where the gateway listens, once it does."""
        found = re.search(r'gateway"?[^\n]*?(127\.0\.0\.1:\d+)', (self.folder / "daemon.log").read_text())
        return found and "http://" + found[1]

    def until(self, what, probe):
        for _ in range(300):
            if answer := probe():
                return answer
            time.sleep(0.1)
        raise RuntimeError(f"{what}: not within 30 seconds; {(self.folder / 'daemon.log').read_text()[-500:]}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--openclaw", default=str(ROOT / ".build/release/openclaw"))
    arguments.add_argument("--users", type=int, default=120)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    chance = random.Random(options.seed)
    users = [User(number, chance) for number in range(options.users)]
    single = max(TASTES.values())
    with Stage(os.path.abspath(options.openclaw)) as stage:
        companion = Companion(stage.gateway)
        parts = []
        for turn in range(1, options.rounds + 1):
            chance.shuffle(users)
            heard = [(user.taste, *companion.talk(user, "How was your day?")) for user in users]
            parts.append(sum(mark for _, _, mark in heard) / len(heard))
            fitting = sum(taste == style for taste, style, _ in heard) / len(heard)
            print(f"round {turn:2}   liked {parts[-1]:5.0%}   in the user's own style {fitting:5.0%}   {'#' * round(40 * parts[-1])}", flush=True)
            time.sleep(0.6)  # marks reach the gateway's table within a second; people take longer between two talks
    late = sum(parts[-3:]) / 3
    best = LIKES * single + DISLIKES * (1 - single)
    print(f"the last three rounds: {late:.0%} liked; the best single style for everybody gets {best:.0%}, a perfect companion {LIKES:.0%}")
    return 0 if late > best else 1


if __name__ == "__main__":
    sys.exit(main())
