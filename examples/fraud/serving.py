"""What MLServer finds beside a model's weights: its settings, and the code that runs them."""

import json
import pathlib
import shutil

HERE = pathlib.Path(__file__).resolve().parent


def describe(folder, version, implementation, weights, extra=None):
    """Lays out `folder` so that `mlserver start` serves the weights in it; `extra` is what the implementation asks for."""
    shutil.copy(HERE / "runtime.py", folder)
    parameters = {"uri": f"./{weights}", "version": version, **({"extra": extra} if extra else {})}
    write(folder / "model-settings.json", {"name": "fraud-model", "implementation": implementation, "parameters": parameters})
    write(folder / "settings.json", {
        "host": "127.0.0.1",
        "parallel_workers": 0,  # one process: a worker pool crash-loops with this uvloop, and one model needs none
        "metrics_endpoint": None,  # else two servers on one machine fight for the same metrics port
        "gzip_enabled": False,
        "debug": False,
    })


def write(path, settings):
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
