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

    def __init__(self, batches_of, gone, samples=None):
        self.batches_of = batches_of
        self.samples = samples  # what was dealt anew among the slots; None where the sampler dealt
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
    chunks = [samples[start:start + batch * len(members)] for start in range(0, len(samples), batch * len(members))]
    if len(chunks) > 1 and len(chunks[-1]) < least and len(chunks[-2]) + len(chunks[-1]) >= 2 * least:
        # Two rounds of about half the size rather than one with samples that are trained on twice.
        both = chunks[-2] + chunks[-1]
        chunks[-2:] = both[:len(both) // 2], both[len(both) // 2:]
    for chunk in chunks:
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
        if self.sampler is not None:
            training.rescaling.fit(self.sampler)
        self.serial, self.number = training.next_pass(self.sampler is not None)
        if getattr(self.sampler, "openclaw_counts_epochs", False):
            self.sampler.set_epoch(self.number)
        self._epoch = getattr(self.sampler, "epoch", 0)
        self.lap = Lap(self._sampled, training.gone)
        self.laps_done = 0  # batches handed out in laps before this one
        self.is_takeover = False
        self.is_over = False
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
        if training.rescaling.is_leaving:
            training.rescaling.leave()
        try:
            batch = self._ghostly() if training.is_ghost else self._really()
        except StopIteration:
            self.is_over = True
            raise
        self.lap.handed += 1
        training.count(batch)
        return batch

    # -- as a ghost

    def _ghostly(self):
        if isinstance(self.loader.dataset, IterableDataset):
            self._iterator = self._iterator or self._begin(self.loader)
            return next(self._iterator)
        nominal = len(self.loader)
        self._training.in_takeover = self.lap.handed >= nominal
        if self.lap.handed >= self._length_followed(nominal):
            self._training.in_takeover = False
            raise StopIteration
        return self._training.ghost.batch(self.loader)

    def _length_followed(self, nominal):
        """Batches that those who are followed walk in this pass, which other numbers of ranks and takeovers make differ."""
        training = self._training
        if self.number is None:
            return nominal
        length = training.lengths.get(self.number)
        if length is None or self.lap.handed >= length:
            training.restoring.look_at(self.number)
            length = training.lengths.get(self.number, nominal)
        return length

    def go_on(self, saved, random_at_start):
        """From here on real batches come, the first of them after those that were handed out."""
        if saved is not None:
            self.laps_done, self.lap = saved["done"], self._lap_of(saved)
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
        """Begins the loader's own walk after the batches handed out already, over what was dealt to this rank."""
        loader, skip = self.loader, self.lap.handed
        is_dealt = self.lap.samples is not None
        now = torch.get_rng_state()
        if self._random_at_start is not None:
            torch.set_rng_state(self._random_at_start)
        self._random_at_start = torch.get_rng_state()
        if not is_dealt and skip == 0 or isinstance(loader.dataset, IterableDataset):
            self._iterator = self._begin(loader)
            for _ in range(skip):
                next(self._iterator)
        else:
            name = "batch_sampler" if loader._auto_collation else "sampler"
            sampler = loader.__dict__[name]
            rest = Skipping(self.lap.batches_of(self._training.contract.slot) if is_dealt else sampler, skip)
            loader.__dict__[name] = rest
            if getattr(loader, "_iterator", None) is not None:  # kept with its workers, it is begun anew
                loader._iterator._index_sampler = rest
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
            if training.world == 1 or training.exchange is None:
                break
            # All ranks stand here after their last step, so that they agree on who is missing.
            training.exchange.together(lambda mesh: None)
            orphans = self.lap.orphans()
            if not orphans:
                break
            self.deal(orphans)
        training.in_takeover = False
        training.lengths[self.number] = self.handed
        raise StopIteration

    def deal_anew(self, samples):
        """The rest of this pass: a lap of these samples over all slots that there are now. The part of one that is gone is taken
        over at the end, or by its replacement."""
        training = self._training
        hands, repeated = dealt(samples, range(training.world), self.loader.batch_size or 1)
        training.count_samples(repeated=repeated)
        self.laps_done += self.lap.handed
        self.lap = Lap(lambda slot: hands.get(slot, []), training.gone, samples)
        self._iterator = self._random_at_start = None

    def deal(self, samples):
        """Begins a lap of these samples, split over those who are there."""
        training = self._training
        hands, repeated = dealt(samples, training.exchange.members, self.loader.batch_size or 1)
        training.count_samples(repeated=repeated)
        self.laps_done += self.lap.handed
        self.lap = Lap(lambda slot: hands.get(slot, []), (), samples)
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
        return {"number": self.number, "done": self.laps_done, "handed": self.lap.handed,
                "absences": copy.deepcopy(self.lap.absences), "is_takeover": self.is_takeover, "epoch": self._epoch,
                "world": self._training.world, "dealt": self.lap.samples}

    @property
    def length(self):
        """Batches of this pass, as far as is known."""
        if self.lap.samples is None:
            return len(self.loader)
        return self.laps_done + len(self.lap.batches_of(self._training.contract.slot))

    def random_at_start(self):
        return self._random_at_start

    def _lap_of(self, saved):
        """The lap that `described` told of: over as many slots as there were then."""
        world = saved["world"]
        if saved["dealt"] is not None:
            hands, _ = dealt(saved["dealt"], range(world), self.loader.batch_size or 1)
            lap = Lap(lambda slot: hands.get(slot, []), (), saved["dealt"])
        else:
            earlier = copy.copy(self)
            earlier.sampler, earlier._epoch = copy.copy(self.sampler), saved["epoch"]
            split(earlier.sampler, world, earlier.sampler.rank)
            lap = Lap(earlier._sampled, ())
        lap.handed = lap.handed_at_boundary = saved["handed"]
        lap.absences = {slot: [list(one) for one in gaps] for slot, gaps in saved["absences"].items()}
        return lap

    def remaining(self, saved):
        """All samples of this pass that the job had not trained on where `saved` describes it."""
        lap, slots = self._lap_of(saved), range(saved["world"])
        trained = set(lap.trained(slots))
        everything = dict.fromkeys(itertools.chain.from_iterable(
            batch for slot in slots for batch in lap.batches_of(slot)))
        return [sample for sample in everything if sample not in trained]


def split(sampler, world, rank):
    """A DistributedSampler deals to another number of ranks from now on."""
    total = len(sampler.dataset)
    sampler.num_replicas, sampler.rank = world, rank
    sampler.num_samples = total // world if sampler.drop_last else -(-total // world)
    sampler.total_size = sampler.num_samples * world


def shared_sampler(loader):
    """The DistributedSampler that deals the loader's data to ranks, or None."""
    sampler = getattr(loader.batch_sampler, "sampler", None) if loader.batch_sampler is not None else loader.sampler
    return sampler if isinstance(sampler, DistributedSampler) else None
