"""Exchange: what all ranks do together, one unit after the other, on a thread of its own.

A unit commits on every rank or is done again under the membership that follows. It ends with a barrier: a rank that passed it
knows that all had their results, so that after a death the survivors need only tell each other how many units they
committed. Where one of them committed, the others hold the same result already and commit too; where none did, all go back to
the inputs they kept and do the unit again among themselves.
"""

import queue
import struct
import threading
import time

from .mesh import STALE_EPOCH, MeshBroken

# What each rank says when a membership begins: committed units, steps, whether it joins, a digest of its random state.
_ROW = struct.Struct("<QQ?8s")
RETRY_S = 2.0
# How long a rank waits for the others to come to where it is: as long as torch's own gloo. They may evaluate, save, or have been
# started later; one that hangs is the daemon's business.
PEERS_S = 1800.0


class ExchangeFailed(Exception):
    """The ranks cannot go on together; the whole job has to start again from its last checkpoint."""


class Unit:
    """Something that all ranks do at the same point of their programs.

    `attempt(mesh)` may be called again after a membership changed, and must then start from the inputs as they were.
    `place` is where the loaders stood when the unit was submitted (standard: what the exchange's `place` says then); `is_step`
    says that gradients are in it.
    """

    is_step = False
    is_whole = True  # this rank's part of it is there
    is_last = False  # after it this rank leaves: a peer that left first is no failure

    def __init__(self, attempt=None, place=None):
        self.place = place
        self.error = None
        self._attempt = attempt
        self._settled = threading.Event()

    def attempt(self, mesh):
        self._attempt(mesh)

    def settle(self, error):
        """Called once, on the exchange's thread: the unit committed, or never will."""
        self.error = error
        self._settled.set()

    def wait(self):
        self._settled.wait()
        if self.error is not None:
            raise self.error


