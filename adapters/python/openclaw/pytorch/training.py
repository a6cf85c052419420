"""Training: one rank's part in the job. Where it is, what its state consists of, and what happens at a step boundary."""

import json
import os
import struct
import sys
import time

import torch

from .. import peers
from ..checkpoint import CheckpointFolder, CheckpointWriter
from ..exchange import Exchange, Unit
from ..ending import NEEDS_OWN_GROUP, leave_as_asked, leave_in_order
from ..mesh import WIRES, Mesh
from ..pace import Pace
from . import snapshot
from .ghost import Ghost
from .gradients import GradientUnit
from .rescaling import Rescaling
from .restoring import Restoring

# What each rank says at a tick: the newest epoch with somebody to let in, wishes, seconds of a step, of them waited, bytes sent.
_TICK = struct.Struct("<QBddQ")
_CHECKPOINT, _STOP = 1, 2
TICK_EVERY_S = 0.25
TICK_STEPS_MAX = 64
# How long ranks at their end wait for a replacement that does not make itself heard: it may still be importing torch.
FINISH_WAIT_S = 120.0


class Training:
    """Made by init_process_group under a Worker. Used by the script's main thread; `lost` comes on the exchange's."""

    def __init__(self, contract, worker, owns_group):
        self.contract = contract
        self.worker = worker
        self.totals = {}  # of steps and epochs, where they are known
        self.owns_group = owns_group  # False: torch's own group carries the bytes, and a death restarts the whole job
        self.exchange = None
        self.mesh = None
        self.peers = None
        self.registry = snapshot.Registry()
        self.restoring = self.pace = None
        self.ghost = self._fading = None
        self.step = 0
        self.wire = WIRES.get(contract.wire, 0)
        self.rescaling = Rescaling(self)
        self.gone = set()  # slots that nobody stands for at this point of the program
        self.passes = []  # weak references to the walks over loaders
        self.passes_begun = 0
        self.lengths = {}  # of passes that ended: their batches, which takeovers and other numbers of ranks make differ
        self.jumps = {}  # the step that each pass began at
        self.in_takeover = False
        self.is_in_forward = False  # of a model that sends its buffers from slot 0, or from the lowest that is there
        self.layouts = {}  # by model: the two tensors by which the ranks agreed on rebuilt buckets
        self.is_finished = False
        self.is_finishing = False  # what is left to do is to hand over the state
        self.is_over = False  # this rank took the state that the others ended with: nothing may step it further
        self.samples = 0
        self.samples_repeated = 0
        self.samples_lost = 0
        self._folder = CheckpointFolder(contract.checkpoints, contract.checkpoint_keep) if contract.checkpoints else None
        self._writer = CheckpointWriter(self._folder, worker)
        self._checkpoint_at = time.monotonic() + contract.checkpoint_every_s
        self._tick_at = 1
        self._tick_interval = 1
        self._warned = set()
        self._serial = 0
        self.layout_record = None  # while a model's first forward passes may agree on buckets: what was agreed
        self.layout_replay = None

    # -- beginning

    def begin(self):
        """Finds the others, or what an earlier life left, or both."""
        contract = self.contract
        self.mesh = Mesh(contract.collectives, contract.slot, contract.listen)
        self.peers = peers.Peers(contract.listen, contract.secret, {
            "position": lambda: json.dumps(self.described()).encode(),
            # Read while training goes on: some weights are of this step and some of the next.
            "weights": lambda: snapshot.packed(self.registry.copies_of("models"))})
        self.exchange = Exchange(self.mesh, self.worker, contract, self.lost)
        self.exchange.step = lambda: self.step
        self.exchange.place = self.place
        self.exchange.random_digest = snapshot.random_digest
        self.exchange.dismissed = lambda: leave_in_order(self.worker)
        self.pace = Pace(self.mesh, self.worker)
        self.restoring = Restoring(self, self._folder)
        if contract.joining:
            self.ghost = Ghost(self.restoring.weights)
            self.restoring.follow()
            return
        self.introduce()
        self.exchange.form()
        self.gone = set(range(contract.world)) - set(self.exchange.members)
        if self._folder is not None and self.restoring.find():
            self.ghost = Ghost(self.restoring.weights)

    def introduce(self):
        """Tells where this rank can be reached."""
        self.worker.send("mesh", epoch=0, address=self.mesh.address, host=self.mesh.host, peer=self.peers.address)

    @property
    def world(self):
        """How many slots there are now, those included that nobody stands for at the moment."""
        return self.rescaling.world

    @property
    def is_ghost(self):
        return self.ghost is not None

    def end_ghost(self):
        """From here on the rank works. The rest of the loop's body still sees a ghost's numbers, and stays mute."""
        self._fading, self.ghost = self.ghost, None
        self._fading.end()

    def hear(self):
        """The script asked for data, or came to its end: its numbers are real again."""
        if self._fading is not None:
            self._fading.hear()
            self._fading = None

    @property
    def is_mute(self):
        return self.is_ghost or self._fading is not None

    # -- the walk over data

    def next_pass(self, is_shared):
        """-> (its number among all of this rank's passes, and among those that all ranks walk together)"""
        self._serial += 1
        if not is_shared:
            return self._serial, None
        self.passes_begun += 1
        return self._serial, self.passes_begun - 1

    def pass_begins(self, walk):
        if self.is_ghost:
            self.step = self.jumps.get(walk.number, self.step)
            self.restoring.pass_begins(walk)
        else:
            self.jumps[walk.number] = self.step

    def open_passes(self):
        self.passes = [one for one in self.passes if one() is not None]
        return [walk for one in self.passes if (walk := one()) is not None]

    def place(self):
        """Where the loaders stand: (lap, batches at the last boundary, batches now) for each."""
        return [(walk.lap, walk.lap.handed_at_boundary, walk.lap.handed) for walk in self.open_passes()
                if walk.number is not None]

    def count(self, batch):
        first = batch
        while isinstance(first, (list, tuple, dict)) and first:
            first = next(iter(first.values())) if isinstance(first, dict) else first[0]
        if not self.is_ghost and isinstance(first, torch.Tensor) and first.dim() > 0:
            self.samples += first.shape[0]

    def count_samples(self, repeated=0, lost=0):
        """Samples trained on twice, or never: told once for the job, by the lowest slot that is there."""
        self.samples_repeated += repeated
        self.samples_lost += lost
        if (repeated or lost) and self.leads:
            self.worker.send("samples", repeated=self.samples_repeated, lost=self.samples_lost)

    @property
    def leads(self):
        return self.exchange is not None and self.exchange.members[:1] == (self.contract.slot,)

    # -- gradients

    def saw_loss(self, value):
        """What a backward begins with is the loss, unless a scaler has made it larger."""
        if self.pace is not None and isinstance(value, torch.Tensor) and value.numel() == 1 and not any(
                scaler.is_enabled() for _, scaler in self.registry.living("scalers")):
            self.pace.saw_loss(value.detach().sum())

    def begin_step_unit(self):
        if self.rescaling.is_leaving:
            self.rescaling.leave()
        unit = GradientUnit(self.wire)
        self.pace.unit = unit
        return self.exchange.submit(unit)

    def lost(self, slots, unit, is_committed):
        """On the exchange's thread: from this unit on these slots are missing."""
        for lap, at_boundary, now in unit.place or ():
            for slot in slots:
                lap.left(slot, now if is_committed and unit.is_step else at_boundary)
        self.gone |= set(slots)

    def warn_of_absent_root(self, root):
        self.warn_once("absent root", f"Slot {root} is gone, and something was to be broadcast from it.",
                       "The lowest slot that is there sent its own instead.",
                       "In a script whose ranks run the same program both are the same; else let it be restarted whole.")

    def warn_once(self, key, what, why, fix):
        if key not in self._warned:
            self._warned.add(key)
            self.worker.warn(what, why, fix)

    # -- the step boundary

    def boundary(self):
        """Called after each optimizer step: the one place where ranks come, stop and write checkpoints."""
        self.step += 1
        for walk in self.open_passes():
            walk.lap.handed_at_boundary = walk.lap.handed
        if self.is_ghost:
            self.restoring.boundary()
            return
        self.pace.stepped(self)
        self.rescaling.stepped()
        if self.step >= self._tick_at:
            self._tick()

    def _tick(self):
        """All ranks tell each other what they know and wish, and so decide the same."""
        now = time.monotonic()
        step_s, wait_s, sent = self.pace.since_tick(self.step)
        wishes = (_CHECKPOINT if self._wants_checkpoint(now) else 0) | (_STOP if self.worker.stop_within_s is not None else 0)
        wishes |= self.pace.wire_wish(self.wire, self.leads)
        own = _TICK.pack(self._epoch_to_admit(), wishes, step_s, wait_s, sent)
        table = [_TICK.unpack(one) for one in self.exchange.gather(own).values()]
        self.pace.ticked(self.step)
        self._tick_interval = max(1, min(TICK_STEPS_MAX, round(TICK_EVERY_S / max(1e-6, max(row[2] for row in table)))))
        self._tick_at = self.step + self._tick_interval
        if self.contract.wire == "auto":
            self.wire = self.pace.agreed_wire(self.wire, self.step, table)
        if self.in_takeover:  # its laps are not part of what a checkpoint describes
            return
        if any(row[1] & (_CHECKPOINT | _STOP) for row in table):
            self._checkpoint(is_last=any(row[1] & _STOP for row in table))
        if any(row[0] for row in table):
            self._admit(max(row[0] for row in table))

    # -- coming

    def _epoch_to_admit(self):
        membership = self.worker.membership
        there = self.exchange.addresses()
        new = [one for one in membership.joining if there.get(one.slot) != one.address]
        is_other = self.rescaling.differs(membership)
        return membership.epoch if (new or is_other) and (not is_other or not self.rescaling.why_fixed()) else 0

    def _admit(self, epoch):
        membership = self.worker.wait_for_membership(lambda it: it.epoch >= epoch, self.contract.membership_timeout_s)
        if membership is None or membership.epoch != epoch:
            return  # the next tick sees the newer one
        if self.rescaling.differs(membership):
            came = self.rescaling.change(membership)
        else:
            came = self.exchange.admit(membership)
        leader = min(set(self.exchange.members) - set(came), default=self.contract.slot)
        self.gone -= set(came)
        for walk in self.open_passes():
            for slot in came:
                walk.lap.came(slot)
        if came and leader == self.contract.slot:
            self.peers.offer(epoch, snapshot.packed(self.captured()))

    def described(self):
        """How far this rank is: what a ghost needs to follow."""
        return {"step": self.step, "world": self.world, "passes_begun": self.passes_begun, "lengths": list(self._lengths().items()),
                "jumps": list(self.jumps.items()), "is_finishing": self.is_finishing}

    def _lengths(self):
        """Of passes that ended, and of those that are open, as far as that is known."""
        return {**self.lengths, **{walk.number: walk.length for walk in self.open_passes() if walk.number is not None}}

    def captured(self):
        """The whole state at this boundary."""
        return {
            "world": self.world, "schedules": self.rescaling.schedules, "step": self.step, "passes_begun": self.passes_begun,
            "lengths": self._lengths(), "jumps": dict(self.jumps), "gone": sorted(self.gone),
            "passes": {walk.number: walk.described() for walk in self.open_passes() if walk.number is not None},
            "tick": (self._tick_at, self._tick_interval), "wire": self.wire, "samples": self.samples,
            "counted": (self.samples_repeated, self.samples_lost),
            "layouts": {number: self.layouts.get(number) for number, _ in self.registry.living("models")},
            "random": snapshot.random_state(), **self.registry.copies(),
        }

    # -- checkpoints

    def _wants_checkpoint(self, now):
        if self._folder is None:
            return False
        if self.worker.checkpoint_wanted:
            return True
        return self.leads and now >= self._checkpoint_at and not self._writer.is_busy

    def _checkpoint(self, is_last=False):
        started = time.monotonic()
        self.worker.checkpoint_wanted = False
        self._checkpoint_at = started + self.contract.checkpoint_every_s
        if self._folder is not None:
            own = snapshot.packed({"random": snapshot.random_state(), "passes": {
                walk.serial: walk.random_at_start() for walk in self.open_passes()}})
            size = max(struct.unpack("<Q", one)[0] for one in self.exchange.gather(struct.pack("<Q", len(own))).values())
            pieces = self.exchange.gather(own.ljust(size, b"\0"))
            if self.leads:
                if self._writer.is_busy and is_last:
                    self._writer.wait()
                if not self._writer.is_busy:
                    self._write(self.captured(), pieces, started)
        if is_last:
            self._writer.wait()
            leave_as_asked(self.worker)

    def _write(self, state, pieces, started):
        def whole(file):
            torch.save(state, file)

        def ranks(file):
            torch.save(pieces, file)

        about = {"job": self.contract.job, "attempt": self.contract.attempt, "world": self.world,
                 "framework": "torch", "version": torch.__version__,
                 "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        self._writer.start(self.step, {"state.pt": whole, "ranks.pt": ranks}, about, time.monotonic() - started)

    def finish_writing(self):
        self._writer.wait()

    # -- the end

    def finish(self):
        """The script is done with its collectives. A replacement that is on its way still gets the state, so that it can do
        what its slot has to do at the end (save the model, most often)."""
        if self.is_finished or self.exchange is None or self.exchange.failure is not None:
            return
        self.is_finished = True
        self.hear()
        if self.rescaling.is_leaving:
            self.rescaling.leave()
        self._writer.wait()
        if self.is_ghost:
            raise RuntimeError("The script ended before this replacement could take its place: it does not run the way "
                               "the other ranks' did.")
        if self.world > 1 and not self.exchange.is_alone:
            self._wait_for_missing()
            last = Unit(lambda mesh: mesh.barrier())
            last.is_last = True
            self.exchange.submit(last).wait()
        self.worker.send("bye")
        self.exchange.close()

    def _wait_for_missing(self):
        """Replacements on their way fetch the last state, and do alone what is left of the script for their slots."""
        begun = time.monotonic()
        while self.owns_group:
            served = sum(1 for key, _ in self.peers.served if key == "final")
            is_in_vain = self.leads and time.monotonic() > max(begun, self.peers.heard_at) + FINISH_WAIT_S
            table = self.exchange.gather(struct.pack("<Q?", served, is_in_vain)).values()
            rows = [struct.unpack("<Q?", one) for one in table]
            missing = self.world - len(self.exchange.members) - sum(row[0] for row in rows)
            if missing <= 0 or any(row[1] for row in rows):
                return
            if not self.is_finishing:
                self.peers.offer("final", snapshot.packed(self.captured()))
                self.is_finishing = True
            time.sleep(0.05)

    def needs_torchs_own(self, what):
        """The script does something that this process group has not: the next attempt of the job uses torch's own."""
        self.worker.warn(
            f"The script uses {what}.", "OpenClaw's process group has none: ranks that survive a death cannot repeat it.",
            "The job starts again with torch's own process group; a death then restarts it whole from its last checkpoint.")
        if self.contract.checkpoints:
            os.makedirs(self.contract.checkpoints, exist_ok=True)
            with open(os.path.join(self.contract.checkpoints, "stock"), "w") as file:
                file.write(what + "\n")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(NEEDS_OWN_GROUP)

