"""The exchange by itself: whatever the ranks do when one of them dies, its place in the data is known."""

import pathlib
import sys
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from openclaw import exchange as exchanging
from openclaw.exchange import Exchange, ExchangeFailed
from openclaw.membership import Membership
from openclaw.mesh import STALE_EPOCH, MeshBroken

TIMED_OUT = 6


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


class RefusingMesh(BreakingMesh):
    """A mesh that cannot be connected, for these reasons one after the other; then it can."""

    def __init__(self, *codes):
        super().__init__()
        self.breaks, self.codes, self.tried = 0, list(codes), []

    def configure(self, epoch, members, timeout_s):
        self.tried.append(epoch)
        self.members = ()
        if self.codes:
            raise MeshBroken("not yet", self.codes.pop(0))
        super().configure(epoch, members, timeout_s)


class TellingWorker(LoneWorker):
    """A Worker that knows these memberships; each is told when it is waited for once more."""

    def __init__(self, *memberships):
        super().__init__()
        self.memberships = list(memberships)

    def wait_for_membership(self, suits, timeout_s):
        if not suits(self.memberships[0]) and len(self.memberships) > 1:
            del self.memberships[0]
        return self.memberships[0] if suits(self.memberships[0]) else None


def membership(epoch, state="live"):
    return Membership.of_message({"epoch": epoch, "world": 2, "members": [
        {"slot": 0, "address": "127.0.0.1:1", "state": state}, {"slot": 1, "address": "127.0.0.1:2", "state": "live"}]})


def exchange_of(mesh, worker, timeout_s=5):
    return Exchange(mesh, worker, types.SimpleNamespace(slot=0, membership_timeout_s=timeout_s), lambda *_: None)


class Exchanging(unittest.TestCase):
    def setUp(self):
        self.addCleanup(setattr, exchanging, "RETRY_S", exchanging.RETRY_S)
        exchanging.RETRY_S = 0.001

    def test_others_that_are_long_in_coming_are_waited_for_under_the_same_membership(self):
        mesh = RefusingMesh(TIMED_OUT, TIMED_OUT, TIMED_OUT)
        exchange = exchange_of(mesh, TellingWorker(membership(1)), timeout_s=0.001)
        exchange.form()
        self.assertEqual(mesh.tried, [2, 2, 2, 2])
        self.assertEqual(exchange.members, (0, 1))

    def test_an_epoch_that_is_over_is_not_tried_again(self):
        mesh = RefusingMesh(STALE_EPOCH)
        exchange = exchange_of(mesh, TellingWorker(membership(1), membership(2)))
        exchange.form()
        self.assertEqual(mesh.tried, [2, 4])
        mesh = RefusingMesh(STALE_EPOCH, STALE_EPOCH)
        with self.assertRaises(ExchangeFailed):
            exchange_of(mesh, TellingWorker(membership(1)), timeout_s=0.01).form()
        self.assertEqual(mesh.tried, [2])

    def test_a_replacement_that_was_not_let_in_gives_its_place_up_where_nothing_new_comes(self):
        mesh = RefusingMesh(TIMED_OUT)
        exchange = exchange_of(mesh, TellingWorker(membership(3, state="joining")), timeout_s=0.01)
        with self.assertRaises(ExchangeFailed):
            exchange.join("127.0.0.1:1", lambda: False)
        mesh = RefusingMesh(TIMED_OUT)
        exchange = exchange_of(mesh, TellingWorker(membership(3, state="joining"), membership(4, state="joining")))
        self.assertEqual(set(exchange.join("127.0.0.1:1", lambda: False)), {0, 1})
        self.assertEqual(mesh.tried, [7, 9])

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