class Exchange:
    """The one thread that uses the mesh. `lost(slots, unit, is_committed)` is called on it."""

    def __init__(self, mesh, worker, contract, lost):
        self.mesh = mesh
        self.slot = contract.slot
        self.units = 0  # committed; equal on all ranks between units
        self.epoch = 0  # of the membership that the mesh was made of
        self.failure = None
        self.recoveries = []  # (seconds from the break to the membership, slots lost)
        self.is_alone = False
        self.dismissed = None  # what a rank does which the others go on without, because it was asked to leave
        self._broken = None  # since the mesh broke: (when, slots lost); told with the next step
        self.step = lambda: 0
        self.place = lambda: None
        self.random_digest = lambda: b"\0" * 8
        self._worker = worker
        self._lost = lost
        self._timeout_s = contract.membership_timeout_s
        self._targets = {}  # slot: address, of the membership that is or is being connected
        self._aborted = set()
        self._queue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="openclaw-exchange", daemon=True)
        self._is_started = False
        self._performed = None  # the unit that is under way
        worker.on_death(self._heard_of_death)
        worker.waits = self._described_wait

    # -- from the program's threads

    def submit(self, unit):
        """Queues a unit; it settles when all ranks did it."""
        if self.failure is not None:
            raise self.failure
        if unit.place is None:
            unit.place = self.place()
        if not self._is_started:
            self._is_started = True
            self._thread.start()
        self._queue.put(unit)
        return unit

    def together(self, attempt):
        """Submits a unit and waits until it committed."""
        self.submit(Unit(attempt)).wait()

    def gather(self, own):
        """Everybody's block of bytes, by slot (all of one length)."""
        blocks = {}

        def attempt(mesh):
            blocks.clear()
            blocks.update(mesh.all_gather(own))

        self.together(attempt)
        return blocks

    @property
    def members(self):
        """The slots of the mesh as it stands."""
        return tuple(sorted(self._targets))

    def addresses(self):
        return dict(self._targets)

    def close(self):
        """Leaves: after what is queued, the thread ends and the mesh says goodbye."""
        if self._is_started:
            self._queue.put(None)
            self._thread.join(timeout=5)
        self.mesh.close()

    def _heard_of_death(self, slot):
        if slot in self._targets and slot not in self._aborted:
            self._aborted.add(slot)
            self.mesh.abort(slot, f"slot {slot} died")

    # -- membership

    def form(self):
        """Connects the job's first membership: every slot of the attempt but those the daemon knows to be gone."""
        membership = self._worker.wait_for_membership(_is_complete, PEERS_S)
        if membership is None:
            raise ExchangeFailed(f"The ranks did not find each other within {PEERS_S:g} s: "
                                 "no membership with all addresses came from the Worker.")
        self._connect(membership)

    def admit(self, membership):
        """Lets the joining members in; every rank calls this at the same step boundary. -> the slots that came in."""
        return self.reform(membership)[1]

    def reform(self, membership):
        """Goes on as this membership says: with those who join, without those who leave. Every rank that stays calls this at the
        same step boundary. -> (whether it came about, on all ranks or on none; the slots that came in)"""
        rows = {}
        tries = iter((True,))

        def attempt(mesh):
            rows.clear()
            if next(tries, False):  # once: where it fails, the survivors go on without
                rows.update(self._configure(membership, admitting=True))

        self.together(attempt)
        return bool(rows), tuple(slot for slot, row in sorted(rows.items()) if row[2] and slot in self._targets)

    def join(self, own_address, is_over):
        """A replacement's way in: waits until the others let it in at a step boundary. -> rows by slot, or None where
        `is_over()`: they came to their end meanwhile."""
        heard_of, broken, give_up_at = 0, None, 0.0
        while not is_over():
            membership = self._worker.wait_for_membership(
                lambda it: it.epoch > heard_of and any(
                    one.slot == self.slot and one.address == own_address for one in it.joining), 0.5)
            if membership is None:
                # What the others made of an attempt that broke cannot be known here: they meet again under a newer membership.
                if broken is not None and time.monotonic() > give_up_at:
                    raise ExchangeFailed(f"The others did not let this rank in: {broken}") from broken
                continue
            heard_of = membership.epoch
            threading.Thread(target=self._abort_when_vain, args=(membership, is_over), daemon=True).start()
            try:
                # The others come at their next boundary, however long their steps are; what makes it vain ends it.
                rows = self._configure(membership, admitting=True, timeout_s=PEERS_S)
                self.mesh.barrier()
                self.units = max(row[0] for row in rows.values()) + 1
                return rows
            except MeshBroken as error:
                broken, give_up_at = error, time.monotonic() + self._timeout_s
        return None

    def become_alone(self):
        """The others only waited to hand over their state: what follows this rank does for itself."""
        self.is_alone = True
        self._targets = {self.slot: ""}
        self.mesh.members = (self.slot,)

    def _abort_when_vain(self, membership, is_over):
        """Ends the wait of `join` where a newer membership came, or where nobody will let it in any more."""
        while not self.mesh.members:
            if is_over() or self._worker.wait_for_membership(lambda it: it.epoch > membership.epoch, 0.5) is not None:
                if not self.mesh.members:
                    self.mesh.abort(-1, "nobody waits for this membership any more")
                return

    def _configure(self, membership, admitting, timeout_s=None):
        """Connects a membership's mesh. The mesh's epochs are twice the daemon's: letting somebody in is one of its own."""
        members = membership.live + (membership.joining if admitting else ())
        members = tuple(sorted(members, key=lambda one: one.slot))
        if self.dismissed is not None and membership.state(self.slot) == "leaving":
            self.dismissed()
        if not any(one.slot == self.slot for one in members):
            raise ExchangeFailed(f"The daemon counts this rank as {membership.state(self.slot)} (epoch {membership.epoch}).")
        self._aborted = set()
        self._targets = {one.slot: one.address for one in members}
        self.mesh.configure(2 * membership.epoch + admitting, members, timeout_s or self._timeout_s)
        joins = any(one.slot == self.slot for one in membership.joining)
        row = _ROW.pack(self.units, self.step(), joins, self.random_digest())
        rows = {slot: _ROW.unpack(one) for slot, one in self.mesh.all_gather(row).items()}
        self.epoch = membership.epoch
        return rows

    # -- the thread

    def _serve(self):
        while (unit := self._queue.get()) is not None:
            if self.failure is not None:
                unit.settle(self.failure)
                continue
            try:
                self._performed = unit
                self._perform(unit)
                if unit.is_step:
                    self.mesh.settle_residuals(keep=True)
                self.units += 1
                if self._broken is not None and (unit.is_step or not self.step()):
                    self._tell_of_resumption(unit)
                unit.settle(None)
            except BaseException as error:  # whoever waits must hear of it, whatever it is
                self.failure = error
                unit.settle(error)
            finally:
                self._performed = None

    def _described_wait(self):
        unit = self._performed
        if unit is not None and unit.is_whole:
            return f"waits for the others in exchange {self.units + 1}"
        return f"the others wait for it: it has not given its part of exchange {self.units + 1}"

    def _perform(self, unit):
        is_ready = False
        while True:
            try:
                unit.attempt(self.mesh)
                is_ready = True
                self.mesh.barrier()
                return
            except MeshBroken as broken:
                if unit.is_last:
                    return
                if self._recover(unit, is_ready, broken):
                    return
                is_ready = False
                if unit.is_step:
                    self.mesh.settle_residuals(keep=False)

    def _recover(self, unit, is_ready, broken):
        """Goes on among the survivors. True where the unit had committed on one of them, and so commits here."""
        started = time.monotonic()
        before = set(self._targets)
        rows = self._connect(self._newer_membership(broken, self.epoch))
        gone = before - set(rows)
        self.recoveries.append((time.monotonic() - started, tuple(sorted(gone))))
        since, lost = self._broken or (started, set())
        self._broken = (since, lost | gone)
        furthest = max(row[0] for row in rows.values())
        if furthest > self.units + (1 if is_ready else 0):
            raise ExchangeFailed(f"A survivor committed unit {furthest}, this rank only {self.units}: they have lost step.")
        is_committed = furthest > self.units
        # The dead took part in a unit that commits, and not in one that is done again.
        self._lost(tuple(sorted(gone)), unit, is_committed)
        return is_committed

    def _tell_of_resumption(self, unit):
        """The first step after a death is done, or in a program without steps the first operation."""
        (since, lost), self._broken = self._broken, None
        if lost:
            self._worker.send("resumed", epoch=self.epoch, step=self.step() + unit.is_step, seconds=time.monotonic() - since,
                              slots=sorted(lost))

    def _newer_membership(self, broken, than):
        """The membership that mends a mesh which broke."""
        newer = self._worker.wait_for_membership(lambda it: it.epoch > than, self._timeout_s)
        if newer is None:
            raise ExchangeFailed(f"The mesh broke ({broken}) and no newer membership came within {self._timeout_s:g} s.")
        return newer

    def _connect(self, membership):
        """Connects this membership, or the newest that came meanwhile. -> rows by slot"""
        deadline = time.monotonic() + PEERS_S
        while True:
            try:
                return self._configure(membership, admitting=False)
            except MeshBroken as error:
                broken = error
                if time.monotonic() > deadline:
                    raise ExchangeFailed(f"No mesh came about within {PEERS_S:g} s: {error}") from error
            tried, is_used_up = membership.epoch, broken.code == STALE_EPOCH or bool(self.mesh.members)
            newer = self._worker.wait_for_membership(lambda it: it.epoch > tried, RETRY_S)
            # Where the mesh had come about and broke again, or somebody's coming in did not, only a newer epoch can follow.
            membership = newer or (self._newer_membership(broken, tried) if is_used_up else membership)


def _is_complete(membership):
    """A first membership may lack addresses only of slots that are gone."""
    return len(membership.live) > 0 and len(membership.members) == membership.world and all(
        one.address or one.state == "gone" for one in membership.members)
