"""Walk: where one `model.fit` is in its data. Every rank knows the whole of it, and takes its share of each batch.

`batch_size` stays that of the whole job, as with TensorFlow's own strategies: a batch is split over the members who are there.
Members change only where all ranks agree on it; what a member that died in between had not trained on is dealt to all again
before the epoch ends.
"""

import numpy as np

from .shares import of_rows


class Walk:
    """Numbers of samples are positions in the data set; a lap is a list of batches. The first lap of an epoch is the epoch itself,
    later ones are takeovers."""

    def __init__(self, source, steps_per_epoch, seed):
        self.source = source
        self.seed = seed
        self.epoch = 0
        self.handed = 0  # batches of the lap that were given out
        self.steps_done = 0  # batches of the epoch's earlier laps
        self.members = ()  # who the batches are dealt to
        self.lap = None  # the samples of a takeover; None in the epoch's own lap
        self.repeated = self.lost = 0
        self._steps_per_epoch = steps_per_epoch
        self._left = {}  # by slot: the batch from which on it did not train
        self._orphans = []
        self._order = (None, None)

    @property
    def length(self):
        """Batches of this lap; None where only the data's end will tell."""
        if self.lap is not None:
            return -(-len(self.lap) // self.source.batch_size)
        return self._steps_per_epoch or self.source.batches

    def begin_epoch(self, epoch):
        self.epoch, self.handed, self.steps_done, self.lap = epoch, 0, 0, None
        self._left, self._orphans = {}, []

    # -- members

    def left(self, slot, at):
        """From batch `at` of this lap on the slot has not trained on its share."""
        self._left.setdefault(slot, at)

    def deal(self, members):
        """From here on these share the batches. What the others left is kept for the end of the epoch."""
        for slot, at in sorted(self._left.items()):
            if slot in self.members:
                self._orphans += [self.share(number, slot) for number in range(at, self.handed)]
        self._left = {}
        self.members = tuple(sorted(members))

    def take_over(self):
        """Begins a lap of what was left. False where nothing was."""
        orphans, self._orphans = self._orphans, []
        if not self.source.is_indexed:
            self.lost += sum(orphans)
            return False
        samples = np.concatenate(orphans) if orphans else np.zeros(0, np.int64)
        if not len(samples):
            return False
        self.steps_done += self.handed
        self.lap, self.handed = samples, 0
        return True

    # -- batches

    def share(self, number, slot):
        """What a slot trains on of a batch: samples' numbers; where the data cannot be asked for by number, how many."""
        if not self.source.is_indexed:
            rows = of_rows(self.source.batch_size or len(self.members), len(self.members))
            return len(rows[self.members.index(slot)])
        samples = self._samples(number)
        return samples[of_rows(len(samples), len(self.members))[self.members.index(slot)]]

    def give(self, slot, count):
        """The slot's shares of the next `count` batches, one by one: (data, samples in it)"""
        for _ in range(count):
            number = self.handed
            if self.source.is_indexed:
                samples = self.share(number, slot)
                self.handed += 1
                if self.lap is not None:
                    self.repeated += max(0, len(self.members) - len(self._samples(number)))
                yield self.source.rows(samples), len(samples)
            else:
                batch = self.source.next()
                rows = of_rows(self.source.height(batch), len(self.members))[self.members.index(slot)]
                self.handed += 1
                yield self.source.cut(batch, rows), len(rows)

    def _samples(self, number):
        size = self.source.batch_size
        if self.lap is not None:
            return self.lap[number * size:(number + 1) * size]
        # With steps_per_epoch an epoch of the training is not one of the data.
        round_, at = divmod(self.epoch * self.length + number, self.source.batches)
        return self._ordered(round_)[at * size:(at + 1) * size]

    def _ordered(self, round_):
        if self._order[0] != round_:
            order = np.arange(self.source.samples)
            if self.source.is_shuffled:
                np.random.default_rng([self.seed, round_]).shuffle(order)
            self._order = (round_, order)
        return self._order[1]

    # -- what another life needs

    def described(self):
        """Taken where everybody agrees on the members."""
        return {"seed": self.seed, "epoch": self.epoch, "handed": self.handed, "steps_done": self.steps_done, "lap": self.lap,
                "orphans": list(self._orphans), "members": self.members, "left": dict(self._left),
                "counted": (self.repeated, self.lost)}

    def go_on(self, saved):
        self.seed, self.epoch = saved["seed"], saved["epoch"]
        self.handed, self.steps_done, self.lap = saved["handed"], saved["steps_done"], saved["lap"]
        self.members, self._left, self._orphans = saved["members"], dict(saved["left"]), list(saved["orphans"])
        self.repeated, self.lost = saved["counted"]
        self.source.wind(self.epoch, self.handed)
