"""Our bandits beside MABWiser and Vowpal Wabbit on the same two problems, in one run.

The problems are five arms that pay with probability .04, .05, .06, .07 and .10 over 10 000 decisions (regret), and scikit-learn's
digits as a contextual bandit in one pass of 1 797 rows (wrong answers). Nobody peeks: each learns from the reward of the arm it
chose alone. All get the same number of seeds, none of which was used to choose a setting, and the arms in an order of the seed's.
"""

import concurrent.futures
import json
import math
import pathlib
import subprocess

from rows import row
from stand.environment import environment

FIRST_SEED = 70_001
PEERS = pathlib.Path(__file__).resolve().parent.parent / "peers" / "bandit_peers.py"


@row(seconds=75)
def arms(bench, seeds=12):
    """Regret on five Bernoulli arms, and what a decision costs, beside MABWiser and Vowpal Wabbit."""
    compare(bench, "arms", seeds, "regret", same="MABWiser Thompson")


@row(seconds=75)
def digits(bench, seeds=6):
    """Errors on the digits as a contextual bandit, and what a decision costs, beside MABWiser and Vowpal Wabbit."""
    compare(bench, "digits", seeds, "errors", same="MABWiser LinUCB")


def compare(bench, problem, seeds, loss, same):
    python = environment("bandits", bench.step) / "python"
    source = ""
    if problem == "digits":
        file = bench.folder / "digits.csv"
        run([python, PEERS, "export", file])
        source = file.read_text()
    ours = json.loads(run([bench.product("openclaw-bandits"), problem, *numbered(seeds)], input=source))
    mean, error = mean_and_error(ours[loss])
    bench.told(f"{loss}, ours", mean, f"± {error:.1f}", f"{seeds} seeds")
    theirs = ask(python, problem, seeds, bench)
    figures = {peer: mean_and_error(answer["losses"]) for peer, answer in theirs.items()}
    for peer, (their_mean, their_error) in figures.items():
        bench.told(f"{loss}, {peer}", their_mean, f"± {their_error:.1f}", f"{theirs[peer]['decision_ns'] / 1000:.1f} us a decision")
    best = min((peer for peer in figures if "tuned" not in peer), key=lambda peer: figures[peer][0])
    bench.at_most(
        f"{loss} beyond the best other's", (mean - figures[best][0]) / math.hypot(error, figures[best][1]), 2, "standard errors",
        f"the best other: {best}")
    decision = ours["decision_ns"]
    cheapest = min((answer["decision_ns"], peer) for peer, answer in theirs.items() if peer.startswith(same))
    bench.at_least(
        f"decision cost, {cheapest[1]}'s to ours", cheapest[0] / decision, 100, "times", f"ours {decision:.0f} ns")
    if "table_ns" in ours:
        bench.told(
            "a new table of shares, ours, beside the path", ours["table_ns"] / 1e6, "ms",
            "once for 25 decisions here, once a second live")
    cheapest = min((answer["decision_ns"], peer) for peer, answer in theirs.items() if peer.startswith("Vowpal"))
    bench.at_most(
        f"decision cost, ours to {cheapest[1]}'s", decision / cheapest[0], 1, "times",
        "theirs without parsing the example")


def numbered(seeds):
    return ["--seeds", str(seeds), "--first", str(FIRST_SEED)]


def ask(python, problem, seeds, bench):
    """One process for each peer, two at a time; numerical libraries get one thread, as our decision has."""
    peers = json.loads(run([python, PEERS, "list", problem]))
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}

    def one(peer):
        answer = json.loads(
            run([python, PEERS, problem, peer, *numbered(seeds)], env=environment).splitlines()[-1])
        bench.step(f"{peer} is done")
        return answer

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(peers, pool.map(one, peers)))


def run(command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600, **options)
    if done.returncode:
        raise RuntimeError(f"{command[1]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def mean_and_error(losses):
    mean = sum(losses) / len(losses)
    return mean, math.sqrt(sum((loss - mean) ** 2 for loss in losses) / (len(losses) - 1) / len(losses))
