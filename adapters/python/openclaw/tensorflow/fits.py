"""Fits: one `model.fit` of the script, as all ranks do it together."""

import contextlib

import keras
import tensorflow as tf
from keras.src import tree
from keras.src.trainers import data_adapters

from . import snapshot, sources
from .hooks import First, Last
from .walk import Walk

# Callbacks that write files of their own, or wind the training by themselves.
_FOR_ONE_RANK = (keras.callbacks.CSVLogger, keras.callbacks.TensorBoard)
_OURS_INSTEAD = (keras.callbacks.BackupAndRestore,)


class FitIsOver(Exception):
    """The others finished this fit before a replacement came in."""


class Fit:
    """Made at each call of `model.fit`, on every rank in the same order."""

    def __init__(self, training, model, options):
        self.training, self.model = training, model
        self.options = {name: value for name, value in options.items() if name != "self"}
        self.number = training.next_fit(self)
        self.walk = None
        self.user_callbacks = []
        self.wants_stop = False
        self.epochs = int(self.options["epochs"])
        self._history = {}  # of epochs that an earlier life saw
        self._epochs_seen = []

    # -- as one that is over

    def is_past(self):
        return self.training.has_passed(self)

    def past(self):
        """What the script would have got: the history, and where the job is at its end the weights."""
        state = self.training.state_of_past(self)
        if state is not None:
            self._build(next(iter(self._adapter().get_tf_dataset())))
            snapshot.load_weights(self.model, state)
        history = keras.callbacks.History()
        history.set_model(self.model)
        recorded = self.training.history_of(self.number)
        history.history, history.epoch = recorded["history"], recorded["epoch"]
        self.model.history = history
        self.is_over()
        return history

    def is_over(self):
        self.training.histories[self.number - 1:] = [self.recorded()]
        self.training.fits_over = self.number

    def _adapter(self):
        names = ("x", "y", "sample_weight", "batch_size", "steps_per_epoch", "shuffle", "class_weight")
        return data_adapters.get_data_adapter(**{name: self.options[name] for name in names})

    # -- for real

    def prepare(self):
        """The options that Keras' own fit gets."""
        if self.model.jit_compile:
            # XLA cannot call the numpy function that averages the gradients.
            self.model.jit_compile = False
            self.model.train_function = None
        given = self.options["callbacks"]
        if isinstance(given, keras.callbacks.CallbackList):
            self.user_callbacks = list(given.callbacks)
            given.callbacks[:] = [First(self), *given.callbacks, Last(self)]
            given.set_model(self.model)
            given._async_train = False
            return
        self.user_callbacks = [one for one in tree.flatten(given or []) if one is not None and self._is_wanted(one)]
        self.options["callbacks"] = [First(self), *self.user_callbacks, Last(self)]

    def _is_wanted(self, callback):
        if isinstance(callback, _OURS_INSTEAD):
            self.training.warn_once("backup", "BackupAndRestore is left out.", "OpenClaw's checkpoints hold the same and more.",
                                    "Nothing has to be done.")
            return False
        return self.training.contract.slot == 0 or not isinstance(callback, _FOR_ONE_RANK)

    def data(self, inner):
        """What takes the place of Keras' iterator over epochs."""
        steps = inner.steps_per_epoch
        source, why_not = sources.of_adapter(inner.data_adapter, inner._distributed_dataset, steps)
        if why_not:
            self.training.cannot_survive(why_not)
        self.walk = Walk(source, steps, 0)
        return Epochs(self, inner)

    def begin(self):
        """All callbacks begin; the model is built, and takes the state that it has at the others, or had when the job stopped."""
        source = self.walk.source
        example = source.rows([0]) if source.is_indexed else next(iter(source._dataset))
        self._build(example)
        self.model._initial_epoch = None
        self.training.begin_fit(self)

    def _build(self, example):
        """Model, metrics and optimizer have all their variables afterwards."""
        def with_any_height(one):
            return None if one is None else keras.KerasTensor((None, *one.shape[1:]), keras.backend.standardize_dtype(one.dtype))

        self.model._symbolic_build(data_batch=tree.map_structure(with_any_height, example))

    def go_on(self, state):
        """Takes up where this state was."""
        snapshot.load(self.model, self.user_callbacks, state["now"])
        self.walk.go_on(state["walk"])
        self._history, self._epochs_seen = state["history"]["history"], state["history"]["epoch"]
        self.model._initial_epoch = self.walk.epoch

    def put_back_history(self):
        """Keras' History forgets its epochs when a training begins."""
        if self._epochs_seen and not self.model.history.epoch:
            self.model.history.history = {name: list(values) for name, values in self._history.items()}
            self.model.history.epoch = list(self._epochs_seen)

    def recorded(self):
        history = getattr(self.model, "history", None)
        if history is None:
            return {"history": {}, "epoch": []}
        return {"history": {name: [float(one) for one in values] for name, values in history.history.items()},
                "epoch": list(history.epoch)}


class Epochs:
    """Walks over one epoch at a time, as Keras' fit asks for it: (first step, last step, an iterator over batches)."""

    def __init__(self, fit, inner):
        self._fit, self._inner = fit, inner
        self.num_batches = inner.num_batches

    def reset(self):
        pass

    @contextlib.contextmanager
    def catch_stop_iteration(self):
        yield

    def __iter__(self):
        fit, walk, training = self._fit, self._fit.walk, self._fit.training
        steps = self._inner.steps_per_execution
        self._inner.data_adapter.on_epoch_begin()
        if not walk.source.is_indexed and walk.handed == 0:
            walk.source.begin()
        while True:
            while walk.length is None or walk.handed < walk.length:
                left = steps if walk.length is None else min(steps, walk.length - walk.handed)
                begin = walk.steps_done + walk.handed
                batches = walk.give(training.contract.slot, left)
                first = next(batches, None) if walk.length is None else _LATER
                if first is None:
                    break
                yield begin, begin + steps - 1, self._counted(batches, first)
            if not training.take_over(walk):
                break
        self.num_batches = self._inner._num_batches = self.num_batches or walk.handed
        self._inner.data_adapter.on_epoch_end()

    def _counted(self, batches, first):
        """The batches as tensors; how many samples of this rank are in the step is noted as it begins."""
        training = self._fit.training
        if first is not _LATER:
            training.begin_step(first[1])
            yield first[0]
        for data, count in batches:
            training.begin_step(count)
            yield tree.map_structure(lambda one: None if one is None else tf.convert_to_tensor(one), tree.lists_to_tuples(data))


_LATER = object()
