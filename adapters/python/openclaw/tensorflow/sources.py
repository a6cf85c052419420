"""Sources: the data that `model.fit` was given, by what can be asked of it."""

import tensorflow as tf
from keras.src import tree
from keras.src.trainers.data_adapters import ArrayDataAdapter, GeneratorDataAdapter, array_slicing


class Arrays:
    """Arrays and tensors: any sample can be had at any time."""

    is_indexed = True

    def __init__(self, adapter):
        self.batch_size = adapter._batch_size
        self.samples = adapter._num_samples
        self.batches = adapter.num_batches
        self.is_shuffled = bool(adapter._shuffle)
        self._inputs = array_slicing.convert_to_sliceable(adapter._inputs, target_backend="numpy")

    def rows(self, samples):
        return tree.map_structure(lambda one: one.convert_to_numpy(one[samples]) if one is not None else None, self._inputs)

    def wind(self, epoch, handed):
        """Nothing has to be done: the next batch is asked for by its number."""


class Stream:
    """Everything else: batches come one after the other, to all ranks in the same order, and each takes its rows of them."""

    is_indexed = False
    is_shuffled = False
    samples = 0

    def __init__(self, adapter, dataset, steps_per_epoch):
        self.batch_size = adapter.batch_size
        self.batches = adapter.num_batches
        self._dataset = dataset
        self._is_endless = bool(steps_per_epoch)  # its walk goes on from one epoch to the next
        self._steps_per_epoch = steps_per_epoch
        self._iterator = None

    def begin(self):
        if self._iterator is None or not self._is_endless:
            self._iterator = iter(self._dataset)

    def next(self):
        return next(self._iterator)

    def height(self, batch):
        return int(next(one for one in tree.flatten(batch) if one is not None).shape[0])

    def cut(self, batch, rows):
        return tree.map_structure(lambda one: None if one is None else tf.gather(one, rows), batch)

    def wind(self, epoch, handed):
        """Reads up to a place. A data set that shuffles anew in each walk does so once more for each that is begun."""
        skipped = handed
        if self._is_endless:
            skipped += epoch * self._steps_per_epoch
        else:
            for _ in range(epoch):
                iter(self._dataset)
        self._iterator = iter(self._dataset)
        for _ in range(skipped):
            next(self._iterator)


def of_adapter(adapter, dataset, steps_per_epoch):
    """-> (the source, why a rank's death cannot be hidden from it: a text, or an empty one)"""
    if isinstance(adapter, ArrayDataAdapter):
        try:
            return Arrays(adapter), ""
        except (TypeError, ValueError):
            pass  # arrays that cannot be sliced sample by sample
    why_not = "its data comes from a generator, which cannot be wound to a position" if isinstance(
        adapter, GeneratorDataAdapter) else ""
    return Stream(adapter, dataset, steps_per_epoch), why_not
