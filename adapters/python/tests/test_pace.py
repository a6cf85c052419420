"""`wire: auto` goes by what steps wait for."""

import pathlib
import sys
import unittest
import unittest.mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from openclaw import saying  # noqa: E402
from openclaw.mesh import WIRES  # noqa: E402
from openclaw.pace import BFLOAT16_STEPS, CALM_LOOKS, INT8_STEPS, Pace, WireChoice  # noqa: E402

FLOAT32, BFLOAT16, INT8 = WIRES["float32"], WIRES["bfloat16"], WIRES["int8"]
BUSY, CALM = [(0, 0, 0.100, 0.040, 1 << 20)] * 2, [(0, 0, 0.100, 0.001, 1 << 20)] * 2


def row(step_s, wait_s, sent=1 << 20):
    return 0, 0, step_s, wait_s, sent


def wished(wire, step, table):
    choice = WireChoice()
    choice.judge(wire, step, table)
    return choice.wish


class Choosing(unittest.TestCase):
    def test_compute_bound_steps_stay_in_float32(self):
        self.assertIsNone(wished(FLOAT32, 1000, [row(0.100, 0.004), row(0.100, 0.020)]))

    def test_steps_that_wait_for_bytes_are_shortened_in_two_goes(self):
        table = [row(0.100, 0.040), row(0.100, 0.060)]
        self.assertEqual(wished(FLOAT32, BFLOAT16_STEPS, table), BFLOAT16)
        self.assertEqual(wished(BFLOAT16, INT8_STEPS, table), INT8)
        # Half as long on the wire, they wait little enough.
        self.assertIsNone(wished(BFLOAT16, INT8_STEPS, [row(0.080, 0.010), row(0.080, 0.015)]))

    def test_who_waits_for_a_slow_rank_and_not_for_bytes_keeps_float32(self):
        # The slow one waits for nothing; the others wait for it.
        self.assertIsNone(wished(FLOAT32, 100, [row(0.100, 0.001), row(0.100, 0.070)]))

    def test_nothing_is_shortened_that_does_not_leave_the_host(self):
        self.assertIsNone(wished(FLOAT32, 100, [row(0.1, 0.09, sent=0)] * 2))

    def test_the_first_steps_say_nothing_yet(self):
        self.assertIsNone(wished(FLOAT32, BFLOAT16_STEPS - 1, [row(0.1, 0.09)] * 2))

    def test_where_steps_hardly_wait_any_more_longer_numbers_are_tried_again(self):
        choice = WireChoice()
        for look in range(CALM_LOOKS):
            self.assertIsNone(choice.wish, f"look {look}")
            choice.judge(INT8, 1000 + look, CALM)
        self.assertEqual(choice.wish, BFLOAT16)
        choice.changed(INT8, BFLOAT16)
        choice.judge(BFLOAT16, 2000, CALM)
        self.assertIsNone(choice.wish, "each format has its own while")

    def test_a_try_that_was_too_early_is_repeated_after_twice_the_while(self):
        choice, wire, tries = WireChoice(), BFLOAT16, []
        for look in range(20 * CALM_LOOKS):
            # The link is what it was: float32 waits, bfloat16 does not.
            choice.judge(wire, 1000 + look, BUSY if wire == FLOAT32 else CALM)
            if choice.wish is not None:
                if choice.wish == FLOAT32:
                    tries.append(look)
                choice.changed(wire, choice.wish)
                wire = choice.wish
        self.assertEqual([round((b - a) / CALM_LOOKS) for a, b in zip(tries, tries[1:])], [2, 4, 8])


class Mesh:
    def statistics(self):
        return type("Statistics", (), {"wire_bytes_sent": 0, "logical_bytes": 0})


class Worker:
    def __init__(self):
        self.said = []

    def send(self, kind, **values):
        self.said.append((kind, values))


class Number(float):
    """As a tensor on some device."""

    device = None

    def to(self, device):
        return self

    def __add__(self, other):
        return Number(float(self) + float(other))


class TellingTheLoss(unittest.TestCase):
    def test_it_is_the_mean_since_it_was_told_last_and_the_scripts_own_goes_before_it(self):
        pace = Pace(Mesh(), Worker())
        training = type("Training", (), {"step": 7, "leads": True})
        for now, losses in (100.0, (1.0, 2.0, 6.0)), (100.5, (8.0,)), (101.5, (10.0,)):
            for loss in losses:
                pace.saw_loss(Number(loss))
            pace._tell_loss(training, now)
        self.assertEqual([said["values"]["loss"] for _, said in pace._worker.said], [3.0, 9.0])
        with unittest.mock.patch.object(saying, "logged", {"loss"}):
            pace.saw_loss(Number(1.0))
            pace._tell_loss(training, 200.0)
        self.assertEqual(len(pace._worker.said), 2)


class Agreeing(unittest.TestCase):
    def ranks(self, count):
        return [Pace(Mesh(), Worker()) for _ in range(count)]

    def tick(self, ranks, wires, step, waits_s):
        rows = []
        for slot, pace in enumerate(ranks):
            pace.since_tick(step)
            pace._telling = 0.1, waits_s
            rows.append((0, pace.wire_wish(wires[slot], slot == 0), 0.1, waits_s, 1 << 20))
        return [pace.agreed_wire(wires[slot], step, rows) for slot, pace in enumerate(ranks)]

    def test_all_ranks_change_at_one_tick_and_say_what_they_measured_and_why(self):
        ranks = self.ranks(3)
        wires = self.tick(ranks, [FLOAT32] * 3, 10, 0.04)
        self.assertEqual(wires, [FLOAT32] * 3, "chosen, and not told yet")
        # One that came just now has seen nothing of that.
        ranks[2] = Pace(Mesh(), Worker())
        wires = self.tick(ranks, wires, 20, 0.04)
        self.assertEqual(wires, [BFLOAT16] * 3)
        kind, said = ranks[1]._worker.said[0]
        self.assertEqual((kind, said["step"], said["before"], said["format"]), ("wire", 20, "float32", "bfloat16"))
        self.assertAlmostEqual(said["wait_s"], 0.04)
        self.assertAlmostEqual(said["compute_s"], 0.06)
        self.assertIn("40 % of a step was waiting", said["why"])


if __name__ == "__main__":
    unittest.main()
