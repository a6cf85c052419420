"""Puts openclaw.pth beside the package, so that Python steps in at its start also where PYTHONPATH is not heeded."""

import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py


class WithStart(build_py):
    def run(self):
        super().run()
        shutil.copy(pathlib.Path(__file__).parent / "openclaw.pth", self.build_lib)

    def get_outputs(self, include_bytecode=True):
        return [*super().get_outputs(include_bytecode), str(pathlib.Path(self.build_lib, "openclaw.pth"))]


setup(cmdclass={"build_py": WithStart})
