"""The promised figures, measured on this machine.

    bench.py --openclaw PATH [--only ROW...] [--rounds N] [--seconds N] [--json]
    bench.py --list

Whatever is compared does the same work in turn, round after round; ratios are taken within a round and their median counts, so
that a busy machine disturbs all alike. A row that cannot be measured is missing, which is not met. Exit code 1 when a promise
is missed or missing.
"""

import argparse
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples" / "fraud"))  # what drives the demo drives the bench: Screen, Process, OpenClaw

import rows  # noqa: E402
from screen import Screen  # noqa: E402
from sheet import Sheet  # noqa: E402

FOLDER = ROOT / ".bench"


class TookTooLong(Exception):
    pass


class Bench(Sheet):
    """What a row is given."""

    def __init__(self, options, screen):
        super().__init__(said=self.say)
        self.openclaw = pathlib.Path(options.openclaw).resolve()
        self.rounds, self.seconds = options.rounds, options.seconds
        self.screen = screen
        self.folder = FOLDER

    def step(self, text):
        """What the row is at, said as it goes."""
        self.screen.step(f"  {text}")

    def say(self, figure):
        mark = {"missed": "  MISSED", "missing": f"  MISSING: {figure.detail}"}.get(figure.verdict, "")
        self.screen.step(f"  {figure.name}: {figure.text}{mark}")

    def product(self, name):
        """A program of the bench's own, built beside the binary."""
        path = self.openclaw.parent / name
        if not path.exists():
            raise RuntimeError(f"{path.name} is not beside {self.openclaw.name}; `make bench` builds it")
        return path

    def lines(self, product):
        """What a program of the bench's own prints: lines of JSON."""
        done = subprocess.run([self.product(product), str(self.folder)], capture_output=True, text=True, timeout=300)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            raise RuntimeError(f"{product} printed {done.stdout.strip()[-300:]!r}: {done.stderr.strip()[-500:]}")
        return [json.loads(line) for line in lines]

    def tell(self, product):
        """The figures of such a program that prints `what`, `per_second`, `count`."""
        for line in self.lines(product):
            self.told(line["what"], line["per_second"], "per second", f"of {line['count']:,}")

    def measure(self, row):
        """One row, within a time of its own: whatever goes wrong in it is told there, and the others are still measured."""
        self.row = row.name
        self.folder = FOLDER / row.name
        self.folder.mkdir()
        limit = 300 + 5 * row.seconds

        def too_long(*_):
            raise TookTooLong(f"not done after {limit} s, it usually takes {row.seconds}")

        signal.signal(signal.SIGALRM, too_long)
        signal.alarm(limit)
        try:
            row.measure(self)
        except Exception as trouble:
            self.screen.say(f"{row.name}: {trouble}")
            self.missing("not measured", str(trouble) or type(trouble).__name__)
        finally:
            signal.alarm(0)


def main():
    known = rows.load()
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--openclaw", help="the binary to measure, with the bench's own programs beside it")
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--seconds", type=int, default=2, help="of each proxy in each round")
    arguments.add_argument("--only", nargs="+", choices=list(known), default=list(known), metavar="ROW")
    arguments.add_argument("--list", action="store_true", help="the rows, and the seconds that each takes")
    arguments.add_argument("--json", action="store_true", help="one document instead of the table")
    options = arguments.parse_args()
    if options.list:
        Screen(sys.stdout).table(
            ["row", "seconds", "what is measured"], [[one.name, one.seconds, one.about] for one in known.values()], "<><")
        return 0
    if not options.openclaw:
        arguments.error("--openclaw PATH is missing")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    screen = Screen(sys.stderr)
    bench = Bench(options, screen)
    started = time.monotonic()
    chosen = [known[name] for name in options.only]
    screen.step(f"{len(chosen)} rows, about {max(1, round(sum(one.seconds for one in chosen) / 60))} min")
    stopped = False
    try:
        for place, one in enumerate(chosen):
            screen.step(f"{place + 1} of {len(chosen)}  {one.name}: {one.about}")
            bench.measure(one)
    except KeyboardInterrupt:
        stopped = True  # what was measured is shown all the same
    seconds = time.monotonic() - started
    if options.json:
        print(bench.json(seconds))
    elif bench.figures:
        bench.show(Screen(sys.stdout), seconds)
    return 130 if stopped else 0 if bench.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
