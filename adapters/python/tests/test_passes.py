"""What a rank that died had not trained on is dealt to the others: nothing is lost, and what is repeated is counted."""

import collections
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

try:
    from openclaw.pytorch.passes import Lap, dealt
except ImportError as error:
    raise unittest.SkipTest(f"torch cannot be imported: {error}")

SEED = random.randrange(1 << 32)


class Dealing(unittest.TestCase):
    def test_every_sample_is_dealt_and_every_member_has_as_many_batches(self):
        draw = random.Random(SEED)
        for _ in range(500):
            samples = draw.sample(range(100_000), draw.randrange(1, 300))
            members = sorted(draw.sample(range(8), draw.randrange(1, 6)))
            batch = draw.randrange(1, 40)
            hands, repeated = dealt(samples, members, batch)
            given = collections.Counter(one for hand in hands.values() for one_batch in hand for one in one_batch)
            self.assertEqual(set(given), set(samples), f"seed {SEED}")
            self.assertEqual(sum(given.values()) - len(samples), repeated, f"seed {SEED}")
            self.assertEqual(len({len(hand) for hand in hands.values()}), 1, f"seed {SEED}")
            sizes = [len(one_batch) for hand in hands.values() for one_batch in hand]
            self.assertLessEqual(max(sizes), max(batch, 1), f"seed {SEED}")
            self.assertGreaterEqual(min(sizes), min(2, batch), f"seed {SEED}")

    def test_orphans_are_exactly_what_was_not_trained_on_while_slots_came_and_went(self):
        draw = random.Random(SEED)
        for _ in range(300):
            world, batches = draw.randrange(2, 5), draw.randrange(1, 20)
            deal = {slot: [[(slot, number, place) for place in range(3)] for number in range(batches)] for slot in range(world)}
            lap = Lap(lambda slot: deal[slot], ())
            gone, trained = set(), []
            for number in range(batches):
                lap.handed += 1
                died = {slot for slot in range(1, world) if slot not in gone and draw.random() < 0.2}
                for slot in died:  # within the step: what it was handed for this step is lost with it
                    lap.left(slot, lap.handed_at_boundary)
                gone |= died
                trained += [one for slot in range(world) if slot not in gone for one in deal[slot][number]]
                lap.handed_at_boundary = lap.handed
                for slot in [slot for slot in gone if draw.random() < 0.3]:
                    gone.discard(slot)
                    lap.came(slot)
            everything = collections.Counter(one for hand in deal.values() for batch in hand for one in batch)
            self.assertEqual(collections.Counter(trained) + collections.Counter(lap.orphans()), everything, f"seed {SEED}")


if __name__ == "__main__":
    unittest.main()
