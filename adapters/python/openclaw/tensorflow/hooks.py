"""Hooks: the callbacks that stand before and after the script's own in a fit."""

import time

import keras

LOG_EVERY_S = 0.5


class First(keras.callbacks.Callback):
    """Before the script's callbacks: they see what all ranks saw."""

    def __init__(self, fit):
        super().__init__()
        self._fit = fit

    def on_train_begin(self, logs=None):
        self._fit.begin()

    def on_epoch_begin(self, epoch, logs=None):
        self._fit.put_back_history()
        self._fit.training.begin_epoch(self._fit, epoch)

    def on_train_batch_end(self, batch, logs=None):
        """Not done at once by another thread: a boundary is one for the thread that trains."""

    def on_epoch_end(self, epoch, logs=None):
        # Callbacks that decide by these (early stopping, the best model) then decide alike on all ranks.
        if logs:
            logs.update(self._fit.training.mean(logs))


class Last(keras.callbacks.Callback):
    """After the script's callbacks: the step is over for all of them."""

    def __init__(self, fit):
        super().__init__()
        self._fit = fit
        self._logged_at = 0.0

    def on_train_batch_end(self, batch, logs=None):
        fit = self._fit
        # One rank may not leave alone: its wish goes with the next step's gradients, and all stop after that.
        if self.model.stop_training:
            fit.wants_stop, self.model.stop_training = True, False
        if fit.training.is_stop_agreed:
            self.model.stop_training = True
        if logs and time.monotonic() - self._logged_at >= LOG_EVERY_S:
            self._logged_at = time.monotonic()
            fit.training.log(logs)
        fit.training.boundary()

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = self._fit.training.agree_to_stop(self._fit.wants_stop or self.model.stop_training)
        if logs:
            self._fit.training.log(logs)
