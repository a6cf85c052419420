"""Ranks are killed in every phase of a job's life, and the disk fills up: the job goes on."""

import contextlib
import os
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from bench import Job  # noqa: E402

try:
    import torch  # noqa: F401
except ImportError as error:
    raise unittest.SkipTest(f"torch cannot be imported: {error}")
if not os.path.exists(os.environ.get("OPENCLAW_COLLECTIVES", "")):
    raise unittest.SkipTest("OPENCLAW_COLLECTIVES does not name the built libopenclaw_collectives.so")

from openclaw.checkpoint import CheckpointFolder  # noqa: E402

DDP = HERE / "scripts" / "ddp.py"


class Phases(unittest.TestCase):
    def test_killed_at_the_start_while_the_mesh_is_built_and_while_a_checkpoint_is_written_the_job_goes_on(self):
        with tempfile.TemporaryDirectory() as checkpoints:
            with Job(DDP, "--epochs", 5000, "--samples", 900, world=2, checkpoints=checkpoints, checkpoint_every_s=0.3,
                     python_path=[str(HERE / "surroundings" / "slow_disk")]) as job:
                job.kill(1)  # at the start: nothing was said yet
                job.wait_until(lambda: len(job.history) == 3)
                job.wait_until(lambda: job.epoch >= 1)  # the ranks were told this moment where to meet
                job.kill(1)
                job.wait_until(lambda: job.ranks[1].said("joined"))
                job.wait_until(lambda: partial(checkpoints, job.ranks[0].process.pid))
                job.kill(0)  # in the middle of a write
                at = job.step()
                # Whoever leads then writes the next one.
                job.wait_until(lambda: job.step() > at + 50 and any(one["step"] > at for one in job.said("checkpoint")))
                job.replace = False
                for rank in job.ranks.values():
                    rank.send("stop", within_s=20, checkpoint=True)
                job.wait_until(lambda: job.ranks[1].status is not None)
                self.assertEqual(job.ranks[1].status, 75, job.story())
                self.assertEqual([rank.status for rank in job.history].count(-9), 3, job.story())
            folder = CheckpointFolder(checkpoints, 3)
            folder.sweep()
            for step in folder.steps():
                folder.read(step)  # whole, each of them
            self.assertFalse(partial(checkpoints, ""), "what a killed writer left was not swept up")

    def test_a_rank_that_is_killed_at_the_end_is_stood_in_for(self):
        with Job(DDP, "--epochs", 2, "--samples", 300, world=2, python_path=[str(HERE / "surroundings" / "lingering")]) as job:
            job.kill_at_its_end(1)
            lines = job.lines("rank ")
            self.assertEqual(sorted(one.split()[0] for one in lines), ["0", "1", "1"], job.story())
            self.assertEqual(len({one.split("weights")[1] for one in lines}), 1, job.story())

    def test_on_a_full_disk_training_goes_on_and_the_fault_is_told(self):
        with Job(DDP, "--epochs", 8, "--samples", 900, "--save", "/dev/null", world=1, checkpoint_every_s=0.1,
                 python_path=[str(HERE / "surroundings" / "full_disk")]) as job:
            job.wait_for_end()
            self.assertEqual(job.said("checkpoint"), [])
            failed, warned = job.said("checkpoint_failed")[0], job.said("warning")[0]
            self.assertIn("was not written", failed["what"])
            self.assertIn("File too large", failed["why"])
            self.assertIn("training goes on", warned["fix"])
            self.assertEqual(os.listdir(job.checkpoints), [])
            self.assertIn("rank 0 of 1 final", job.history[0].text())


def partial(folder, pid):
    with contextlib.suppress(FileNotFoundError):
        return any(name.startswith(".partial-") and name.endswith(str(pid)) for name in os.listdir(folder))
    return False


if __name__ == "__main__":
    unittest.main()
