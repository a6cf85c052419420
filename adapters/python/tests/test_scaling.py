"""Ranks that come and go while the others train on: nothing is lost or repeated, and nobody stops. Real processes; the bench stands
in for daemon and Workers."""

import collections
import os
import pathlib
import re
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bench import Job  # noqa: E402

try:
    import torch  # noqa: F401
except ImportError as error:
    raise unittest.SkipTest(f"torch cannot be imported: {error}")
if not os.path.exists(os.environ.get("OPENCLAW_COLLECTIVES", "")):
    raise unittest.SkipTest("OPENCLAW_COLLECTIVES does not name the built libopenclaw_collectives.so")

SCRIPT = pathlib.Path(__file__).resolve().parent / "scripts" / "scaling.py"
BATCH = 10


class Scaling(unittest.TestCase):
    def assert_seen_once(self, job, samples, epochs, kills=0):
        seen = collections.defaultdict(collections.Counter)
        for line in job.lines("trained "):
            epoch, *numbers = map(int, line.split())
            seen[epoch].update(numbers)
        self.assertEqual(len(seen), epochs, job.story())
        repeated = sum(sum(times.values()) - len(times) for times in seen.values())
        missing = sum(samples - len(times) for times in seen.values())
        told = job.said("samples")
        self.assertEqual(repeated, told[-1]["repeated"] if told else 0, job.story())
        self.assertEqual(told[-1]["lost"] if told else 0, 0, job.story())
        # A rank that is killed after a step committed and before its script prints has trained on what it does not print.
        self.assertLessEqual(missing, kills * BATCH, job.story())

    def assert_equal_ranks(self, job, world):
        ends = [re.fullmatch(r"(\d+) of (\d+) share ([0-9.]+) weights ([0-9.]+)", line) for line in job.lines("rank ")]
        self.assertEqual(sorted(int(end[1]) for end in ends), list(range(world)), job.story())
        self.assertEqual({int(end[2]) for end in ends}, {world}, job.story())
        self.assertEqual(len({end[4] for end in ends}), 1, job.story())
        for end in ends:  # a schedule by batches was walked through as the data was, whoever trained on it
            self.assertAlmostEqual(float(end[3]), 1, delta=0.1, msg=job.story())

    def told_worlds(self, job):
        return list(dict.fromkeys((one["before"], one["world"]) for one in job.said("rescaled")))

    def test_ranks_leave_and_come_while_the_others_train_on_and_others_die_meanwhile(self):
        samples, epochs = 1200, 60
        with Job(SCRIPT, "--samples", samples, "--epochs", epochs, "--pause", 0.3, world=3) as job:
            job.wait_until(lambda: all(rank.said("hello") and rank.said("hello")[-1]["scales"] for rank in job.history))
            leaving = job.ranks[2]
            job.scale(2)
            job.kill(1)
            job.wait_until(lambda: set(job.ranks) == {0, 1} and len(job.said("joined")) == 1)
            self.assertEqual(leaving.status, 0, job.story())
            job.scale(3)
            job.wait_until(lambda: job.ranks[2].said("hello"))
            job.kill(1)
            job.wait_until(lambda: len(job.said("joined")) == 3)
            pathlib.Path(job.folder, "go").touch()
            job.wait_for_end()
            self.assertEqual([rank.status for rank in job.history], [0, -signal.SIGKILL, 0, -signal.SIGKILL, 0, 0], job.story())
            self.assertEqual(self.told_worlds(job), [(3, 2), (2, 3)], job.story())
            self.assertEqual(job.said("warning"), [], job.story())
            self.assert_seen_once(job, samples, epochs, kills=2)
            self.assert_equal_ranks(job, 3)
            last = job.history[0].text().splitlines()[-2]
            batches = -(-samples // 3 // BATCH)
            self.assertEqual(last, f"epoch {epochs - 1} world 3 ranks [0, 1, 2] mean 1.0 batches {batches}", job.story())


if __name__ == "__main__":
    unittest.main()
