"""Python runs this at its start because its folder stands first on PYTHONPATH under `openclaw train`. It lets OpenClaw's adapter
watch for torch, and then runs the sitecustomize that would have run without it, if there is one."""

import importlib.machinery
import importlib.util
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))


def _step_in():
    if not os.environ.get("OPENCLAW_WORKER_SOCKET"):
        return
    try:
        import openclaw.stepping_in
    except ModuleNotFoundError as error:
        if error.name != "openclaw":
            raise
        sys.path.append(os.path.dirname(_here))
        import openclaw.stepping_in
    openclaw.stepping_in.watch()


def _run_the_shadowed():
    elsewhere = [one for one in sys.path if os.path.abspath(one or ".") != _here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


_step_in()
_run_the_shadowed()
