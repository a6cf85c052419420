"""Our bandits beside MABWiser and Vowpal Wabbit on the same two problems, in one run.

Both libraries are installed from bandits.txt into an environment of their own, .venv/bandits. The problems are five arms that
pay with probability .04, .05, .06, .07 and .10 over 10 000 decisions (regret), and scikit-learn's digits as a contextual bandit
in one pass of 1 797 rows (wrong answers). Nobody peeks: each learns from the reward of the arm it chose alone.
"""

import concurrent.futures
import json
import math
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
ENVIRONMENT = ROOT / ".venv" / "bandits"
PEERS = {
    "arms": [
        "MABWiser Thompson", "MABWiser UCB1(.25)", "MABWiser epsilon-greedy(.1)", "Vowpal Wabbit squarecb",
        "Vowpal Wabbit epsilon(.05)",
    ],
    "digits": ["MABWiser LinUCB(.25)", "MABWiser LinTS(.25)", "Vowpal Wabbit squarecb", "Vowpal Wabbit epsilon(.05)"],
}
SEEDS = {"arms": (100, 12), "digits": (20, 6)}  # ours, theirs
LOSS = {"arms": "regret on five Bernoulli arms", "digits": "errors on the digits stream"}


def environment(step):
    """Its Python, made once: the stamp names the list it was made from."""
    wanted = (HERE / "bandits.txt").read_text()
    stamp, python = ENVIRONMENT / "made-from", ENVIRONMENT / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted:
        step("installing MABWiser and Vowpal Wabbit")
        run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)])
        run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
             "--only-binary", ":all:", "-r", str(HERE / "bandits.txt")])
        stamp.write_text(wanted)
    return python


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command[:4]))} ended with {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout


def mean_and_error(losses):
    mean = sum(losses) / len(losses)
    return mean, math.sqrt(sum((loss - mean) ** 2 for loss in losses) / (len(losses) - 1) / len(losses))


def measure(promise, step, folder):
    """Calls `promise(name, measured, limit, unit, detail)` for each figure."""
    python = environment(step)
    step("building openclaw-bandits")
    run(["swift", "build", "-c", "release", "--product", "openclaw-bandits"])
    digits = folder / "digits.csv"
    run([str(python), str(HERE / "bandit_peers.py"), "export", str(digits)])
    for problem in ("arms", "digits"):
        ours_seeds, their_seeds = SEEDS[problem]
        step(f"measuring {LOSS[problem]}")
        command = [str(ROOT / ".build/release/openclaw-bandits"), problem, "--seeds", str(ours_seeds)]
        ours = json.loads(run(command, input=digits.read_text() if problem == "digits" else ""))
        theirs = peers(python, problem, their_seeds)
        compare(promise, problem, ours, theirs)


def peers(python, problem, seeds):
    """One process each, two at a time; numerical libraries get one thread, as our decision has."""
    def ask(peer):
        return json.loads(run(
            [str(python), str(HERE / "bandit_peers.py"), problem, peer, "--seeds", str(seeds)],
            env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}).splitlines()[-1])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(PEERS[problem], pool.map(ask, PEERS[problem])))


def compare(promise, problem, ours, theirs):
    losses = ours["regret" if problem == "arms" else "errors"]
    mean, error = mean_and_error(losses)
    figures = {peer: mean_and_error(answer["losses"]) for peer, answer in theirs.items()}
    best = min(figures, key=lambda peer: figures[peer][0])
    apart = (mean - figures[best][0]) / math.hypot(error, figures[best][1])
    told = ", ".join(f"{peer} {figures[peer][0]:.1f} ± {figures[peer][1]:.1f}" for peer in PEERS[problem])
    promise(
        f"{LOSS[problem]}, beyond the best other", apart, 2, "standard errors", f"ours {mean:.1f} ± {error:.1f}; {told}")
    same = "MABWiser Thompson" if problem == "arms" else "MABWiser LinUCB(.25)"
    decision = ours["decision_ns"]
    promise(
        f"decision cost, to {same}", decision / theirs[same]["decision_ns"], 0.01, "times",
        f"ours {decision:.0f} ns, theirs {theirs[same]['decision_ns']:.0f} ns")
    cheapest = min((answer["decision_ns"], peer) for peer, answer in theirs.items() if peer.startswith("Vowpal"))
    promise(f"decision cost, to {cheapest[1]}", decision / cheapest[0], 1, "times", f"theirs {cheapest[0]:.0f} ns, parsed before")


def main():
    """Alone, without the other benchmarks: `python3 Benchmarks/bandits.py`."""
    folder = ROOT / ".bench"
    folder.mkdir(exist_ok=True)
    kept = []

    def promise(name, measured, limit, unit, detail=""):
        kept.append(measured <= limit)
        print(f"{name}: {measured:.4g} {unit}, at most {limit:g}: {'kept' if kept[-1] else 'NOT KEPT'}\n  {detail}", flush=True)

    measure(promise, lambda text: print(text, file=sys.stderr, flush=True), folder)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
