"""Saying: what a script may tell about its work. Outside of a job each call does nothing."""

from . import line

NAMES_MAX = 64

_steps = 0
logged = set()  # names that the script has logged


def log(step=None, **values):
    """Reports numbers of this moment, `openclaw.log(loss=0.3, accuracy=0.9)`. Without `step` it is that of the optimizer, or counted."""
    global _steps
    _steps += 1
    training = _training()
    if getattr(training, "is_mute", False):
        return
    if len(values) > NAMES_MAX:
        raise ValueError(f"openclaw.log takes {NAMES_MAX} values at once; these are {len(values)}.")
    numbers = {name: _number(value) for name, value in values.items()}
    logged.update(numbers)
    at = step if step is not None else training.step if training is not None else _steps
    line.say("log", step=int(at), values=numbers)


def total(steps=None, epochs=None):
    """How much there is to do in all: the status then tells how far the job is, and how long it still takes."""
    numbers = {f"{name}_total": int(count) for name, count in (("steps", steps), ("epochs", epochs)) if count is not None}
    training = _training()
    if training is not None:
        training.totals.update(numbers)
    elif numbers:
        line.say("progress", step=0, **numbers)


def _number(value):
    """A tensor of one element is a number too."""
    return float(value.detach() if hasattr(value, "detach") else value)


def output(path):
    """Names the file or folder that is registered when the job ends, relative to the working folder."""
    line.say("output", path=str(path))


def _training():
    import sys

    for name in ("openclaw.pytorch.patches", "openclaw.tensorflow.job"):
        if name in sys.modules and (training := sys.modules[name].training()) is not None:
            return training
    return None
