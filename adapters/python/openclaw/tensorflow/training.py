"""Training: one rank's part in a job that trains with Keras. Where it is, and what happens at a step boundary."""

import contextlib
import json
import random
import struct
import sys
import time
import weakref

import numpy as np

from .. import ending, line, peers
from ..checkpoint import CheckpointFolder, CheckpointWriter
from ..exchange import Exchange, Unit
from ..mesh import WIRES, Mesh
from ..pace import Pace
from . import snapshot
from .coming import Coming
from .gradients import StepUnit

# What each rank says at a tick: the newest epoch with somebody to let in, wishes, seconds of a step, of them waited, bytes sent.
_TICK = struct.Struct("<QBddQ")
_CHECKPOINT, _STOP = 1, 2
TICK_EVERY_S = 0.25
TICK_STEPS_MAX = 64
# How long ranks at their end wait for a replacement that does not make itself heard: it may still be importing TensorFlow.
FINISH_WAIT_S = 120.0


class Training:
    """Made when the script first trains. Used by the thread that trains; `lost` comes on the exchange's, `reduce` on TensorFlow's."""

    def __init__(self, contract, worker):
        self.contract, self.worker = contract, worker
        self.fit = None  # the Fit that is under way
        self.fits = self.fits_over = 0
        self.histories = []
        self.step = self.samples = 0
        self.passes_begun = 0
        self.totals = {}
        self.wire = WIRES.get(contract.wire, 0)
        self.is_stop_agreed = False
        self.is_finished = self.is_finishing = False
        self.exchange = self.mesh = self.peers = self.pace = None
        self.coming = Coming(self)
        self.tick_at, self.tick_interval = 1, 1
        self._folder = CheckpointFolder(contract.checkpoints, contract.checkpoint_keep) if contract.checkpoints else None
        self._writer = CheckpointWriter(self._folder, worker)
        self._checkpoint_at = time.monotonic() + contract.checkpoint_every_s
        self._samples_in_step = 1
        self._agree_at = None  # committed units from which on the ranks agree anew on who is there
        self._models, self._optimizers, self._met = [], [], weakref.WeakSet()
        self.counted_before = self._told_counts = (0, 0)  # samples repeated and lost, by fits before this one; as last told
        self._warned = set()

    # -- beginning

    def begin(self):
        """Finds the others, or what an earlier life left, or both."""
        contract = self.contract
        ending.hear(self.worker, self.finish, lambda: contract.joining and self.coming.is_due)
        self.mesh = Mesh(contract.collectives, contract.slot, contract.listen)
        self.peers = peers.Peers(contract.listen, contract.secret, {"position": lambda: json.dumps(self.described()).encode()})
        self.exchange = Exchange(self.mesh, self.worker, contract, self.lost)
        self.exchange.step = lambda: self.step
        self.exchange.place = self.place
        self.pace = Pace(self.mesh, self.worker)
        if contract.joining:
            self.coming.follow()
            return
        self.introduce()
        self.exchange.form()
        if self._folder is not None:
            self.coming.find(self._folder)

    def introduce(self):
        """Tells where this rank can be reached."""
        self.worker.send("mesh", epoch=0, address=self.mesh.address, host=self.mesh.host, peer=self.peers.address)

    @property
    def leads(self):
        return self.exchange is not None and self.exchange.members[:1] == (self.contract.slot,)

    def cannot_survive(self, why):
        if why not in self._warned:
            self._warned.add(why)
            line.introduce_again("tensorflow", [why])

    def warn_once(self, key, what, why, fix):
        if key not in self._warned:
            self._warned.add(key)
            self.worker.warn(what, why, fix)

    # -- fits

    def next_fit(self, fit):
        self.fits += 1
        if not any(one() is fit.model for one in self._models):
            self._models.append(weakref.ref(fit.model))
        return self.fits

    def has_passed(self, fit):
        return self.coming.has_passed(fit)

    def state_of_past(self, fit):
        """The weights that the fit's model has at the end of the job, where it has come to that."""
        at = next(number for number, one in enumerate(self._models) if one() is fit.model)
        return self.coming.final_weights(at)

    def history_of(self, number):
        return self.coming.history_of(number)

    def begin_fit(self, fit):
        """All ranks have the same state afterwards, and agree on who trains."""
        self.is_stop_agreed = False
        self.counted_before = self._told_counts
        if not self.coming.take(fit):
            fit.walk.seed = self._told(snapshot.packed(random.getrandbits(48)))
            snapshot.load(fit.model, [], self._told(snapshot.packed({**snapshot.of(fit.model, []), "callbacks": []})))
        self._agree()
        self.pace.begin(self.step)
        steps = fit.walk.source.batches if fit.walk.length is None else fit.walk.length
        self.totals = {"epochs_total": fit.epochs, **({"steps_total": self.step + self._steps_left(fit, steps)} if steps else {})}

    def _steps_left(self, fit, steps):
        begun = fit.model._initial_epoch or int(fit.options["initial_epoch"])
        return max(0, (fit.epochs - begun) * steps - (fit.walk.steps_done + fit.walk.handed))

    def begin_epoch(self, fit, epoch):
        if not (fit.walk.epoch == epoch and (fit.walk.handed or fit.walk.steps_done)):
            fit.walk.begin_epoch(epoch)
        self.passes_begun = epoch + 1

    def begin_step(self, samples):
        """A batch was handed out: what is reduced from here on has these samples in it."""
        self._samples_in_step = samples
        self.samples += samples

    def _told(self, own):
        """What the lowest slot says, on every rank."""
        sizes = {slot: struct.unpack("<Q", one)[0] for slot, one in self.exchange.gather(struct.pack("<Q", len(own))).items()}
        root = min(sizes)
        content = np.zeros(max(sizes.values()), np.uint8)

        def attempt(mesh):
            source = root if root in mesh.members else min(mesh.members)
            if self.contract.slot == source:
                content[:] = np.frombuffer(own.ljust(len(content), b"\0"), np.uint8)
            mesh.broadcast(content.ctypes.data, content.size, source)

        self.exchange.together(attempt)
        return snapshot.unpacked(content.tobytes())

    # -- gradients

    def meet(self, optimizer, variables):
        """A loop of the script's own: its variables are made equal when its gradients are first applied."""
        if self.fit is not None or optimizer in self._met:
            return
        self._met.add(optimizer)
        with sys.modules["tensorflow"].init_scope():
            for variable, value in zip(variables, self._told(snapshot.packed([np.array(one) for one in variables]))):
                variable.assign(value)

    def number_of(self, optimizer):
        """Optimizers have the same numbers on all ranks: that of the first use."""
        for number, one in enumerate(self._optimizers):
            if one() is optimizer:
                return number
        self._optimizers.append(weakref.ref(optimizer))
        return len(self._optimizers) - 1

    def moving_of(self, optimizer):
        """What the model's layers keep beside their weights, as batch normalization does its moving means."""
        if self.fit is None or self.fit.model.optimizer is not optimizer:
            return []
        return [one for layer in self.fit.model._flatten_layers() if layer.trainable
                for one in layer._non_trainable_variables if "float" in str(one.dtype)]

    def reduce(self, number, flat, moving):
        unit = StepUnit(self.place(is_step=True), flat, moving, self._samples_in_step,
                        self.fit is not None and self.fit.wants_stop, self.wire, number)
        self.pace.unit = unit
        self.exchange.submit(unit).wait()
        if unit.is_stop_wanted:
            self.is_stop_agreed = True
        if self.fit is None and number == 0:  # a loop of the script's own has no other boundary
            self.step += 1
            self.pace.stepped(self)
        return unit.average, unit.moving

    def place(self, is_step=False):
        """The batch that a unit belongs to: the one under way, or the next one."""
        walk = self.fit.walk if self.fit is not None else None
        return None if walk is None else (walk, walk.handed - 1 if is_step else walk.handed)

    def lost(self, slots, unit, is_committed):
        """On the exchange's thread: from this unit on these slots are missing. All survivors note the same batch, and the same unit
        after which they agree on it."""
        if unit.place is not None:
            walk, batch = unit.place
            for slot in slots:
                walk.left(slot, batch + 1 if is_committed and unit.is_step else batch)
        self._agree_at = self.exchange.units + (1 if is_committed else 0) + 1

    # -- boundaries

    def boundary(self):
        """After the callbacks of a batch: the one place where ranks come, stop and write checkpoints."""
        self.step += 1
        if self._agree_at is not None and self.exchange.units >= self._agree_at:
            self._agree()
        self.pace.stepped(self)
        if self.step >= self.tick_at:
            self._tick()

    def _agree(self):
        """All ranks deal the data to the same members from here on."""
        while True:
            members = tuple(sorted(self.exchange.gather(b"here")))
            if self._agree_at is None or self._agree_at > self.exchange.units:
                break
            self._agree_at = None
        self.fit.walk.deal(members)

    def take_over(self, walk):
        """At the end of a lap: whether there is more to do of what others left."""
        if self.contract.world > 1:
            self._agree()
        goes_on = walk.take_over()
        counted = (self.counted_before[0] + walk.repeated, self.counted_before[1] + walk.lost)
        if counted != self._told_counts:
            self._told_counts = counted
            if self.leads:
                self.worker.send("samples", repeated=counted[0], lost=counted[1])
        return goes_on

    def _tick(self):
        """All ranks tell each other what they know and wish, and so decide the same."""
        now = time.monotonic()
        step_s, wait_s, sent = self.pace.since_tick(self.step)
        wishes = (_CHECKPOINT if self._wants_checkpoint(now) else 0) | (_STOP if self.worker.stop_within_s is not None else 0)
        wishes |= self.pace.wire_wish(self.wire, self.leads)
        own = _TICK.pack(self._epoch_to_admit(), wishes, step_s, wait_s, sent)
        table = [_TICK.unpack(one) for one in self.exchange.gather(own).values()]
        self.pace.ticked(self.step)
        self.tick_interval = max(1, min(TICK_STEPS_MAX, round(TICK_EVERY_S / max(1e-6, max(row[2] for row in table)))))
        self.tick_at = self.step + self.tick_interval
        if self.contract.wire == "auto":
            self.wire = self.pace.agreed_wire(self.wire, self.step, table)
        if any(row[1] & (_CHECKPOINT | _STOP) for row in table):
            self._checkpoint(is_last=any(row[1] & _STOP for row in table))
        if any(row[0] for row in table):
            self._admit(max(row[0] for row in table))

    def _epoch_to_admit(self):
        membership, there = self.worker.membership, self.exchange.addresses()
        new = [one for one in membership.joining if there.get(one.slot) != one.address]
        return membership.epoch if new else 0

    def _admit(self, epoch):
        membership = self.worker.wait_for_membership(lambda it: it.epoch >= epoch, self.contract.membership_timeout_s)
        if membership is None or membership.epoch != epoch:
            return  # the next tick sees the newer one
        came = self.exchange.admit(membership)
        leader = min(set(self.exchange.members) - set(came), default=self.contract.slot)
        if not came:
            return
        if leader == self.contract.slot:
            self.peers.offer(epoch, snapshot.packed(self.captured()))
        self._agree()

    # -- what is decided together

    def mean(self, logs):
        """The logs' numbers, averaged over the ranks."""
        names = sorted(name for name, value in logs.items() if isinstance(value, (int, float, np.number)))
        if not names:
            return {}
        row = struct.Struct(f"<{len(names)}d")
        rows = [row.unpack(one) for one in
                self.exchange.gather(row.pack(*(float(logs[name]) for name in names))).values()]
        return {name: sum(column) / len(rows) for name, column in zip(names, zip(*rows))}

    def agree_to_stop(self, wants):
        wishes = self.exchange.gather(b"1" if wants else b"0").values()
        return any(one == b"1" for one in wishes)

    def log(self, logs):
        if self.leads:
            values = {name: float(value) for name, value in logs.items() if isinstance(value, (int, float, np.number))}
            self.worker.send("log", step=self.step, values=values)

    # -- states

    def described(self):
        """How far this rank is: what a replacement needs to follow."""
        return {"fit": self.fits, "is_over": self.fits_over >= self.fits, "is_finishing": self.is_finishing, "histories": self.histories}

    def captured(self):
        """The whole state at this boundary."""
        return {**self._settled(), "fit": self.fits, "walk": self.fit.walk.described(), "history": self.fit.recorded(),
                "now": snapshot.of(self.fit.model, self.fit.user_callbacks), "tick": (self.tick_at, self.tick_interval)}

    def _settled(self):
        return {"world": self.contract.world, "step": self.step, "samples": self.samples, "wire": self.wire,
                "histories": self.histories, "counted": self.counted_before,
                "models": [snapshot.weights(model) if (model := one()) is not None else None for one in self._models]}

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
        if self._folder is not None and self.leads:
            if self._writer.is_busy and is_last:
                self._writer.wait()
            if not self._writer.is_busy:
                self._write(self.captured(), started)
        if is_last:
            self._writer.wait()
            ending.leave_as_asked(self.worker)

    def _write(self, state, started):
        content = snapshot.packed(state)
        about = {"job": self.contract.job, "attempt": self.contract.attempt, "world": self.contract.world,
                 "framework": "tensorflow", "version": sys.modules["tensorflow"].__version__,
                 "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        self._writer.start(self.step, {"state.pickle": lambda file: file.write(content)}, about, time.monotonic() - started)

    # -- the end

    def finish(self):
        """The script is done. A replacement that is on its way still gets the state, so that it can do what its slot has to do at
        the end (save the model, most often)."""
        if self.is_finished or self.exchange is None or self.exchange.failure is not None:
            return
        self.is_finished = True
        self._writer.wait()
        if self.contract.world > 1 and not self.exchange.is_alone and not self.coming.is_due:
            with contextlib.suppress(Exception):
                self._wait_for_missing()
                last = Unit(lambda mesh: mesh.barrier())
                last.is_last = True
                self.exchange.submit(last).wait()
        self.worker.send("bye")
        self.exchange.close()

    def _wait_for_missing(self):
        """Replacements on their way fetch the last state, and do alone what is left of the script for their slots."""
        begun = time.monotonic()
        while True:
            served = sum(1 for key, _ in self.peers.served if key == "final")
            is_in_vain = self.leads and time.monotonic() > max(begun, self.peers.heard_at) + FINISH_WAIT_S
            table = self.exchange.gather(struct.pack("<Q?", served, is_in_vain)).values()
            rows = [struct.unpack("<Q?", one) for one in table]
            missing = self.contract.world - len(self.exchange.members) - sum(row[0] for row in rows)
            if missing <= 0 or any(row[1] for row in rows):
                return
            if not self.is_finishing:
                self.peers.offer("final", snapshot.packed(self._settled()))
                self.is_finishing = True
            time.sleep(0.05)
