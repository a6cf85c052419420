"""Every sample of an epoch is trained on once, whoever dies when: all survivors take over the same samples."""

import collections
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402

from openclaw.tensorflow.shares import of_rows  # noqa: E402
from openclaw.tensorflow.walk import Walk  # noqa: E402

SEED = random.randrange(1 << 32)


class Numbers:
    """A data set whose samples are their numbers."""

    is_indexed = True

    def __init__(self, samples, batch_size, is_shuffled):
        self.samples, self.batch_size, self.is_shuffled = samples, batch_size, is_shuffled
        self.batches = -(-samples // batch_size)

    def rows(self, samples):
        return samples

    def wind(self, epoch, handed):
        pass


class Ranks:
    """As many walks as there are ranks; deaths are noticed by some in the step, by others a step later, as in an exchange."""

    def __init__(self, draw, world, source):
        self.draw, self.source = draw, source
        self.walks = {slot: Walk(source, None, 5) for slot in range(world)}
        self.trained = collections.Counter()
        self.late = {}  # by survivor: slots whose death it has not noticed yet
        for walk in self.walks.values():
            walk.begin_epoch(3)
            walk.deal(range(world))

    def step(self, death_at):
        """One step of all; one of them may die in it."""
        given = {slot: next(walk.give(slot, 1))[0] for slot, walk in self.walks.items()}
        for slot, dead in list(self.late.items()):  # noticed now, in a step that is done again among the survivors
            self.walks[slot].left(dead, self.walks[slot].handed - 1)
            del self.late[slot]
        if self.draw.random() >= death_at or len(self.walks) < 2:
            return self._count(given)
        dead = self.draw.choice(sorted(self.walks))
        is_committed = self.draw.random() < 0.5
        walk = self.walks.pop(dead)
        if not is_committed:
            del given[dead]
            for one in self.walks.values():
                one.left(dead, walk.handed - 1)
        else:
            for slot, one in self.walks.items():
                if self.draw.random() < 0.5:
                    self.late[slot] = dead  # this one had all it needed before the death
                else:
                    one.left(dead, one.handed)
        self._count(given)

    def _count(self, given):
        for samples in given.values():
            self.trained.update(samples.tolist())

    def agree(self):
        for slot, dead in self.late.items():
            self.walks[slot].left(dead, self.walks[slot].handed)
        self.late = {}
        for walk in self.walks.values():
            walk.deal(self.walks)

    def come(self, slot):
        """A replacement takes its state from a peer at a boundary, where all agree."""
        peer = next(iter(self.walks.values()))
        walk = Walk(self.source, None, 0)
        walk.go_on(peer.described())
        self.walks[slot] = walk
        self.agree()


class Walking(unittest.TestCase):
    def test_every_sample_is_trained_on_once_whoever_dies_when(self):
        draw = random.Random(SEED)
        for _ in range(300):
            world, batch = draw.randrange(2, 5), draw.choice([8, 12, 20])
            source = Numbers(batch * draw.randrange(1, 12), batch, draw.random() < 0.5)
            ranks = Ranks(draw, world, source)
            repeated = 0
            while True:
                first = next(iter(ranks.walks.values()))
                while first.handed < first.length:
                    ranks.step(0.2)
                    first = next(iter(ranks.walks.values()))
                    if not ranks.late and draw.random() < 0.4:
                        ranks.agree()
                        missing = set(range(world)) - set(ranks.walks)
                        if missing and draw.random() < 0.5:
                            ranks.come(draw.choice(sorted(missing)))
                ranks.agree()
                goes_on = {walk.take_over() for walk in ranks.walks.values()}
                self.assertEqual(len(goes_on), 1, f"seed {SEED}")
                repeated = first.repeated
                if not goes_on.pop():
                    break
            self.assertEqual(set(ranks.trained), set(range(source.samples)), f"seed {SEED}: samples were lost")
            twice = sum(ranks.trained.values()) - source.samples
            self.assertEqual(twice, repeated, f"seed {SEED}")

    def test_an_epoch_is_shuffled_alike_on_all_ranks_and_anew_each_time(self):
        orders = []
        for epoch in (0, 1):
            hands = []
            for slot in range(3):
                walk = Walk(Numbers(30, 10, True), None, 9)
                walk.begin_epoch(epoch)
                walk.deal(range(3))
                hands.append(np.concatenate([samples for samples, _ in walk.give(slot, 3)]))
            self.assertEqual(sorted(np.concatenate(hands).tolist()), list(range(30)))
            orders.append(np.concatenate(hands).tolist())
        self.assertNotEqual(orders[0], orders[1])

    def test_with_steps_per_epoch_the_walk_goes_on_where_the_epoch_before_stopped(self):
        walk = Walk(Numbers(40, 10, False), 3, 0)
        walk.deal([0])
        seen = []
        for epoch in range(2):
            walk.begin_epoch(epoch)
            seen += [samples.tolist() for samples, _ in walk.give(0, 3)]
        self.assertEqual([one[0] for one in seen], [0, 10, 20, 30, 0, 10])

    def test_a_batch_smaller_than_the_members_leaves_nobody_without_a_sample(self):
        self.assertEqual([len(one) for one in of_rows(2, 3)], [1, 1, 1])
        self.assertEqual([len(one) for one in of_rows(7, 3)], [3, 2, 2])


if __name__ == "__main__":
    unittest.main()
