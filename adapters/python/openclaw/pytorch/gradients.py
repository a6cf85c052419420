"""Gradients: the communication hook of DistributedDataParallel. Buckets are reduced while backward still runs; all buckets of
one backward commit together, because some could otherwise hold the sum of more ranks than others."""

import ctypes
import threading
import time

import torch

from .. import mesh as wires
from ..exchange import Unit

# In-memory types the mesh reduces as they are; others go by way of float32.
KINDS = {
    torch.float32: wires.FLOAT32, torch.float64: wires.FLOAT64, torch.float16: wires.FLOAT16,
    torch.bfloat16: wires.BFLOAT16, torch.int32: wires.INT32, torch.int64: wires.INT64, torch.uint8: wires.UINT8,
}


class Bucket:
    """One bucket of one backward: its buffer, and its input as it was until the step commits."""

    def __init__(self, buffer, number, kept):
        self.buffer = buffer
        self.future = torch.futures.Future()
        self._number = number
        self._kept = kept  # memory as large as the buffer, used again at every step
        self._is_kept = False
        self._on_host = buffer if buffer.device.type == "cpu" else None

    def attempt(self, mesh, wire):
        host = self._on_host
        if host is None:
            host = self._on_host = torch.empty(self.buffer.shape, dtype=self.buffer.dtype)
            host.copy_(self.buffer)
        size = host.numel() * host.element_size()
        # Not torch's copy: from this thread it would start a second pool of threads beside the one that computes.
        if self._is_kept:
            ctypes.memmove(host.data_ptr(), self._kept.data_ptr(), size)
        elif len(mesh.members) > 1:
            ctypes.memmove(self._kept.data_ptr(), host.data_ptr(), size)
            self._is_kept = True
        mesh.all_reduce(host.data_ptr(), host.numel(), KINDS[host.dtype], wires.AVERAGE, wire, self._number)

    def settle(self, error):
        if error is not None:
            self.future.set_exception(error)
            return
        if self._on_host is not self.buffer:
            self.buffer.copy_(self._on_host)
        self.future.set_result(self.buffer)


class GradientUnit(Unit):
    """The buckets of one backward, reduced in the order in which they become ready."""

    is_step = True

    def __init__(self, wire):
        super().__init__()
        self._wire = wire
        self._buckets = []
        self._is_closed = False
        self._more = threading.Condition()
        self.communication_s = 0.0
        self.closed_at = None
        self.settled_at = None

    @property
    def is_whole(self):
        return self._is_closed

    def add(self, bucket, is_last):
        with self._more:
            self._buckets.append(bucket)
            if is_last:
                self._is_closed = True
                self.closed_at = time.monotonic()
            self._more.notify_all()

    def _bucket(self, at):
        with self._more:
            while at >= len(self._buckets) and not self._is_closed:
                self._more.wait()
            return self._buckets[at] if at < len(self._buckets) else None

    def attempt(self, mesh):
        at = 0
        while (bucket := self._bucket(at)) is not None:
            started = time.monotonic()
            bucket.attempt(mesh, self._wire)
            self.communication_s += time.monotonic() - started
            at += 1

    def settle(self, error):
        self.settled_at = time.monotonic()
        with self._more:
            self._is_closed = True
        for bucket in self._buckets:
            bucket.settle(error)
        super().settle(error)


class Gradients:
    """The hook of one DistributedDataParallel, in the order of their making."""

    def __init__(self, training, number):
        self._training = training
        self._number = number
        self._unit = None
        self._kept = {}

    def hook(self, _, bucket):
        buffer = bucket.buffer()
        if self._unit is None:
            self._unit = self._training.begin_step_unit()
        number = self._number * 256 + bucket.index()
        kept = self._kept.get(number)
        if kept is None or kept.numel() != buffer.numel() or kept.dtype != buffer.dtype:
            kept = self._kept[number] = torch.empty(buffer.shape, dtype=buffer.dtype)
        part = Bucket(buffer, number, kept)
        unit = self._unit
        if bucket.is_last():
            self._unit = None
        unit.add(part, bucket.is_last())
        return part.future
