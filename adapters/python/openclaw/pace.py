"""Pace: how long steps take, what of that is waiting for gradients, and what follows for the wire."""

import collections
import time

from .mesh import WIRES

REPORT_EVERY_S = 0.1
WAITS_KEPT = 16
# Shares of a step that it waits for gradients, from which on shorter numbers are sent; and the steps seen before.
BFLOAT16_FROM, BFLOAT16_STEPS = 0.10, 8
INT8_FROM, INT8_STEPS = 0.25, 32


class Pace:
    """Used by the script's main thread, once a step."""

    def __init__(self, mesh, worker):
        self.unit = None  # the gradients of the step that is under way
        self._mesh, self._worker = mesh, worker
        self._waits = collections.deque(maxlen=WAITS_KEPT)
        self._waited_s = self._communicated_s = 0.0  # since the last report
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

    def since_tick(self, step):
        """-> (mean seconds of a step, of them waited after backward's own work was done, bytes sent between hosts)"""
        step_s = (time.monotonic() - self._ticked_at) / max(1, step - self._ticked_step)
        wait_s = sum(self._waits) / len(self._waits) if self._waits else 0.0
        return step_s, wait_s, self._mesh.statistics().wire_bytes_sent - self._ticked_bytes

    def ticked(self, step):
        self._ticked_at, self._ticked_step = time.monotonic(), step
        self._ticked_bytes = self._mesh.statistics().wire_bytes_sent


def chosen_wire(wire, step, table):
    """`wire: auto`. Shorter numbers pay only where steps wait for bytes between hosts; all ranks see the same table of
    (epoch, wishes, step_s, wait_s, bytes) and so choose the same."""
    if not any(row[4] for row in table):
        return wire
    # Of the waits the least: who waits longest waits for a slow rank, not for the wire.
    share = min(row[3] for row in table) / max(1e-9, max(row[2] for row in table))
    if wire == WIRES["float32"] and step >= BFLOAT16_STEPS and share > BFLOAT16_FROM:
        return WIRES["bfloat16"]
    if wire == WIRES["bfloat16"] and step >= INT8_STEPS and share > INT8_FROM:
        return WIRES["int8"]
    return wire
