"""`wire: auto` goes by what steps wait for."""

import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from openclaw.mesh import WIRES  # noqa: E402
from openclaw.pace import BFLOAT16_STEPS, INT8_STEPS, chosen_wire  # noqa: E402


def row(step_s, wait_s, sent=1 << 20):
    return 0, 0, step_s, wait_s, sent


class Choosing(unittest.TestCase):
    def test_compute_bound_steps_stay_in_float32(self):
        table = [row(0.100, 0.004), row(0.100, 0.020)]
        self.assertEqual(chosen_wire(WIRES["float32"], 1000, table), WIRES["float32"])

    def test_steps_that_wait_for_bytes_are_shortened_in_two_goes(self):
        table = [row(0.100, 0.040), row(0.100, 0.060)]
        wire = chosen_wire(WIRES["float32"], BFLOAT16_STEPS, table)
        self.assertEqual(wire, WIRES["bfloat16"])
        self.assertEqual(chosen_wire(wire, INT8_STEPS, table), WIRES["int8"])
        # Half as long on the wire, they wait little enough.
        self.assertEqual(chosen_wire(wire, INT8_STEPS, [row(0.080, 0.010), row(0.080, 0.015)]), WIRES["bfloat16"])

    def test_who_waits_for_a_slow_rank_and_not_for_bytes_keeps_float32(self):
        # The slow one waits for nothing; the others wait for it.
        self.assertEqual(chosen_wire(WIRES["float32"], 100, [row(0.100, 0.001), row(0.100, 0.070)]), WIRES["float32"])

    def test_nothing_is_shortened_that_does_not_leave_the_host(self):
        self.assertEqual(chosen_wire(WIRES["float32"], 100, [row(0.1, 0.09, sent=0)] * 2), WIRES["float32"])

    def test_the_first_steps_say_nothing_yet(self):
        self.assertEqual(chosen_wire(WIRES["float32"], BFLOAT16_STEPS - 1, [row(0.1, 0.09)] * 2), WIRES["float32"])


if __name__ == "__main__":
    unittest.main()
