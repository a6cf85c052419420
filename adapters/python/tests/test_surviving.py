"""A stock DistributedDataParallel script under OpenClaw: undisturbed it does what it does under torchrun, and when its ranks die it
goes on. Real processes, real kills; the bench stands in for daemon and Workers."""

import collections
import functools
import itertools
import math
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bench import PATIENCE_S, Job  # noqa: E402

try:
    import torch  # noqa: F401
except ImportError as error:
    raise unittest.SkipTest(f"torch cannot be imported: {error}")
if not os.path.exists(os.environ.get("OPENCLAW_COLLECTIVES", "")):
    raise unittest.SkipTest("OPENCLAW_COLLECTIVES does not name the built libopenclaw_collectives.so")

SCRIPTS = pathlib.Path(__file__).resolve().parent / "scripts"
DDP = SCRIPTS / "ddp.py"
CONVERGING = SCRIPTS / "converging.py"
WHOLE = (DDP, "--epochs", 6, "--samples", 900)
BATCH = 10
SEED = random.randrange(1 << 32)


def losses(text):
    return [float(one) for one in re.findall(r"loss ([0-9.]+)", text)]


def seeds(lines):
    """The loss on held data that a training ended with, for each seed."""
    return [float(line.split()[-1]) for line in lines if line.startswith("seed ")]


def final(lines):
    """The loss of the trained model over all the data."""
    return float(re.search(r"final ([0-9.]+)", lines[0])[1])


@functools.cache
def undisturbed():
    """The whole run with no death in it. -> (what the ranks ended with, rank 0's output, warnings)"""
    with Job(*WHOLE, world=3) as job:
        job.wait_for_end()
        return job.lines("rank "), job.history[0].text(), job.said("warning")


def under_torchrun(script, *arguments, world):
    """The same script, byte for byte, started by torchrun, with torch's own gloo. -> what the ranks printed"""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(world), "--master-addr", "127.0.0.1",
             "--master-port", str(port), str(script), *map(str, arguments)], cwd=folder, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=PATIENCE_S, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


