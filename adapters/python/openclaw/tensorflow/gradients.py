"""Gradients: where the adapter steps into Keras' optimizers. Whatever an optimizer is to apply is averaged over the ranks first,
weighted by the samples that each of them has in it. One numpy function of the graph does that, so that it is part of `tf.function`s
as well as of eager loops."""

import contextlib
import functools
import importlib
import time

import numpy as np

from .. import mesh as wires
from ..exchange import Unit
from . import job

_is_inside = False


def install(_):
    """Steps in. Called right after the base of Keras' optimizers was imported."""
    _wrap(importlib.import_module("keras.src.optimizers.base_optimizer").BaseOptimizer)


def _wrap(kind):
    apply = kind.apply

    @functools.wraps(apply)
    def averaged_apply(self, grads, trainable_variables=None):
        # A LossScaleOptimizer looks whether gradients are finite, and then calls another: both must see the average.
        training = None if _is_inside else job.carrying()
        grads = list(grads)
        if training is None or not grads:
            return apply(self, grads, trainable_variables)
        if trainable_variables is None:
            variables = self._trainable_variables
        else:
            variables = trainable_variables = list(trainable_variables)
        training.meet(self, variables)
        with _inside():
            return apply(self, averaged(training, self, grads, variables), trainable_variables)

    kind.apply = averaged_apply


def install_scaling(_):
    """The same for the optimizer that scales losses: its `apply` is its own."""
    _wrap(importlib.import_module("keras.src.optimizers.loss_scale_optimizer").LossScaleOptimizer)


@contextlib.contextmanager
def _inside():
    global _is_inside
    before, _is_inside = _is_inside, True
    try:
        yield
    finally:
        _is_inside = before


def averaged(training, optimizer, grads, variables):
    """The gradients, averaged over the ranks; what layers keep of their inputs (moving means) is averaged on the way."""
    import tensorflow as tf

    there = [at for at, one in enumerate(grads) if one is not None]
    dense = [tf.convert_to_tensor(grads[at]) for at in there]
    kind = tf.float64 if all(one.dtype == tf.float64 for one in dense) else tf.float32
    shapes = [tuple(variables[at].shape) for at in there]
    flat = tf.concat([tf.reshape(tf.cast(one, kind), [-1]) for one in dense], 0)
    kept = training.moving_of(optimizer)
    moving = tf.concat([tf.reshape(tf.cast(one, tf.float32), [-1]) for one in kept], 0) if kept else tf.zeros([0], tf.float32)
    reduce = functools.partial(training.reduce, training.number_of(optimizer))
    flat, moving = tf.numpy_function(reduce, [flat, moving], [kind, tf.float32])
    for variable, value in zip(kept, _split(tf, moving, [tuple(one.shape) for one in kept])):
        variable.assign(tf.cast(value, variable.dtype))
    result = list(grads)
    for at, one, value in zip(there, dense, _split(tf, flat, shapes)):
        result[at] = tf.cast(value, one.dtype)
    return result


def _split(tf, flat, shapes):
    sizes = [int(np.prod(shape)) for shape in shapes]
    flat.set_shape([sum(sizes)])
    return [tf.reshape(part, shape) for part, shape in zip(tf.split(flat, sizes), shapes)] if sizes else []


class StepUnit(Unit):
    """The gradients of one step. The inputs stay as they are, so that it can be done again."""

    is_step = True

    def __init__(self, place, flat, moving, samples, wants_stop, wire, bucket):
        super().__init__(place=place)
        self._flat, self._moving, self._samples, self._wants_stop = flat, moving, samples, wants_stop
        self._wire, self._bucket = wire, bucket
        self.average = self.moving = None
        self.total = 0  # samples in the average
        self.is_stop_wanted = False
        self.communication_s = 0.0
        self.closed_at = time.monotonic()
        self.settled_at = None

    def attempt(self, mesh):
        started = time.monotonic()
        counts = np.array([self._samples, self._wants_stop, 1], np.float32)
        shared = np.concatenate([counts, self._moving])
        mesh.all_reduce(shared.ctypes.data, shared.size, wires.FLOAT32, wires.SUM)
        summed = self._flat * self._flat.dtype.type(self._samples)
        kind = wires.FLOAT64 if summed.dtype == np.float64 else wires.FLOAT32
        mesh.all_reduce(summed.ctypes.data, summed.size, kind, wires.SUM, self._wire, self._bucket)
        total, stops, ranks = (float(one) for one in shared[:3])
        summed /= summed.dtype.type(total)
        self.average, self.moving = summed, shared[3:] / np.float32(ranks)
        self.total, self.is_stop_wanted = round(total), stops > 0
        self.communication_s = time.monotonic() - started

    def settle(self, error):
        self.settled_at = time.monotonic()
        super().settle(error)
