"""The promised figures, measured on this machine.

    bench.py --openclaw PATH [--rounds N] [--seconds N] [--only NAME...] [--json]

The gateway, nginx and haproxy do the same work (POST of 1 KB, keep-alive on both sides, one loop or worker each) in turn,
round after round; ours also hashes the unit, rewrites a JSON field and records the exposure. Ratios are taken within a
round, and their median counts, so that a busy machine disturbs all alike. Exit code 1 when a promise is not kept.
"""

import argparse
import json
import pathlib
import shutil
import signal
import subprocess
import sys

sys.dont_write_bytecode = True

import bandits  # noqa: E402
import experiment_measures  # noqa: E402
import measures  # noqa: E402
from measures import median, percentile  # noqa: E402
from screen import Screen  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"


class Bench:
    def __init__(self, options):
        self.options = options
        self.screen = Screen(sys.stderr)
        self.rows = []

    def promise(self, name, measured, limit, unit, detail=""):
        """One promised figure. `limit` is the most it may be; None for what is only told."""
        kept = limit is None or measured <= limit
        self.rows.append({"name": name, "measured": measured, "limit": limit, "unit": unit, "kept": kept, "detail": detail})

    def cpu(self):
        rounds = measures.processor_time(
            self.options.openclaw, FOLDER, self.options.rounds, self.options.seconds, self.screen.step)
        cost = {name: median([result[name]["cpu_us"] for result in rounds]) for name in rounds[0]}
        told = ", ".join(f"{name} {value:.1f} us" for name, value in cost.items())
        for other, limit in (("nginx", 0.8), ("haproxy", None)):
            ratio = median([result["openclaw"]["cpu_us"] / result[other]["cpu_us"] for result in rounds])
            self.promise(f"CPU per request, to {other}", ratio, limit, "times", told)
            told = ""
        latency = {name: median([result[name]["p99_us"] for result in rounds]) for name in rounds[0]}
        self.promise(
            "p99 latency under full load, to nginx",
            median([result["openclaw"]["p99_us"] / result["nginx"]["p99_us"] for result in rounds]), None, "times",
            ", ".join(f"{name} {value / 1000:.1f} ms" for name, value in latency.items()))

    def split(self):
        times = measures.split_change(self.options.openclaw, FOLDER / "split", changes=200)
        self.promise(
            "split change to first request under it, p99", percentile(times, 0.99) * 1000, 50, "ms",
            f"median {median(times) * 1000:.1f} ms of {len(times)} changes")

    def rollback(self):
        times = measures.rollback(self.options.openclaw, FOLDER, repeats=5)
        self.promise(
            "verdict to rollback in effect, worst", max(times) * 1000, 1000, "ms",
            f"median {median(times) * 1000:.1f} ms of {len(times)} releases")

    def experiment(self):
        times = experiment_measures.first_user(self.options.openclaw, FOLDER / "experiment", repeats=100)
        self.promise(
            "experiment applied to first user on the new variant, p99", percentile(times, 0.99) * 1000, 100, "ms",
            f"median {median(times) * 1000:.1f} ms of {len(times)} experiments")

    def reward(self):
        times = experiment_measures.reward_to_shares(self.options.openclaw, FOLDER / "reward", repeats=20)
        self.promise(
            "outcome to the table with the new shares, worst", max(times), 5, "s",
            f"median {median(times):.2f} s of {len(times)} experiments")

    def feedback(self):
        cost, rate = experiment_measures.feedback(self.options.openclaw, FOLDER / "feedback", events=20_000)
        # 20 000 events a second on one core leave 50 us of it to each.
        self.promise(
            "feedback in arrays of 500, CPU time for each event", cost, 50, "us", f"one connection fed {rate:.0f} events a second")

    def start(self):
        fresh, again = measures.starts(self.options.openclaw, FOLDER / "start", repeats=11)
        self.promise(
            "daemon ready", median(again) * 1000, 50, "ms", f"worst {max(again) * 1000:.0f} ms of {len(again)} starts")
        # Its first start makes keys and stores, which waits for the disk.
        self.promise("daemon ready, in a new home", median(fresh) * 1000, None, "ms", f"worst {max(fresh) * 1000:.0f} ms")

    def idle(self):
        self.promise("idle, resident", measures.idle(self.options.openclaw, FOLDER / "idle") / 2**20, 40, "MB")

    def allocations(self):
        """A program of its own, since it stands between the process and malloc."""
        done = subprocess.run(
            ["swift", "run", "--quiet", "-c", "release", "openclaw-allocations"], cwd=ROOT, capture_output=True, text=True)
        line = (done.stdout.strip().splitlines() or ["nothing"])[-1]
        try:
            count = int(json.loads(line)["allocations"])
        except (ValueError, KeyError, TypeError):
            raise RuntimeError(f"the allocation check printed {line!r}: {done.stderr.strip()[-500:]}") from None
        self.promise("allocations in the assignment path", count, 0, "", "of 100 000 assignments")

    def bandits(self):
        bandits.measure(self.promise, self.screen.step, FOLDER)

    def appends(self):
        """What the ledger does on this disk: told, not promised, since the disk sets most of it."""
        self.told("openclaw-appends")

    def scheduling(self):
        """The training queue with 100 000 jobs in it, each start written durably."""
        self.told("openclaw-scheduling")

    def told(self, product):
        """Figures of a program that prints them as lines of JSON."""
        done = subprocess.run(
            ["swift", "run", "--quiet", "-c", "release", product, str(FOLDER)], cwd=ROOT, capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            raise RuntimeError(f"{product} printed {done.stdout.strip()[-300:]!r}: {done.stderr.strip()[-500:]}")
        for line in map(json.loads, lines):
            self.promise(line["what"], line["per_second"], None, "per second", f"of {line['count']}")

    def show(self):
        if self.options.json:
            print(json.dumps({"ok": all(row["kept"] for row in self.rows), "figures": self.rows}, indent=2))
            return
        screen = Screen(sys.stdout)
        screen.table(
            ["", "measured", "promise", "", ""],
            [
                [
                    row["name"], f"{row['measured']:{',.0f' if row['measured'] >= 1000 else '.4g'}} {row['unit']}".strip(),
                    "" if row["limit"] is None else f"at most {row['limit']:g}",
                    "" if row["limit"] is None else "kept" if row["kept"] else "NOT KEPT", row["detail"],
                ]
                for row in self.rows
            ],
            alignment="<>><<",
        )


MEASURES = [
    "cpu", "split", "rollback", "experiment", "reward", "feedback", "start", "idle", "allocations", "bandits", "appends", "scheduling"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--openclaw", required=True)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--seconds", type=int, default=2, help="of each proxy in each round")
    arguments.add_argument("--only", nargs="+", choices=MEASURES, default=MEASURES)
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    bench = Bench(options)
    for name in options.only:
        bench.screen.step(f"measuring {name}")
        getattr(bench, name)()
    bench.show()
    return 0 if all(row["kept"] for row in bench.rows) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as problem:
        print(f"error: the benchmarks could not be finished\n  why: {problem}\n  fix: the logs are in .bench", file=sys.stderr)
        sys.exit(1)
