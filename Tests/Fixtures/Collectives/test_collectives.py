"""The collectives as Python sees them: real processes, real deaths. Needs nothing but Python and the built library.

    OPENCLAW_COLLECTIVES=/path/to/libopenclaw_collectives.so python3 -m unittest test_collectives
"""

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

import collectives  # noqa: E402

# One rank: reads one command a line, answers one line.
RANK = """
import ctypes, json, os, sys, threading, time
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import collectives
slot = int(sys.argv[2])
group = collectives.Group(slot)
group.set_timeout(60)
def say(**what):
    # In one write: a forked child speaks on the same pipe.
    os.write(1, (json.dumps(what) + "\\n").encode())
say(address=group.address, host=collectives.host_id())
child = None
for line in sys.stdin:
    order = json.loads(line)
    began = time.monotonic()
    try:
        if order["do"] == "configure":
            group.configure(order["epoch"], order["members"], 60)
            say(ok=True)
        elif order["do"] == "reduce":
            # Over and over until it fails, so that a death comes in the midst of it.
            count = order["count"]
            values = (ctypes.c_float * count)()
            for step in range(order["steps"]):
                for i in range(0, count, max(1, count // 8)):
                    values[i] = slot + 1
                group.all_reduce((ctypes.addressof(values), count, collectives.FLOAT32))
            say(ok=True, first=values[0])
        elif order["do"] == "fork":
            child = os.fork()
            if child == 0:
                try:
                    group.barrier()
                except collectives.CollectiveError as error:
                    code = 0 if "forked child" in str(error) else 1
                    say(child=code)
                time.sleep(600)
            say(ok=True, pid=child)
        elif order["do"] == "close":
            group.close()
            say(ok=True)
            break
    except collectives.CollectiveError as error:
        say(error=type(error).__name__, slot=error.slot, epoch=error.epoch, text=str(error), at=time.monotonic(), began=began)
"""


