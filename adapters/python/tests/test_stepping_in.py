"""The adapter steps in at Python's start, and stands in nobody's way."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PACKAGE = pathlib.Path(__file__).resolve().parent.parent


class SteppingIn(unittest.TestCase):
    def python(self, *arguments, folder="", **variables):
        path = os.pathsep.join(filter(None, [str(PACKAGE / "hook"), folder]))
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True,
                              env={"PATH": "/usr/bin", "PYTHONPATH": path, **variables})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.folder = home.name
        pathlib.Path(self.folder, "sitecustomize.py").write_text("print('shadowed')\n")
        # Stands for torch: the adapter's own module for it is not what is tried here.
        pathlib.Path(self.folder, "torch.py").write_text("print('torch', __spec__.loader is __loader__)\n")

    def test_a_sitecustomize_that_it_shadows_runs_all_the_same(self):
        self.assertEqual(self.python("-c", "", folder=self.folder), ["shadowed"])
        self.assertEqual(self.python("-c", "", folder=self.folder, OPENCLAW_WORKER_SOCKET="/nowhere"), ["shadowed"])

    def test_outside_of_a_job_nothing_of_it_is_loaded(self):
        self.assertEqual(self.python("-c", "import sys; print([one for one in sys.modules if 'openclaw' in one])"), ["[]"])

    def test_in_a_job_it_adapts_torch_right_after_its_import_and_only_then(self):
        script = ("import sys, types; import openclaw.stepping_in as stepping_in\n"
                  "stepping_in._adapt = lambda name: print('adapted', name)\n"
                  "print('before'); import torch; print('after')")
        said = self.python("-c", script, folder=self.folder, OPENCLAW_WORKER_SOCKET="/nowhere")
        self.assertEqual(said, ["shadowed", "before", "torch", "True", "adapted", "torch", "after"])

    def test_a_script_run_by_the_module_sees_its_own_arguments(self):
        script = pathlib.Path(self.folder, "script.py")
        script.write_text("import sys; print(sys.argv[1:], __name__)\n")
        self.assertEqual(self.python("-m", "openclaw.run", str(script), "--x", folder=str(PACKAGE)), ["['--x']", "__main__"])


if __name__ == "__main__":
    unittest.main()
