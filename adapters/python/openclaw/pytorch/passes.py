"""Passes: one walk over a DataLoader each. A pass knows how many batches it handed out, goes on where another life stopped, and
takes over at its end what ranks that died had not trained on."""

import copy
import itertools
import weakref

import torch
from torch.utils.data import DistributedSampler, IterableDataset, _utils

BATCH_SAMPLES_MIN = 2  # layers that normalise over a batch refuse one sample


class Lap:
    """A stretch of a pass in which every slot has its list of batches. The first lap is the sampler's own; later ones are takeovers."""

    def __init__(self, batches_of, gone):
        self.batches_of = batches_of
        self.handed = 0
        self.handed_at_boundary = 0
        self.absences = {slot: [[0, None]] for slot in gone}

    def left(self, slot, at):
        """From batch `at` on nobody hands out the slot's batches."""
        intervals = self.absences.setdefault(slot, [])
        if not intervals or intervals[-1][1] is not None:
            intervals.append([at, None])

    def came(self, slot):
        """A replacement goes on with the slot's batches where the others stand."""
        for interval in self.absences.get(slot, ()):
            if interval[1] is None:
                interval[1] = self.handed

    def orphans(self):
        """Samples that nobody was given, or whose gradients died with their rank."""
        return [sample for slot in sorted(self.absences) for begin, end in self.absences[slot]
                for batch in self.batches_of(slot)[begin:end] for sample in batch]

    def trained(self, slots):
        """The samples of this lap that were handed out, and counted, up to now."""
        for slot in slots:
            gaps = self.absences.get(slot, ())
            for number, batch in enumerate(self.batches_of(slot)[:self.handed_at_boundary]):
                if not any(begin <= number < (self.handed if end is None else end) for begin, end in gaps):
                    yield from batch


def dealt(samples, members, batch):
    """Deals samples to members in rounds of equal numbers of batches. -> ({slot: [batch, ...]}, samples repeated)"""
    hands = {slot: [] for slot in members}
    repeated = 0
    least = min(batch, BATCH_SAMPLES_MIN) * len(members)
    for start in range(0, len(samples), batch * len(members)):
        chunk = samples[start:start + batch * len(members)]
        if len(chunk) < least:
            padding = list(itertools.islice(itertools.cycle(samples), least - len(chunk)))
            repeated += len(padding)
            chunk = chunk + padding
        for place, slot in enumerate(members):
            hands[slot].append(chunk[place::len(members)])
    return hands, repeated


class Skipping:
    """The batches of a sampler without the first ones."""

    def __init__(self, sampler, skip):
        self._sampler, self._skip = sampler, skip

    def __iter__(self):
        return itertools.islice(iter(self._sampler), self._skip, None)

    def __len__(self):
        return max(0, len(self._sampler) - self._skip)


