"""Restoring: how a ghost becomes a rank. It follows living ranks, or a checkpoint, to the same place in the script, and takes the
state there."""

import contextlib
import json
import struct
import threading
import time

from .. import peers
from ..ending import leave_in_order
from . import snapshot

CLOSE_STEPS = 3  # a ghost this near to the others asks to be let in


class LostPlace(Exception):
    """The ghost is not where the state was taken: the script does not run the same way twice."""


class Restoring:
    """What a ghost is after. Used by the script's main thread."""

    def __init__(self, training, folder):
        self._training = training
        self._folder = folder
        self._saved = None  # the state to take, once it is known
        self._ranks = {}  # from a checkpoint: what belonged to single ranks, by slot
        self._digests = None
        self._front = 0  # the others are at this step at least
        self._world = self._passes_begun = 0  # of the others
        self._is_over = False  # the others wait at their end to hand over their state
        self._peer = ""
        self._ask_again_at = 0.0

    # -- following the living

    def follow(self):
        """A replacement: learns how far the others are."""
        training = self._training
        membership = training.worker.wait_for_membership(
            lambda it: any(one.peer for one in it.live), training.contract.membership_timeout_s)
        if membership is None:
            raise LostPlace("No membership with a rank to follow came from the Worker.")
        self._learn()

    def _learn(self):
        for attempt in range(50):
            position = self._position()
            if position is not None:
                self._take(position)
                return
            threading.Event().wait(0.1 * min(attempt + 1, 10))  # not time.sleep, which is none for a ghost
        raise LostPlace("None of the other ranks answered.")

    def look_at(self, number):
        """The ghost is at the end of this pass, or at its beginning: where the others were in it when they were asked last, they may
        walk it longer than they knew then."""
        if self._saved is not None or not self._training.contract.joining or number < self._passes_begun - 1:
            return
        position = self._position()
        if position is not None:
            self._take(position)

    def _take(self, position):
        training = self._training
        self._front, self._is_over, self._world = position["step"], position["is_finishing"], position["world"]
        self._passes_begun = position["passes_begun"]
        training.lengths, training.jumps = dict(position["lengths"]), dict(position["jumps"])

    def _position(self):
        """What a living rank says about how far it is; None where nobody answers."""
        training = self._training
        for member in training.worker.membership.live:
            if member.peer and member.slot != training.contract.slot:
                with contextlib.suppress(OSError, ValueError):
                    self._peer = member.peer
                    return json.loads(peers.ask(member.peer, training.contract.secret, "position", 10))
        return None

    def weights(self):
        """The models' weights of about the time that this ghost catches up with, by the models' numbers."""
        if self._saved is not None:
            return self._saved["models"]
        with contextlib.suppress(OSError, ValueError):
            return snapshot.unpacked(peers.ask(self._peer, self._training.contract.secret, "weights", 60))
        return {}

    def _others_came_to_their_end(self):
        now = time.monotonic()
        if not self._is_over and now >= self._ask_again_at:
            self._ask_again_at = now + 0.5
            position = self._position()
            self._is_over = position is not None and position["is_finishing"]
        return self._is_over

    def boundary(self):
        """The ghost stands at a step boundary."""
        training = self._training
        if self._saved is None:
            if training.step < self._front:
                return
            self._learn()
            if training.step + CLOSE_STEPS < self._front:
                return
            self._come_in()
        # With another number of ranks the same step is another place: see pass_begins.
        if training.step >= self._saved["step"] and (self._is_same_world or not self._saved["passes_begun"]):
            self._go_live()

    def _come_in(self):
        """Waits to be let in at a boundary of the others, and takes the state of one of them."""
        training = self._training
        rows = None
        if self._is_over and training.contract.slot >= self._world:
            leave_in_order(training.worker)  # one rank more is not needed any more
        if not self._is_over:
            training.introduce()
            rows = training.exchange.join(training.mesh.address, self._others_came_to_their_end)
        if rows is None:
            key, address = "final", self._peer
            training.exchange.become_alone()
            # The script stands after its last optimizer step; what it steps after that (schedulers, scalers) did so at the others.
            training.is_over = True
        else:
            others = sorted(slot for slot, row in rows.items() if not row[2])
            self._digests = [rows[slot][3] for slot in others]
            key = training.exchange.epoch
            address = next(one.peer for one in training.worker.membership.members if one.slot == others[0])
        answer = peers.ask(address, training.contract.secret, f"state {key} {training.contract.slot}", 120)
        self._saved = snapshot.unpacked(answer)
        training.lengths, training.jumps = dict(self._saved["lengths"]), dict(self._saved["jumps"])
        training.rescaling.enter(self._saved["world"])
        training.rescaling.schedules = self._saved["schedules"]

    # -- following a checkpoint

    def find(self):
        """All ranks agree on the newest checkpoint that is whole for everyone. True where there is one."""
        training = self._training
        bound = None
        while True:
            found = self._newest(bound)
            own = struct.pack("<q", found[0] if found else -1)
            steps = [struct.unpack("<q", one)[0] for one in training.exchange.gather(own).values()]
            if min(steps) < 0:
                if max(steps) >= 0:
                    training.worker.warn("The job begins anew.", "Its checkpoints are not whole on every rank.",
                                         "Let all ranks see one checkpoint folder.")
                return False
            if min(steps) == max(steps):
                break
            bound = min(steps) + 1
        _, manifest, contents = found
        self._saved = snapshot.unpacked(contents["state.pt"])
        self._ranks = {slot: snapshot.unpacked(one) for slot, one in snapshot.unpacked(contents["ranks.pt"]).items()}
        training.jumps = dict(self._saved["jumps"])
        if self._is_same_world:
            training.lengths, training.rescaling.schedules = dict(self._saved["lengths"]), self._saved["schedules"]
        return True

    @property
    def _is_same_world(self):
        return self._saved["world"] == self._training.world

    def _newest(self, bound):
        training = self._training

        def damaged(step, error):
            if training.leads:
                training.worker.warn(f"The checkpoint of step {step} is damaged and is not used.", str(error),
                                     "The one before it is used.")

        for step in reversed(self._folder.steps()):
            if bound is None or step < bound:
                try:
                    return (step, *self._folder.read(step))
                except Exception as error:  # whatever is wrong with it, there may be one before
                    damaged(step, error)
        return None

    def pass_begins(self, walk):
        """With another number of ranks the steps of an epoch are others: the state is taken where the pass begins in which the
        checkpoint was written, and what that pass had left is dealt anew."""
        training = self._training
        saved = self._saved
        if saved is None or self._is_same_world:
            return
        number = max(saved["passes"], default=saved["passes_begun"])
        if walk.number != number:
            return
        left = saved["passes"].get(number)
        samples = walk.remaining(left) if left is not None else None
        training.jumps = {**saved["jumps"], number: saved["step"]}
        self._go_live()
        if samples is not None:
            walk.deal_anew(samples)

    # -- becoming a rank

    def _go_live(self):
        training, saved = self._training, self._saved
        is_same_world = self._is_same_world
        if is_same_world and training.step != saved["step"]:
            self._lose_place(f"it is at step {training.step}, the state at {saved['step']}")
        if not is_same_world:
            # A schedule by batches has another length now; the ghost walked it to where the pass begins.
            saved["schedulers"] = {number: state for number, state in saved["schedulers"].items()
                                   if state.get("last_epoch", 0) <= saved["passes_begun"]}
        training.registry.load(saved)
        if training.contract.joining:
            self._take_layouts(saved)
            training.gone = set(saved["gone"])
            training._tick_at, training._tick_interval = saved["tick"]
        else:
            training.gone = set(range(training.world)) - set(training.exchange.members)
            training._tick_at = saved["step"] + 1
        training.step = saved["step"]
        training.wire = saved["wire"] if training.contract.wire == "auto" else training.wire
        training.samples_repeated, training.samples_lost = saved["counted"]
        training.end_ghost()
        if not training.exchange.is_alone:  # nobody is let in during a takeover; the ghost only walked further than its own loader
            training.in_takeover = False
        if is_same_world:
            self._go_on_with_data(saved)
        self._set_random_state(saved)
        training.pace.begin(training.step)
        if training.contract.joining:
            training.worker.send("joined", epoch=training.exchange.epoch, step=training.step)

    def _go_on_with_data(self, saved):
        training = self._training
        own = self._ranks.get(training.contract.slot, {})
        for walk in training.open_passes():
            described = saved["passes"].get(walk.number) if walk.number is not None else None
            handed = described["done"] + described["handed"] if described is not None else walk.lap.handed
            if handed != walk.lap.handed:
                self._lose_place(f"it took {walk.lap.handed} batches of the data, the others {handed}")
            walk.go_on(described, own.get("passes", {}).get(walk.serial))
            if not training.contract.joining:
                for slot in training.exchange.members:
                    walk.lap.came(slot)

    def _lose_place(self, why):
        self._training.worker.warn(
            "The script does not run the same way twice, so that a rank cannot take up where another was.", why.capitalize() + ".",
            "Let its control flow depend on nothing but its arguments and the data, or use openclaw.state and openclaw.resume.")
        raise LostPlace(why)

    def _set_random_state(self, saved):
        training = self._training
        own = self._ranks.get(training.contract.slot)
        if own is not None:
            snapshot.set_random_state(own["random"])
        elif self._digests and len(self._digests) > 1 and len(set(self._digests)) == 1:
            snapshot.set_random_state(saved["random"])  # all ranks draw the same numbers: so does this one
        else:
            snapshot.seed_apart(saved["random"], training.contract.slot)

    def _take_layouts(self, saved):
        """The others rebuilt their gradient buckets in the order in which gradients came; this rank has seen none come."""
        training = self._training
        for number, model in training.registry.living("models"):
            if model.find_unused_parameters and not model.static_graph:
                continue
            layout = saved["layouts"].get(number)
            model.reducer._push_all_rebuilt_params()
            if layout:
                training.layout_replay = list(layout)
                model.reducer._rebuild_buckets()
                model._has_rebuilt_buckets = True
                training.layout_replay = None
                training.layouts[number] = layout

