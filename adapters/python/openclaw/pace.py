"""Pace: how long steps take, what of that is waiting for gradients, and what follows for the wire."""

import collections
import time

from . import saying
from .mesh import WIRES

_NAMES = {number: name for name, number in WIRES.items()}
REPORT_EVERY_S = 0.1
LOSS_EVERY_S = 1.0
WAITS_KEPT = 16
# Shares of a step that it waits for gradients, from which on shorter numbers are sent; and the steps seen before.
BFLOAT16_FROM, BFLOAT16_STEPS = 0.10, 8
INT8_FROM, INT8_STEPS = 0.25, 32
# Longer numbers are tried again where the share was below this part of what shorter ones had been chosen for, for so many looks (ticks)
# in a row, at first and at most.
CALM_PART, CALM_LOOKS, CALM_LOOKS_MAX = 0.5, 8, 512
# In the wishes of a tick: the lowest slot's choice of a wire, in the two highest bits.
_TELLS_WIRE, _WIRE_SHIFT = 0x20, 6


class Pace:
    """Used by the script's main thread, once a step."""

    def __init__(self, mesh, worker):
        self.unit = None  # the gradients of the step that is under way
        self._losses, self._losses_count, self._loss_told_at = None, 0, 0.0  # the sum of what backwards began with since the last was told
        self._mesh, self._worker = mesh, worker
        self._waits = collections.deque(maxlen=WAITS_KEPT)
        self._waited_s = self._communicated_s = 0.0  # since the last report
        self._choice = WireChoice()
        self._telling = self._told = 0.0, 0.0  # seconds of a step, of them waited: at this tick, and at the one before
        self.begin(0)

    def begin(self, step):
        """A rank that just took its place has no step times to tell yet."""
        now = time.monotonic()
        self._reported_at, self._reported_step = now, step
        self._ticked_at, self._ticked_step, self._ticked_bytes = now, step, self._mesh.statistics().wire_bytes_sent

    def stepped(self, training):
        """After each step: tells the Worker, at most ten times a second."""
        unit, self.unit = self.unit, None
        if unit is not None and unit.settled_at is not None and unit.closed_at is not None:
            self._waits.append(max(0.0, unit.settled_at - unit.closed_at))
            self._waited_s += self._waits[-1]
            self._communicated_s += unit.communication_s
        now = time.monotonic()
        steps = training.step - self._reported_step
        if now - self._reported_at < REPORT_EVERY_S or steps <= 0:
            return
        step_s, wait_s = (now - self._reported_at) / steps, self._waited_s / steps
        statistics = self._mesh.statistics()
        self._worker.send(
            "progress", step=training.step, samples=training.samples, step_s=step_s, compute_s=max(0.0, step_s - wait_s),
            communication_s=self._communicated_s / steps, wait_s=wait_s, epoch=training.exchange.epoch,
            wire_bytes=statistics.wire_bytes_sent, logical_bytes=statistics.logical_bytes,
            data_epoch=training.passes_begun, **training.totals)
        self._reported_at, self._reported_step = now, training.step
        self._waited_s = self._communicated_s = 0.0
        self._tell_loss(training, now)

    def _tell_loss(self, training, now):
        """For a script that logs none itself: of the lowest slot, and not often, since reading it may wait for an accelerator."""
        if self._losses is not None and now - self._loss_told_at >= LOSS_EVERY_S:
            if training.leads and "loss" not in saying.logged:
                self._worker.send("log", step=training.step, values={"loss": float(self._losses) / self._losses_count})
            self._losses, self._losses_count, self._loss_told_at = None, 0, now

    def saw_loss(self, value):
        """A tensor of one element: summed where it is, so that nothing waits for it."""
        self._losses = value if self._losses is None else self._losses + value.to(self._losses.device)
        self._losses_count += 1

    def since_tick(self, step):
        """-> (mean seconds of a step, of them waited after backward's own work was done, bytes sent between hosts)"""
        step_s = (time.monotonic() - self._ticked_at) / max(1, step - self._ticked_step)
        wait_s = sum(self._waits) / len(self._waits) if self._waits else 0.0
        self._telling = step_s, wait_s
        return step_s, wait_s, self._mesh.statistics().wire_bytes_sent - self._ticked_bytes

    def wire_wish(self, wire, leads):
        """What goes into this rank's wishes: the lowest slot says what all send in from this tick on."""
        if not leads or self._choice.wish in (None, wire):
            return 0
        return _TELLS_WIRE | self._choice.wish << _WIRE_SHIFT

    def agreed_wire(self, wire, step, table):
        """After a tick: what all ranks send in from here on."""
        told = next((row[1] >> _WIRE_SHIFT for row in table if row[1] & _TELLS_WIRE), wire)
        if told != wire:
            step_s, wait_s = self._told
            self._worker.send("wire", step=step, format=_NAMES[told], before=_NAMES[wire], compute_s=max(0.0, step_s - wait_s),
                              wait_s=wait_s, why=self._choice.why or "the lowest rank had measured so")
            self._choice.changed(wire, told)
            self._waits.clear()
        self._choice.judge(told, step, table)
        self._told = self._telling
        return told

    def ticked(self, step):
        self._ticked_at, self._ticked_step = time.monotonic(), step
        self._ticked_bytes = self._mesh.statistics().wire_bytes_sent