class Pass:
    """What `iter(loader)` gives under OpenClaw."""

    def __init__(self, training, loader, begin):
        self._training = training
        self._begin = begin  # the loader's own __iter__
        self.loader = loader
        self.sampler = shared_sampler(loader)
        self.serial, self.number = training.next_pass(self.sampler is not None)
        if getattr(self.sampler, "openclaw_counts_epochs", False):
            self.sampler.set_epoch(self.number)
        self._epoch = getattr(self.sampler, "epoch", 0)
        self.lap = Lap(self._sampled, training.gone)
        self.laps_done = 0  # batches handed out in laps before this one
        self.is_takeover = False
        self._iterator = None
        self._random_at_start = None
        training.passes.append(weakref.ref(self))
        if self.number is not None:
            training.pass_begins(self)

    def __iter__(self):
        return self

    def __len__(self):
        return len(self.loader)

    @property
    def handed(self):
        return self.laps_done + self.lap.handed

    def __next__(self):
        training = self._training
        training.hear()
        batch = self._ghostly() if training.is_ghost else self._really()
        self.lap.handed += 1
        training.count(batch)
        return batch

    # -- as a ghost

    def _ghostly(self):
        if isinstance(self.loader.dataset, IterableDataset):
            self._iterator = self._iterator or self._begin(self.loader)
            return next(self._iterator)
        nominal = len(self.loader)
        extra = self._training.extra_batches.get(self.number, 0) if self.number is not None else 0
        self._training.in_takeover = self.lap.handed >= nominal
        if self.lap.handed >= nominal + extra:
            self._training.in_takeover = False
            raise StopIteration
        return self._training.ghost.batch(self.loader)

    def go_on(self, saved, random_at_start):
        """From here on real batches come, the first of them after those that were handed out."""
        if saved is not None:
            self.lap.absences = {slot: [list(one) for one in gaps] for slot, gaps in saved["absences"].items()}
        self._random_at_start = random_at_start
        self.lap.handed_at_boundary = self.lap.handed
        self._open()

    # -- for real

    def _really(self):
        if not self.is_takeover:
            if self._iterator is None:
                self._open()
            try:
                return next(self._iterator)
            except StopIteration:
                if self.number is None:
                    raise
        return self._taken_over()

    def _open(self):
        """Begins the loader's own walk after the batches handed out already."""
        loader, skip = self.loader, self.lap.handed
        now = torch.get_rng_state()
        if self._random_at_start is not None:
            torch.set_rng_state(self._random_at_start)
        self._random_at_start = torch.get_rng_state()
        if skip == 0 or isinstance(loader.dataset, IterableDataset):
            self._iterator = self._begin(loader)
            for _ in range(skip):
                next(self._iterator)
        else:
            name = "batch_sampler" if loader._auto_collation else "sampler"
            sampler = loader.__dict__[name]
            loader.__dict__[name] = Skipping(sampler, skip)
            try:
                self._iterator = self._begin(loader)
                self._iterator._index_sampler = sampler  # workers that persist take the whole of it next time
            finally:
                loader.__dict__[name] = sampler
            torch.set_rng_state(now)

    def _taken_over(self):
        training = self._training
        while True:
            batches = self.lap.batches_of(training.contract.slot) if self.is_takeover else []
            if self.lap.handed < len(batches):
                return self._fetched(batches[self.lap.handed])
            if training.contract.world == 1 or training.exchange is None:
                break
            # All ranks stand here after their last step, so that they agree on who is missing.
            training.exchange.together(lambda mesh: None)
            orphans = self.lap.orphans()
            if not orphans:
                break
            self.deal(orphans)
        training.in_takeover = False
        if self.is_takeover:
            training.extra_batches[self.number] = self.handed - len(self.loader)
        raise StopIteration

    def deal(self, samples):
        """Begins a lap of these samples, split over those who are there."""
        training = self._training
        hands, repeated = dealt(samples, training.exchange.members, self.loader.batch_size or 1)
        training.count_samples(repeated=repeated)
        self.laps_done += self.lap.handed
        self.lap = Lap(lambda slot: hands.get(slot, []), ())
        self.is_takeover = training.in_takeover = True

    def _fetched(self, indices):
        loader = self.loader
        fetcher = _utils.fetch._MapDatasetFetcher(loader.dataset, True, loader.collate_fn, False)
        batch = fetcher.fetch(indices)
        return _utils.pin_memory.pin_memory(batch) if loader.pin_memory and torch.cuda.is_available() else batch

    def _sampled(self, slot):
        """The batches that the sampler deals to a slot in this pass."""
        sampler = copy.copy(self.sampler)
        sampler.rank, sampler.epoch = slot, self._epoch
        if not self.loader._auto_collation:
            return [[index] for index in sampler]
        batches = copy.copy(self.loader.batch_sampler)
        batches.sampler = sampler
        return [list(batch) for batch in batches]

    # -- what another life needs

    def described(self):
        return {"number": self.number, "handed": self.lap.handed, "absences": copy.deepcopy(self.lap.absences),
                "is_takeover": self.is_takeover, "epoch": self._epoch}

    def random_at_start(self):
        return self._random_at_start

    def remaining(self, saved, world):
        """All samples of this pass that a job of another world size had not trained on when it stopped."""
        sampler = copy.copy(self.sampler)
        sampler.num_replicas, sampler.epoch = world, saved["epoch"]
        total = len(sampler.dataset)
        sampler.num_samples = total // world if sampler.drop_last else -(-total // world)
        sampler.total_size = sampler.num_samples * world
        earlier = copy.copy(self)
        earlier.sampler, earlier._epoch = sampler, saved["epoch"]
        lap = Lap(earlier._sampled, ())
        lap.handed = lap.handed_at_boundary = saved["handed"]
        lap.absences = saved["absences"]
        trained = set(lap.trained(range(world)))
        everything = dict.fromkeys(itertools.chain.from_iterable(
            batch for slot in range(world) for batch in earlier._sampled(slot)))
        return [sample for sample in everything if sample not in trained]


def shared_sampler(loader):
    """The DistributedSampler that deals the loader's data to ranks, or None."""
    sampler = getattr(loader.batch_sampler, "sampler", None) if loader.batch_sampler is not None else loader.sampler
    return sampler if isinstance(sampler, DistributedSampler) else None
