"""Load from wrk on one proxy after another, and what it cost each of them."""

import json
import pathlib
import subprocess
import time

from rows import median
from stand.processes import processor_seconds

HERE = pathlib.Path(__file__).resolve().parent
CONNECTIONS = 64  # of a proxy that does not say how many it wants


def interleaved(proxies, kind, bench):
    """What `drive` tells of each proxy in each of the bench's rounds: a list of {name: figures}."""
    results = []
    for number in range(bench.rounds + 1):
        # Each round begins with another one, so that none always follows the same.
        first = number % len(proxies)
        order = proxies[first:] + proxies[:first]
        results.append({proxy.name: drive(proxy, kind, bench.seconds if number else 1) for proxy in order})
        if number:
            bench.step(f"round {number} of {bench.rounds}: " + ", ".join(
                f"{proxy.name} {results[-1][proxy.name]['cpu_us']:.1f} us ({results[-1][proxy.name]['rate']:,.0f}/s)"
                for proxy in proxies))
    return results[1:]  # the first only warmed them up


def drive(proxy, kind, seconds):
    """So many seconds of requests of a kind that load.lua knows."""
    before = processor_seconds(proxy.process.child.pid)
    connections = getattr(proxy, "connections", CONNECTIONS)
    seconds *= getattr(proxy, "patience", 1)
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(HERE / "load.lua"),
         f"http://127.0.0.1:{proxy.port}", "--", kind],
        capture_output=True, text=True, check=True, timeout=seconds + 60,
    )
    time.sleep(0.3)  # what is written behind the requests (ours: exposures) belongs to them
    spent = processor_seconds(proxy.process.child.pid) - before
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    if result["errors"] or not result["requests"]:
        raise RuntimeError(
            f"{proxy.name}: {result['errors']} of {result['requests']} requests failed: not a measurement")
    # Those that are under way when the time is up cost too: counted as done, which favours a slow proxy.
    return {
        "cpu_us": spent * 1e6 / (result["requests"] + connections), "rate": result["requests"] / (result["microseconds"] / 1e6),
        "p50_us": result["p50_us"], "p99_us": result["p99_us"],
    }


def ratio(results, figure, one, other):
    """The median over the rounds of one proxy's figure divided by another's."""
    return median([result[one][figure] / result[other][figure] for result in results])


def costs(results, figure, scale=1, unit="us"):
    """The medians of all, as a text."""
    return ", ".join(
        f"{name} {median([result[name][figure] for result in results]) / scale:.1f} {unit}" for name in results[0])
