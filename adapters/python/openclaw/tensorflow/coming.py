"""Coming: how a rank takes up a training that is under way, at the others or in a checkpoint. The script runs from its top; a fit
that is over is passed over, and the one that is under way goes on where it is."""

import contextlib
import json
import struct
import time

from .. import peers
from . import snapshot


class LostPlace(Exception):
    """This replacement cannot find where the others are."""


class Coming:
    """Used by the thread that trains."""

    def __init__(self, training):
        self._training = training
        self._saved = None  # the state to take, once it is known
        self._position = None  # what the others said last about how far they are
        self._peer = ""
        self._asked_at = 0.0
        self._final = None  # the state after the last fit
        self.is_due = False  # this replacement is not a rank yet

    # -- a replacement

    def follow(self):
        training = self._training
        self.is_due = True
        membership = training.worker.wait_for_membership(
            lambda it: any(one.peer for one in it.live), training.contract.membership_timeout_s)
        if membership is None:
            raise LostPlace("No membership with a rank to follow came from the Worker.")

    def has_passed(self, fit):
        """Whether the others, or the checkpoint, are beyond this fit."""
        if self._final is not None:
            return True
        if self._saved is not None:
            return self._saved["fit"] > fit.number
        return self.is_due and self._others_have_passed(fit.number)

    def _others_have_passed(self, number):
        """Waits until they are in this fit or beyond it."""
        deadline = time.monotonic() + self._training.contract.membership_timeout_s
        while True:
            said = self._ask()
            if said is not None:
                deadline = time.monotonic() + self._training.contract.membership_timeout_s
                if said["is_finishing"]:
                    self._take_final()
                    return True
                if said["fit"] > number or (said["fit"] == number and said["is_over"]):
                    return True
                if said["fit"] == number:
                    return False
            if time.monotonic() > deadline:
                raise LostPlace("None of the other ranks answered.")
            time.sleep(0.05)

    def _ask(self):
        """What a living rank says about how far it is; None where nobody answers."""
        training = self._training
        for member in training.worker.membership.live:
            if member.peer and member.slot != training.contract.slot:
                with contextlib.suppress(OSError, ValueError):
                    self._position = json.loads(peers.ask(member.peer, training.contract.secret, "position", 10))
                    self._peer = member.peer
                    return self._position
        return None

    def _take_final(self):
        training = self._training
        answer = peers.ask(self._peer, training.contract.secret, f"state final {training.contract.slot}", 120)
        self._final = snapshot.unpacked(answer)
        self.is_due = False
        training.exchange.become_alone()

    def final_weights(self, at):
        """The weights of the script's model of this number after the last fit; None where training goes on."""
        return self._final["models"][at] if self._final is not None and at < len(self._final["models"]) else None

    def history_of(self, number):
        """What an earlier fit recorded."""
        known = self._final or self._saved or self._position or {}
        histories = known.get("histories", [])
        return histories[number - 1] if number <= len(histories) else {"history": {}, "epoch": []}

    def take(self, fit):
        """Takes the state, where there is one to take. False where the fit begins on all ranks."""
        if self.is_due and self._saved is None:
            self._come_in(fit)
        if self._saved is None:
            return False
        saved, self._saved = self._saved, None
        training = self._training
        training.step, training.wire = saved["step"], saved["wire"] if training.contract.wire == "auto" else training.wire
        training.histories, training.counted_before = list(saved["histories"]), saved["counted"]
        fit.go_on(saved)
        if self.is_due:
            training.tick_at, training.tick_interval = saved["tick"]
            self.is_due = False
            training.worker.send("joined", epoch=training.exchange.epoch, step=training.step)
        else:
            training.tick_at = training.step + 1
        return True

    def _come_in(self, fit):
        """Waits to be let in at a boundary of the others, and takes the state of one of them."""
        from .fits import FitIsOver

        training = self._training
        training.introduce()
        rows = training.exchange.join(training.mesh.address, lambda: self._has_ended(fit.number))
        if rows is None:
            if self._position["is_finishing"]:
                self._take_final()
            raise FitIsOver
        others = sorted(slot for slot, row in rows.items() if not row[2])
        address = next(one.peer for one in training.worker.membership.members if one.slot == others[0])
        key = training.exchange.epoch
        self._saved = snapshot.unpacked(peers.ask(address, training.contract.secret, f"state {key} {training.contract.slot}", 120))
        if self._saved["fit"] > fit.number:
            raise FitIsOver

    def _has_ended(self, number):
        now = time.monotonic()
        if now >= self._asked_at + 0.5:
            self._asked_at = now
            said = self._ask()
            return said is not None and (said["is_finishing"] or said["fit"] > number or (said["fit"] == number and said["is_over"]))
        return False

    # -- a checkpoint

    def find(self, folder):
        """All ranks agree on the newest checkpoint that is whole for everyone."""
        training = self._training
        bound = None
        while True:
            found = self._newest(folder, bound)
            own = struct.pack("<q", found[0] if found else -1)
            steps = [struct.unpack("<q", one)[0] for one in training.exchange.gather(own).values()]
            if min(steps) < 0:
                if max(steps) >= 0:
                    training.worker.warn("The job begins anew.", "Its checkpoints are not whole on every rank.",
                                         "Let all ranks see one checkpoint folder.")
                return
            if min(steps) == max(steps):
                break
            bound = min(steps) + 1
        self._saved = found[1]

    def _newest(self, folder, bound):
        for step in reversed(folder.steps()):
            if bound is None or step < bound:
                try:
                    return step, snapshot.unpacked(folder.read(step)[1]["state.pickle"])
                except Exception as error:  # whatever is wrong with it, there may be one before
                    if self._training.leads:
                        self._training.worker.warn(f"The checkpoint of step {step} is damaged and is not used.", str(error),
                                                   "The one before it is used.")
        return None
