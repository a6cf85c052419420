"""Fitting: where the adapter steps into Keras' `model.fit`."""

import functools
import importlib
import inspect

from . import job

_awaited = None  # the Fit whose data is made next


def install(_):
    """Steps in. Called right after Keras' trainer for TensorFlow was imported."""
    trainer = importlib.import_module("keras.src.backend.tensorflow.trainer")
    fit, iterator = trainer.TensorFlowTrainer.fit, trainer.TFEpochIterator
    signature = inspect.signature(fit)

    @functools.wraps(fit)
    def shared_fit(self, *positional, **named):
        if job.is_foreign() or (job.training() is not None and job.training().fit is not None):
            return fit(self, *positional, **named)
        options = signature.bind(self, *positional, **named)
        options.apply_defaults()
        return _shared(fit, self, options.arguments)

    def epoch_iterator(*positional, **named):
        global _awaited
        made = iterator(*positional, **named)
        if _awaited is None:
            return made
        mine, _awaited = _awaited, None
        return mine.data(made)

    trainer.TensorFlowTrainer.fit = shared_fit
    trainer.TFEpochIterator = epoch_iterator


def _shared(fit, model, options):
    global _awaited
    from .fits import Fit, FitIsOver

    training = job.begun()
    mine = Fit(training, model, options)
    if mine.is_past():
        return mine.past()
    mine.prepare()
    _awaited = training.fit = mine
    try:
        history = fit(**{"self": model, **mine.options})
        mine.is_over()
        return history
    except FitIsOver:
        return mine.past()
    except Exception as error:
        if training.exchange.failure is not None:
            raise training.exchange.failure from error  # TensorFlow tells only that a function of Python's failed
        raise
    finally:
        _awaited = training.fit = None


def saving(_):
    """Every rank saves the same model to the same file: each writes it beside and renames, so that no two write into one."""
    api = importlib.import_module("keras.src.saving.saving_api")
    for name in ("save_model", "save_weights"):
        setattr(api, name, _beside(getattr(api, name)))


def _beside(save):
    import os

    @functools.wraps(save)
    def wrapped(model, filepath, *positional, **named):
        path = os.fspath(filepath) if isinstance(filepath, (str, os.PathLike)) else ""
        training = job.training()
        if training is None or not path.endswith((".keras", ".h5")) or os.path.isdir(path):
            return save(model, filepath, *positional, **named)
        if os.path.exists(path) and named.get("overwrite", positional[0] if positional else True) is False:
            return save(model, filepath, *positional, **named)  # which asks, or refuses
        folder, name = os.path.split(path)
        beside = os.path.join(folder, f".slot-{training.contract.slot}-{name}")
        save(model, beside, *positional, **named)
        os.replace(beside, path)
        return None

    return wrapped
