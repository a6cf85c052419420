"""`pip install` puts the package where Python steps in at its start, also where PYTHONPATH is not heeded."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PACKAGE = pathlib.Path(__file__).resolve().parent.parent

try:
    import setuptools  # noqa: F401
except ImportError as error:
    raise unittest.SkipTest(f"setuptools is not there to build with: {error}")


class Installing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(home.cleanup)
        cls.folder = pathlib.Path(home.name)
        source = cls.folder / "source"
        shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info", "tests"))
        subprocess.run([sys.executable, "-m", "venv", str(cls.folder / "venv")], check=True)
        cls.python = cls.folder / "venv" / "bin" / "python"
        # Built with the setuptools that is here: nothing is fetched.
        here = pathlib.Path(setuptools.__file__).resolve().parent.parent
        done = subprocess.run(
            [str(cls.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-build-isolation", "--no-deps",
             "--no-index", str(source)], text=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(here)})
        assert done.returncode == 0, done.stderr

    def said(self, *arguments, **variables):
        done = subprocess.run([str(self.python), *arguments], text=True, capture_output=True, cwd=self.folder,
                              env={"PATH": "/usr/bin", **variables})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def test_without_a_job_nothing_of_it_is_loaded_and_all_of_it_is_there(self):
        self.assertEqual(self.said("-c", "import sys; print([one for one in sys.modules if 'openclaw' in one])"), ["[]"])
        self.assertEqual(self.said("-c", "import openclaw, openclaw.train; print(openclaw.__version__)"), ["0.4.0"])
        installed = next((self.folder / "venv" / "lib").glob("*/site-packages/openclaw"))
        expected = {path.relative_to(PACKAGE / "openclaw") for path in (PACKAGE / "openclaw").rglob("*.py")}
        self.assertEqual({path.relative_to(installed) for path in installed.rglob("*.py")}, expected)

    def test_in_a_job_it_steps_in_at_the_start_also_where_the_environment_is_not_heeded(self):
        look = "import sys; print(any(type(one).__module__ == 'openclaw.stepping_in' for one in sys.meta_path))"
        self.assertEqual(self.said("-c", look, OPENCLAW_WORKER_SOCKET="/nowhere"), ["True"])
        # -P and -s keep more out; -I heeds no PYTHON* variable at all. The .pth file is heeded all the same.
        self.assertEqual(self.said("-I", "-c", look, OPENCLAW_WORKER_SOCKET="/nowhere"), ["True"])

    def test_a_script_can_be_run_by_the_module(self):
        script = self.folder / "script.py"
        script.write_text("import sys; print(sys.argv[1], __name__)\n")
        self.assertEqual(self.said("-m", "openclaw.run", str(script), "--x", OPENCLAW_WORKER_SOCKET="/nowhere"), ["--x", "__main__"])


if __name__ == "__main__":
    unittest.main()