class WireChoice:
    """`wire: auto`. Every rank judges what all of them told at a tick, and the lowest slot tells the others with its next one what
    it chose: all change at the same step, and a rank that came later needs to know nothing of what was before."""

    def __init__(self):
        self.wish = None  # for the next tick: another format than the one that is in use
        self.why = ""
        self._calm = 0  # looks in a row at which the steps hardly waited
        self._patience = CALM_LOOKS
        self._since_back = None  # looks since longer numbers were tried again

    def judge(self, wire, step, table):
        """`table` has rows of (epoch, wishes, step_s, wait_s, bytes). Shorter numbers pay only where steps wait for bytes between hosts.
        Longer ones are tried again where steps have hardly waited for a while, because the link got faster or there is more to
        compute; where that was too early, the next try comes after twice that while."""
        self.wish = None
        if self._since_back is not None:
            self._since_back += 1
        if not any(row[4] for row in table):
            self._calm = 0
            return
        # Of the waits the least: who waits longest waits for a slow rank, not for the wire.
        share = min(row[3] for row in table) / max(1e-9, max(row[2] for row in table))
        calm_below = CALM_PART * (BFLOAT16_FROM if wire == WIRES["bfloat16"] else INT8_FROM)
        self._calm = self._calm + 1 if share < calm_below else 0
        if wire == WIRES["float32"] and step >= BFLOAT16_STEPS and share > BFLOAT16_FROM:
            self._want(WIRES["bfloat16"], f"{share * 100:.0f} % of a step was waiting for bytes between hosts, more than "
                                          f"{BFLOAT16_FROM * 100:.0f} %")
        elif wire == WIRES["bfloat16"] and step >= INT8_STEPS and share > INT8_FROM:
            self._want(WIRES["int8"], f"{share * 100:.0f} % of a step was waiting for bytes between hosts, more than "
                                      f"{INT8_FROM * 100:.0f} %")
        elif wire != WIRES["float32"] and self._calm >= self._patience:
            self._want(wire - 1, f"for {self._calm} looks in a row less than {calm_below * 100:.1f} % of a step was waiting for bytes")

    def _want(self, wire, why):
        self.wish, self.why = wire, why

    def changed(self, before, wire):
        """All ranks change now."""
        self._calm = 0
        if wire < before:
            self._since_back = 0
        elif self._since_back is not None:
            too_early = self._since_back <= 2 * CALM_LOOKS
            self._patience = min(CALM_LOOKS_MAX, self._patience * 2) if too_early else CALM_LOOKS
            self._since_back = None
