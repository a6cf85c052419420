"""The exchange by itself: whatever the ranks do when one of them dies, its place in the data is known."""

import pathlib
import sys
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from openclaw.exchange import Exchange
from openclaw.membership import Membership
from openclaw.mesh import MeshBroken


class BreakingMesh:
    """A mesh of two whose peer dies in the first barrier."""

    def __init__(self):
        self.members, self.breaks = (0, 1), 1

    def configure(self, epoch, members, timeout_s):
        self.members = tuple(one.slot for one in members)

    def all_gather(self, own):
        return {slot: own for slot in self.members}

    def barrier(self):
        if self.breaks:
            self.breaks -= 1
            raise MeshBroken("the peer died", 3, 1)

    def settle_residuals(self, keep):
        pass

    def abort(self, slot, why):
        pass

    def close(self):
        pass


class LoneWorker:
    """A Worker that knows of the death."""

    def __init__(self):
        self.waits = None
        self.said = []

    def on_death(self, hear):
        pass

    def wait_for_membership(self, suits, timeout_s):
        alone = Membership.of_message({"epoch": 2, "world": 2, "members": [
            {"slot": 0, "address": "127.0.0.1:1", "state": "live"}, {"slot": 1, "state": "gone"}]})
        return alone if suits(alone) else None

    def send(self, kind, **values):
        self.said.append((kind, values))


class Exchanging(unittest.TestCase):
    def test_a_death_between_steps_is_noted_where_the_loaders_stand(self):
        lost = []
        exchange = Exchange(
            BreakingMesh(), LoneWorker(), types.SimpleNamespace(slot=0, membership_timeout_s=5),
            lambda slots, unit, is_committed: lost.append((slots, unit.place, is_committed)))
        exchange._targets = {0: "127.0.0.1:1", 1: "127.0.0.1:2"}
        exchange.place = lambda: "after batch 25"
        self.assertEqual(exchange.gather(b"a checkpoint's size"), {0: b"a checkpoint's size"})
        self.assertEqual(lost, [((1,), "after batch 25", False)])
        exchange.close()


if __name__ == "__main__":
    unittest.main()
