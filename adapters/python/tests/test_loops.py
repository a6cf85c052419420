"""Loops of the script's own keep their state and their place."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from bench import Job  # noqa: E402

COUNTING = pathlib.Path(__file__).resolve().parent / "scripts" / "counting.py"


class Loops(unittest.TestCase):
    def test_a_loop_that_is_killed_goes_on_where_its_last_checkpoint_was_and_counts_nothing_twice(self):
        with tempfile.TemporaryDirectory() as folder:
            with Job(COUNTING, 0.2, world=1, checkpoints=folder, checkpoint_every_s=0.05, replace=False) as job:
                job.wait_until(lambda: len(job.said("checkpoint")) >= 3)
                job.kill(0)
                job.wait_until(lambda: job.ranks[0].status is not None)
                self.assertEqual(job.said("hello")[0]["framework"], "none")
            with Job(COUNTING, 0, world=1, checkpoints=folder, attempt=2, replace=False) as job:
                job.wait_for_end()
                self.assertGreater(int(job.lines("at ")[0]), 1)
                self.assertEqual(job.lines("sum "), [str(400 * 401 // 2)])

    def test_outside_of_a_job_the_loop_runs_as_if_nothing_were_there(self):
        import subprocess

        text = subprocess.run([sys.executable, str(COUNTING), "0"], capture_output=True, text=True, check=True,
                              env={"PYTHONPATH": str(COUNTING.parent.parent.parent), "PATH": "/usr/bin"}).stdout
        self.assertEqual(text.splitlines()[-1], f"sum {400 * 401 // 2}")


if __name__ == "__main__":
    unittest.main()
