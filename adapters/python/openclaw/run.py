"""python -m openclaw.run SCRIPT [ARGUMENT...]: runs a script with the adapter, where PYTHONPATH is not heeded (`python -I`, wrappers
that clean the environment)."""

import os
import runpy
import sys

from .stepping_in import watch


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: python -m openclaw.run SCRIPT [ARGUMENT...]")
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    watch()
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
