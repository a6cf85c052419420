"""A stock Keras script under OpenClaw: it learns what it learns alone, and goes on when its ranks die. Real processes, real kills; the
bench stands in for daemon and Workers."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from bench import Job  # noqa: E402

try:
    import importlib.metadata

    importlib.metadata.version("tensorflow-cpu")
except ImportError as error:
    raise unittest.SkipTest(f"TensorFlow is not installed: {error}")
if not os.path.exists(os.environ.get("OPENCLAW_COLLECTIVES", "")):
    raise unittest.SkipTest("OPENCLAW_COLLECTIVES does not name the built libopenclaw_collectives.so")

FIT = TESTS / "scripts" / "keras_fit.py"
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}


def end(line):
    """What the script printed last, as numbers."""
    return {name: float(value) for name, value in re.findall(r"(\w+) ([0-9.]+)", "rank " + line)}


class Fitting(unittest.TestCase):
    def assert_equal_weights(self, job, count):
        lines = job.lines("rank ")
        # One that was killed at its very end has told the same as the one that replaced it.
        self.assertEqual({one.split()[0] for one in lines}, set(map(str, range(count))), job.story())
        self.assertEqual(len({one.split("weights")[1] for one in lines}), 1, job.story())
        return end(lines[0])

    def test_a_job_of_two_ranks_learns_exactly_what_the_script_learns_alone(self):
        arguments = ["--exact", "--batch", "31", "--epochs", "2"]
        with tempfile.TemporaryDirectory() as folder:
            alone = subprocess.run([sys.executable, str(FIT), *arguments], cwd=folder, text=True, capture_output=True, check=True,
                                   env={**os.environ, **QUIET}).stdout
        alone = end(alone.splitlines()[-1].removeprefix("rank "))
        with Job(FIT, *arguments, world=2, environment=QUIET) as job:
            job.wait_for_end()
            ours = self.assert_equal_weights(job, 2)
            self.assertEqual(ours["steps"], alone["steps"])
            self.assertAlmostEqual(ours["weights"], alone["weights"], delta=alone["weights"] * 1e-5)
            self.assertEqual(job.said("warning"), [])
            told = job.said("progress")[-1]
            self.assertEqual((told["steps_total"], told["epochs_total"]), (alone["steps"], 2))
            self.assertIn("val_loss", job.said("log")[-1]["values"])
            # Saved by all at once, and whole: each wrote its own and renamed it.
            self.assertEqual(sorted(name for name in os.listdir(job.folder) if name.endswith(".keras")), ["best.keras", "model.keras"])

    def test_ranks_die_are_replaced_and_the_whole_job_goes_on_from_its_checkpoint_with_fewer(self):
        with tempfile.TemporaryDirectory() as checkpoints:
            # Slow enough for a replacement that a starved machine starts.
            arguments = (FIT, "--epochs", 12, "--pause", 0.25)
            with Job(*arguments, world=3, checkpoints=checkpoints, checkpoint_every_s=0.5, environment=QUIET) as job:
                job.wait_for_step(8)
                job.kill(1)
                at = job.step()
                job.wait_for_step(at + 3)
                job.wait_until(lambda: job.ranks[1].said("joined"))
                joined = job.ranks[1].said("joined")[0]["step"]
                self.assertGreater(joined, at)
                job.replace = False
                job.kill(0)  # the rank that writes checkpoints
                written = len(job.said("checkpoint"))
                job.wait_until(lambda: len(job.said("checkpoint")) > written + 1)
                job.kill(1, 2)
                job.wait_until(lambda: all(rank.status is not None for rank in job.ranks.values()))
                self.assertEqual([rank.status for rank in job.history], [-9] * len(job.history), job.story())
            steps = sorted(name for name in os.listdir(checkpoints) if name.startswith("step-"))
            with open(os.path.join(checkpoints, steps[-2], "manifest.json")) as file:
                self.assertEqual(json.load(file)["framework"], "tensorflow")
            with open(os.path.join(checkpoints, steps[-1], "state.pickle"), "r+b") as file:
                file.seek(2000)
                file.write(b"damaged")
            saved = int(steps[-2].removeprefix("step-"))
            with Job(FIT, "--epochs", 12, world=2, checkpoints=checkpoints, attempt=2, environment=QUIET) as job:
                job.wait_for_end()
                ours = self.assert_equal_weights(job, 2)
                self.assertIn("damaged", " ".join(one["what"] for one in job.said("warning")))
                self.assertGreaterEqual(job.said("progress")[0]["step"], saved)
                self.assertEqual(ours["epochs"], 12)
                # 45 batches an epoch, and what was dealt again of those that died.
                self.assertGreaterEqual(ours["steps"], 12 * 45)
                self.assertLessEqual(ours["steps"], 12 * 45 + 12)
                self.assertLess(ours["final"], 0.25)

    def test_a_rank_that_is_killed_at_the_end_is_stood_in_for(self):
        with Job(FIT, "--epochs", 1, "--samples", 300, world=2, environment=QUIET,
                 python_path=[str(TESTS / "surroundings" / "lingering")]) as job:
            job.kill_at_its_end(1)
            lines = job.lines("rank ")
            self.assertEqual(sorted(one.split()[0] for one in lines), ["0", "1", "1"], job.story())
            self.assertEqual(len({one.split("weights")[1] for one in lines}), 1, job.story())

    def test_data_sets_more_than_one_fit_and_a_loop_of_its_own_keep_ranks_equal(self):
        with Job(TESTS / "scripts" / "keras_ways.py", world=2, environment=QUIET) as job:
            job.wait_for_end()
            for way in ("dataset", "steps", "early", "loop"):
                ends = job.lines(f"{way} ")
                self.assertEqual(len(ends), 2, job.story())
                self.assertEqual(len(set(ends)), 1, job.story())
            hellos = job.ranks[0].said("hello")
            self.assertEqual([one["survives"] for one in hellos], [True, False])
            self.assertIn("its training loop is its own", hellos[-1]["why_not"][0])


if __name__ == "__main__":
    unittest.main()
