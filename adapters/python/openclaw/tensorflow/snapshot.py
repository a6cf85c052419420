"""Snapshot: what a rank needs to be where another was: variables of model, optimizer and metrics, and what callbacks remember."""

import pickle

import numpy as np


class ModelDiffers(Exception):
    """The state belongs to another model."""


def of(model, callbacks):
    """Copies: nothing in it changes when training goes on."""
    return {"weights": weights(model), "optimizer": _values(_optimizer_variables(model)),
            "metrics": _values(model.metrics_variables), "callbacks": [remembered(one) for one in callbacks]}


def weights(model):
    return _values(model.variables)


def load(model, callbacks, state):
    _assign("the model", model.variables, state["weights"])
    _assign("the optimizer", _optimizer_variables(model), state["optimizer"])
    if [one.shape for one in state["metrics"]] == [tuple(one.shape) for one in model.metrics_variables]:
        _assign("the metrics", model.metrics_variables, state["metrics"])
    for callback, memory in zip(callbacks, state["callbacks"]):
        vars(callback).update(memory)


def load_weights(model, values):
    _assign("the model", model.variables, values)


def packed(state):
    return pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL)


def unpacked(content):
    """Reads what `packed` wrote. The content is this job's own: checked against its manifest, or proven by the job's secret."""
    return pickle.loads(content)


def remembered(callback):
    """The plain values among a callback's attributes: what early stopping waits for, the best value so far."""
    return {name: value for name, value in vars(callback).items()
            if name not in ("params", "_model", "model") and _is_plain(value)}


def _is_plain(value):
    if isinstance(value, (list, tuple)):
        return all(_is_plain(one) for one in value)
    if isinstance(value, dict):
        return all(isinstance(name, (str, int)) and _is_plain(one) for name, one in value.items())
    return value is None or isinstance(value, (bool, int, float, str, np.ndarray, np.generic))


def _optimizer_variables(model):
    return model.optimizer.variables if model.optimizer is not None else []


def _values(variables):
    return [np.array(one) for one in variables]


def _assign(what, variables, values):
    ours, theirs = [tuple(one.shape) for one in variables], [one.shape for one in values]
    if ours != theirs:
        raise ModelDiffers(f"{what} has {len(ours)} variables here and {len(theirs)} in the state, or other shapes: "
                           "the script does not make the same model each time.")
    for variable, value in zip(variables, values):
        variable.assign(value)