class Surviving(unittest.TestCase):
    def assert_equal_weights(self, job, count):
        digests = job.lines("rank ")
        # One that was killed at its very end has told the same as the one that replaced it.
        self.assertEqual({one.split()[0] for one in digests}, set(map(str, range(count))), job.story())
        self.assertEqual(len({one.split("weights")[1] for one in digests}), 1, job.story())

    def assert_every_sample_was_trained_on_once(self, job, samples, epochs):
        """By what the script printed after each step. A rank that is killed may have taken a step that it did not print; and it may
        have printed one that the others did again without it, because none of them had seen it committed."""
        told = max((one["repeated"] for one in job.said("samples")), default=0)
        sure, unsure = [], []
        for rank in job.history:
            steps = [line.split()[1:] for line in rank.text().splitlines() if line.startswith("trained ")]
            if rank.status == -signal.SIGKILL and steps:
                unsure.append(steps.pop())
            sure += steps
        kills = sum(rank.status == -signal.SIGKILL for rank in job.history)
        accounts = []
        for counts in itertools.product((True, False), repeat=len(unsure)):
            seen = collections.Counter((epoch, sample) for epoch, *batch in sure + list(itertools.compress(unsure, counts))
                                       for sample in batch)
            missing, repeated = samples * epochs - len(seen), sum(seen.values()) - len(seen)
            accounts.append((missing, repeated))
            if repeated == told and missing <= BATCH * (kills - counts.count(False)):
                return
        self.fail(f"seed {SEED}: told of {told} repeated; (missing, repeated) is one of {accounts} after {kills} kills\n{job.story()}")

    def test_undisturbed_it_is_stock_ddp(self):
        stock = under_torchrun(*WHOLE, world=3)
        ours, text, warnings = undisturbed()
        self.assertEqual(len(set(one.split("weights")[1] for one in ours)), 1)
        self.assertEqual(len(losses(text)), 6)
        for mine, theirs in zip(losses(text), losses(stock)):
            self.assertAlmostEqual(mine, theirs, delta=1e-3)
        stocks = float(re.search(r"weights ([0-9.]+)", stock)[1])
        self.assertAlmostEqual(float(ours[0].split()[-1]), stocks, delta=stocks * 1e-3)
        self.assertEqual(warnings, [])

    def test_ranks_die_between_steps_and_inside_them_and_no_sample_is_lost(self):
        draw = random.Random(SEED)
        samples, epochs = 1500, 5
        with Job(DDP, "--epochs", epochs, "--samples", samples, "--trace", world=3, checkpoint_every_s=0.2) as job:
            job.wait_for_step(20)
            time.sleep(draw.random() * 0.02)  # anywhere in a step
            job.kill(2)
            at = job.step()
            job.wait_for_step(at + 5)
            job.wait_until(lambda: len(job.said("resumed")) >= 2)
            resumed = job.said("resumed")
            self.assertEqual([one["slots"] for one in resumed[:2]], [[2], [2]], "both survivors say for whom they stood still")
            self.assertLess(max(one["seconds"] for one in resumed[:2]), time.monotonic() - job.killed_at)
            # The rank that writes checkpoints; and with it, as it may happen, the one that has just come in.
            time.sleep(draw.random() * 0.02)
            job.kill(0, *([2] if job.ranks[2].said("joined") else []))
            job.wait_for_end()
            self.assert_equal_weights(job, 3)
            self.assert_every_sample_was_trained_on_once(job, samples, epochs)
            self.assertAlmostEqual(final(job.lines("rank ")), 0.144, delta=0.03, msg=f"seed {SEED}\n{job.story()}")

    def test_a_rank_that_dies_while_it_replaces_another_is_replaced_again(self):
        with Job(DDP, "--epochs", 8, "--samples", 1500, world=2) as job:
            job.wait_for_step(10)
            job.kill(1)
            job.wait_until(lambda: job.ranks[1].is_joining and job.ranks[1].said("hello"))
            job.kill(1)
            job.wait_for_end()
            self.assert_equal_weights(job, 2)
            self.assertEqual([rank.status for rank in job.history if rank.slot == 1].count(-signal.SIGKILL), 2)

    def test_the_whole_job_goes_on_from_its_last_whole_checkpoint(self):
        ours = undisturbed()[0]
        with tempfile.TemporaryDirectory() as folder:
            first, other = os.path.join(folder, "first"), os.path.join(folder, "other")
            with Job(*WHOLE, "--slow", world=3, checkpoint_every_s=0.1, checkpoints=first, replace=False) as job:
                # In the second epoch.
                job.wait_until(lambda: sum(one["step"] > 30 for one in job.said("checkpoint")) >= 2)
                job.kill(0, 1, 2)
                job.wait_until(lambda: all(rank.status is not None for rank in job.ranks.values()))
            steps = sorted(name for name in os.listdir(first) if name.startswith("step-"))
            self.assertGreaterEqual(len(steps), 2)
            newest = os.path.join(first, steps[-1], "state.pt")
            with open(newest, "r+b") as file:
                file.seek(os.path.getsize(newest) // 2)
                file.write(b"damaged")
            shutil.copytree(first, other)
            with Job(*WHOLE, world=3, checkpoints=first, attempt=2) as job:
                job.wait_for_end()
                self.assert_equal_weights(job, 3)
                resumed = job.lines("rank ")[0]
                self.assertIn("damaged", " ".join(one["what"] for one in job.said("warning")))
            self.assertEqual(ours[0].split()[-1], resumed.split()[-1], "not what an undisturbed run ends with")
            with Job(*WHOLE, world=2, checkpoints=other, attempt=3) as job:
                job.wait_for_end()
                self.assert_equal_weights(job, 2)
                self.assertAlmostEqual(final(job.lines("rank ")), final(ours), delta=0.04)

    def test_every_wire_learns_what_stock_ddp_learns(self):
        """Over several seeds the mean difference from the very same training under torchrun is within the noise of seeds."""
        stock = seeds(under_torchrun(CONVERGING, world=2).splitlines())
        noise = statistics.stdev(stock) / math.sqrt(len(stock))
        for wire in ("float32", "bfloat16", "int8"):
            # Ranks that call their hosts by different names share no memory: the bytes go over TCP, as between hosts.
            with Job(CONVERGING, world=2, wire=wire, own_hosts=True) as job:
                job.wait_for_end()
                ours = seeds(job.history[0].text().splitlines())
                sent = max(one["wire_bytes"] for one in job.said("progress"))
                logical = max(one["logical_bytes"] for one in job.said("progress"))
            differences = [mine - theirs for mine, theirs in zip(ours, stock)]
            print(f"{wire}: {statistics.mean(ours):.4f}, stock {statistics.mean(stock):.4f}, seeds' noise {noise:.4f}, "
                  f"wire {sent / logical:.2f} bytes a byte", file=sys.stderr)
            self.assertEqual(len(ours), len(stock))
            self.assertLess(abs(statistics.mean(differences)), 2 * noise, f"{wire}: {ours} and stock {stock}")
            if wire == "float32":
                self.assertLess(max(map(abs, differences)), 2e-3, f"{ours} and stock {stock}")

    def test_a_script_that_needs_torchs_own_group_gets_it_in_its_next_life(self):
        with tempfile.TemporaryDirectory() as folder:
            with Job(SCRIPTS / "sends.py", world=2, checkpoints=folder, replace=False) as job:
                job.wait_until(lambda: any(rank.status is not None for rank in job.ranks.values()))
                self.assertIn(76, [rank.status for rank in job.ranks.values()])
                self.assertIn("point-to-point", job.said("warning")[0]["what"])
            with Job(SCRIPTS / "sends.py", world=2, checkpoints=folder, attempt=2) as job:
                job.wait_for_end()
                self.assertEqual(job.lines("received "), ["0.0"])
                self.assertEqual([one["survives"] for one in job.said("hello")], [False, False])

    def test_a_single_process_loop_becomes_data_parallel_with_two_lines(self):
        with Job(SCRIPTS / "loop.py", world=2) as job:
            job.wait_for_end()
            ends = job.lines("weights ")
            self.assertEqual(len(set(ends)), 1, job.story())
            self.assertTrue(ends[0].endswith("loss True"), job.story())
            self.assertGreater(len(job.said("log")), 10)

    def test_a_job_that_is_asked_to_stop_goes_on_from_there(self):
        with tempfile.TemporaryDirectory() as folder:
            with Job(DDP, "--epochs", 500, "--samples", 900, world=2, checkpoints=folder, replace=False) as job:
                job.wait_for_step(10)
                for rank in job.ranks.values():
                    rank.send("stop", within_s=20, checkpoint=True)
                job.wait_for_end(status=75)
                stopped = job.said("checkpoint")[-1]["step"]
            with Job(DDP, "--epochs", 500, "--samples", 900, world=2, checkpoints=folder, attempt=2, replace=False) as job:
                job.wait_until(lambda: job.said("progress"))
                self.assertGreater(job.said("progress")[0]["step"], stopped)
                job.ranks[0].send("stack_wanted")
                job.wait_until(lambda: job.said("stack"))
                self.assertIn("ddp.py", job.said("stack")[0]["threads"][0])


if __name__ == "__main__":
    unittest.main()