class Ranks:
    """Some ranks in processes of their own."""

    def __init__(self, hosts):
        self.processes, self.members = [], []
        for slot, host in enumerate(hosts):
            self.start(slot, host)

    def start(self, slot, host):
        environment = dict(os.environ, OPENCLAW_HOST=host, OPENCLAW_JOB_SECRET="a secret of sixteen bytes and more")
        process = subprocess.Popen(
            [sys.executable, "-c", RANK, str(FOLDER), str(slot)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment)
        said = json.loads(process.stdout.readline())
        for gone in self.processes[slot:slot + 1]:
            self.end_one(gone)
        self.processes[slot:slot + 1] = [process]
        self.members[slot:slot + 1] = [[slot, said["address"], said["host"]]]

    def tell(self, slots, **order):
        for slot in slots:
            self.processes[slot].stdin.write(json.dumps(order) + "\n")
            self.processes[slot].stdin.flush()

    def hear(self, slots):
        return [json.loads(self.processes[slot].stdout.readline()) for slot in slots]

    def configure(self, epoch, slots):
        self.tell(slots, do="configure", epoch=epoch, members=[self.members[slot] for slot in slots])
        return self.hear(slots)

    def end(self):
        for process in self.processes:
            self.end_one(process)

    @staticmethod
    def end_one(process):
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


LAYOUTS = (["a", "a", "a", "a"], ["a", "b", "c", "d"], ["a", "a", "b", "b"])


class CollectivesTests(unittest.TestCase):
    def ranks(self, hosts):
        ranks = Ranks(hosts)
        self.addCleanup(ranks.end)
        return ranks

    def whole(self, ranks, slots, epoch):
        """Whether all join and get the right sum."""
        self.assertEqual(ranks.configure(epoch, slots), [{"ok": True}] * len(slots))
        ranks.tell(slots, do="reduce", count=1000, steps=3)
        for said in ranks.hear(slots):
            self.assertEqual(said, {"ok": True, "first": float(sum(slot + 1 for slot in slots))})

    def test_survivors_of_a_kill_in_the_midst_go_on_and_a_replacement_joins(self):
        for hosts in LAYOUTS:
            with self.subTest(hosts=hosts):
                ranks = self.ranks(hosts)
                slots = [0, 1, 2, 3]
                self.whole(ranks, slots, 1)
                ranks.tell(slots, do="reduce", count=2_000_000, steps=1_000_000)
                time.sleep(0.2)
                killed = time.monotonic()
                ranks.processes[3].send_signal(signal.SIGKILL)
                said = ranks.hear([0, 1, 2])
                for one in said:
                    self.assertEqual((one.get("error"), one.get("slot")), ("PeerDead", 3), one)
                # Far above what it takes (milliseconds): a busy machine must not fail this, and no wait of seconds passes it.
                self.assertLess(max(one["at"] for one in said) - killed, 3)
                self.whole(ranks, [0, 1, 2], 2)
                ranks.start(3, hosts[3])
                self.whole(ranks, slots, 3)

    def test_two_dead_at_once_leave_two_who_go_on(self):
        for hosts in LAYOUTS:
            with self.subTest(hosts=hosts):
                ranks = self.ranks(hosts)
                self.whole(ranks, [0, 1, 2, 3], 1)
                ranks.tell([0, 1, 2, 3], do="reduce", count=300_000, steps=1_000_000)
                time.sleep(0.1)
                for slot in (0, 2):
                    ranks.processes[slot].send_signal(signal.SIGKILL)
                for one in ranks.hear([1, 3]):
                    self.assertEqual(one.get("error"), "PeerDead", one)
                    self.assertIn(one["slot"], (0, 2))
                self.whole(ranks, [1, 3], 2)

    def test_a_death_while_the_mesh_is_built_is_told_to_those_who_wait(self):
        ranks = self.ranks(["a", "b", "c"])
        # Slot 2 is never told: the others have built what they can when it dies, and a new membership does without it.
        members = [ranks.members[slot] for slot in (0, 1, 2)]
        ranks.tell([0, 1], do="configure", epoch=1, members=members)
        time.sleep(0.1)
        ranks.processes[1].send_signal(signal.SIGKILL)
        said = ranks.hear([0])[0]
        self.assertEqual((said.get("error"), said.get("slot")), ("PeerDead", 1), said)
        self.whole(ranks, [0, 2], 2)

    def test_a_forked_child_hides_no_death_and_uses_no_group(self):
        for hosts in (["a", "a"], ["a", "b"]):
            with self.subTest(hosts=hosts):
                ranks = self.ranks(hosts)
                self.whole(ranks, [0, 1], 1)
                ranks.tell([1], do="fork")
                said = [json.loads(ranks.processes[1].stdout.readline()) for _ in range(2)]
                child = next(one["pid"] for one in said if "pid" in one)
                self.addCleanup(os.kill, child, signal.SIGKILL)
                self.assertIn({"child": 0}, said)
                ranks.tell([0], do="reduce", count=10, steps=1)
                time.sleep(0.05)
                ranks.processes[1].send_signal(signal.SIGKILL)
                one = ranks.hear([0])[0]
                self.assertEqual((one.get("error"), one.get("slot")), ("PeerDead", 1), one)

    def test_the_library_loads_quickly_and_shows_its_own_interface_only(self):
        command = (
            "import ctypes, sys, time; began = time.perf_counter(); ctypes.CDLL(sys.argv[1]);"
            "print((time.perf_counter() - began) * 1000)")
        times = [
            float(subprocess.check_output([sys.executable, "-c", command, collectives.library_path()])) for _ in range(5)]
        self.assertLess(min(times), 20)

    def test_a_wrong_call_says_what_is_wrong(self):
        group = collectives.Group(0)
        self.addCleanup(group.close)
        with self.assertRaisesRegex(collectives.NotConfigured, "no members"):
            group.barrier()
        group.configure(1, [(0, group.address, collectives.host_id())])
        values = (ctypes.c_int32 * 4)(1, 2, 3, 4)
        place = ctypes.addressof(values)
        with self.assertRaisesRegex(collectives.BadArgument, "no average of int32"):
            group.all_reduce((place, 4, collectives.INT32), collectives.AVERAGE)
        with self.assertRaisesRegex(collectives.BadArgument, "type 99"):
            group.all_reduce((place, 4, 99))
        with self.assertRaises(collectives.BadArgument):
            group.all_reduce((place + 1, 2, collectives.INT32))
        with self.assertRaisesRegex(collectives.StaleEpoch, "epoch 1"):
            group.configure(1, [(0, group.address, collectives.host_id())])
        with self.assertRaisesRegex(collectives.BadArgument, "no member"):
            group.configure(2, [(1, group.address, "h")])
        group.all_reduce((place, 4, collectives.INT32))
        self.assertEqual(list(values), [1, 2, 3, 4])
        self.assertEqual(group.statistics().operations, 1)


if __name__ == "__main__":
    unittest.main()
