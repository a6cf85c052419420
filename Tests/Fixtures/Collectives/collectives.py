"""Collective operations between the ranks of a job: a thin layer of ctypes over libopenclaw_collectives.so.

    group = Group(slot=0)
    group.configure(epoch=1, members=[(0, group.address, host_id()), (1, "127.0.0.1:4100", host_id())])
    group.all_reduce(gradients, AVERAGE)            # a contiguous torch tensor or numpy array, in place
    work = group.all_reduce(gradients, wire=INT8, bucket=3, wait=False)
    work.wait()

It is the whole interface for tests and benchmarks; what users load is in adapters/python. Buffers are given as torch tensors, numpy arrays, or (address, count, type). Neither torch nor numpy is imported here. The
library is what OPENCLAW_COLLECTIVES names, or what `make build` left.
"""

import ctypes
import os
import pathlib

FLOAT32, FLOAT64, FLOAT16, BFLOAT16, INT32, INT64, UINT8 = range(7)
SUM, AVERAGE, MAXIMUM, MINIMUM, PRODUCT = range(5)
WIRE_FLOAT32, WIRE_BFLOAT16, WIRE_INT8 = range(3)
WIRES = {"float32": WIRE_FLOAT32, "bfloat16": WIRE_BFLOAT16, "int8": WIRE_INT8}
BYTES = {FLOAT32: 4, FLOAT64: 8, FLOAT16: 2, BFLOAT16: 2, INT32: 4, INT64: 8, UINT8: 1}
VERSION = 1

_TYPES = {
    "float32": FLOAT32, "float64": FLOAT64, "float16": FLOAT16, "bfloat16": BFLOAT16, "int32": INT32, "int64": INT64,
    "uint8": UINT8, "bool": UINT8,
}


class CollectiveError(RuntimeError):
    """Why an operation or a membership ended. `slot` is the slot at fault, `epoch` a later epoch that others are in, or None."""

    def __init__(self, text, slot=None, epoch=None):
        super().__init__(text)
        self.slot = slot
        self.epoch = epoch


class BadArgument(CollectiveError):
    """The call itself is wrong."""


class PeerDead(CollectiveError):
    """A member's process ended, or its connection broke."""


class Aborted(CollectiveError):
    """`abort` was called, here or by a peer."""


class StaleEpoch(CollectiveError):
    """The others are in a later epoch: take the newer membership."""


class TimedOut(CollectiveError):
    """The given time passed."""


class Corrupted(CollectiveError):
    """Bytes did not have their checksum."""


class Mismatch(CollectiveError):
    """Ranks called different operations, or with different sizes."""


class NotConfigured(CollectiveError):
    """There is no membership."""


class Refused(CollectiveError):
    """A peer does not hold the job's secret."""


_ERRORS = {
    2: BadArgument, 3: PeerDead, 4: Aborted, 5: StaleEpoch, 6: TimedOut, 7: Corrupted, 8: Mismatch, 9: NotConfigured,
    10: Refused,
}


class Statistics(ctypes.Structure):
    """What a group did since it was made; openclaw_collectives.h says what each figure is."""

    _fields_ = [
        ("operations", ctypes.c_uint64), ("failures", ctypes.c_uint64), ("logical_bytes", ctypes.c_uint64),
        ("wire_bytes_sent", ctypes.c_uint64), ("wire_bytes_received", ctypes.c_uint64), ("shared_bytes", ctypes.c_uint64),
        ("epochs", ctypes.c_uint64), ("busy_s", ctypes.c_double), ("waiting_s", ctypes.c_double),
        ("waiting_for", ctypes.c_int32), ("reserved", ctypes.c_int32),
    ]


# What each function takes; all but three answer an int.
_POINTER, _OUT = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
_FUNCTIONS = {
    "collectives_version": [],
    "host_id": [ctypes.c_char_p, ctypes.c_size_t],
    "group_create": [ctypes.c_int32, ctypes.c_char_p, _OUT],
    "group_address": [_POINTER, ctypes.c_char_p, ctypes.c_size_t],
    "group_configure": [
        _POINTER, ctypes.c_uint64, ctypes.POINTER(ctypes.c_int32), ctypes.POINTER(ctypes.c_char_p),
        ctypes.POINTER(ctypes.c_char_p), ctypes.c_int32, ctypes.c_double],
    "group_abort": [_POINTER, ctypes.c_int32, ctypes.c_char_p],
    "group_state": [
        _POINTER, ctypes.POINTER(ctypes.c_uint64), ctypes.POINTER(ctypes.c_int32), ctypes.POINTER(ctypes.c_int32)],
    "group_set_timeout": [_POINTER, ctypes.c_double],
    "group_forget_residuals": [_POINTER, ctypes.c_uint32],
    "group_settle_residuals": [_POINTER, ctypes.c_int32],
    "group_statistics": [_POINTER, ctypes.POINTER(Statistics)],
    "all_reduce": [
        _POINTER, _POINTER, ctypes.c_uint64, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32, ctypes.c_uint32, _OUT],
    "broadcast": [_POINTER, _POINTER, ctypes.c_uint64, ctypes.c_int32, _OUT],
    "all_gather": [_POINTER, _POINTER, _POINTER, ctypes.c_uint64, _OUT],
    "barrier": [_POINTER, _OUT],
    "work_wait": [_POINTER, ctypes.c_double],
    "work_test": [_POINTER, ctypes.POINTER(ctypes.c_int32)],
}

_library = None


def library_path():
    """Where the library is: OPENCLAW_COLLECTIVES, or what `make build` left."""
    given = os.environ.get("OPENCLAW_COLLECTIVES")
    built = pathlib.Path(__file__).resolve().parents[3] / ".build" / "release" / "libopenclaw_collectives.so"
    if not given and not built.exists():
        raise CollectiveError(f"{built} is not there: `make build`, or set OPENCLAW_COLLECTIVES to the library's path.")
    return given or str(built)


def library():
    """The loaded library."""
    global _library
    if _library is None:
        loaded = ctypes.CDLL(library_path())
        for name, arguments in _FUNCTIONS.items():
            function = getattr(loaded, "openclaw_" + name)
            function.argtypes, function.restype = arguments, ctypes.c_int32
        loaded.openclaw_group_close.argtypes, loaded.openclaw_group_close.restype = [_POINTER], None
        loaded.openclaw_work_release.argtypes, loaded.openclaw_work_release.restype = [_POINTER], None
        loaded.openclaw_error_text.restype = ctypes.c_char_p
        loaded.openclaw_error_slot.restype = ctypes.c_int32
        loaded.openclaw_error_epoch.restype = ctypes.c_uint64
        if loaded.openclaw_collectives_version() != VERSION:
            raise CollectiveError(
                f"{library_path()} has interface {loaded.openclaw_collectives_version()}, and this package needs {VERSION}: "
                "install both from one version of openclaw.")
        _library = loaded
    return _library


def _check(code):
    if code == 0:
        return
    slot, epoch = _library.openclaw_error_slot(), _library.openclaw_error_epoch()
    text = _library.openclaw_error_text().decode(errors="replace")
    raise _ERRORS.get(code, CollectiveError)(text, slot if slot >= 0 else None, epoch or None)


def host_id():
    """Who shares memory with this process: ranks with the same text do."""
    text = ctypes.create_string_buffer(128)
    _check(library().openclaw_host_id(text, len(text)))
    return text.value.decode()


def _buffer(value):
    """(address, count, type, owner) of a torch tensor, a numpy array, or such a tuple without owner."""
    if isinstance(value, tuple):
        address, count, kind = value
        return address, count, kind, None
    if hasattr(value, "data_ptr"):
        if value.device.type != "cpu" or not value.is_contiguous():
            raise BadArgument("a tensor must be contiguous and in the memory of the CPU")
        name = str(value.dtype).removeprefix("torch.")
        address, count = value.data_ptr(), value.numel()
    elif hasattr(value, "__array_interface__"):
        if not value.flags["C_CONTIGUOUS"] or not value.flags["WRITEABLE"]:
            raise BadArgument("an array must be contiguous and writable")
        name, address, count = str(value.dtype), value.ctypes.data, value.size
    else:
        raise BadArgument(f"{type(value).__name__} is neither a torch tensor nor a numpy array")
    if name not in _TYPES:
        raise BadArgument(f"{name} is none of {', '.join(sorted(_TYPES))}")
    return address, count, _TYPES[name], value


class Work:
    """An operation that was started. Keeps its buffers alive until it ended."""

    def __init__(self, pointer, owners):
        self._pointer, self._owners = pointer, owners

    def wait(self, timeout_s=None):
        """Returns when it ended; raises how it failed. A wait that times out ends nothing."""
        _check(_library.openclaw_work_wait(self._pointer, timeout_s or 0))

    def done(self):
        """Whether it ended; raises how it failed."""
        ended = ctypes.c_int32()
        _check(_library.openclaw_work_test(self._pointer, ctypes.byref(ended)))
        return bool(ended.value)

    def __del__(self):
        if self._pointer:
            # The library may still write to the buffers: they must not go before it ended.
            _library.openclaw_work_wait(self._pointer, 0)
            _library.openclaw_work_release(self._pointer)
            self._pointer = None


class Group:
    """One rank's membership in a job."""

    def __init__(self, slot, listen="127.0.0.1:0"):
        self.slot = slot
        self._pointer = ctypes.c_void_p()
        _check(library().openclaw_group_create(slot, listen.encode(), ctypes.byref(self._pointer)))

    @property
    def address(self):
        """Where peers reach this rank: "host:port"."""
        text = ctypes.create_string_buffer(300)
        _check(_library.openclaw_group_address(self._pointer, text, len(text)))
        return text.value.decode()

    def configure(self, epoch, members, timeout_s=None):
        """Joins the members of an epoch, (slot, address, host) each; returns when all are there."""
        count = len(members)
        _check(_library.openclaw_group_configure(
            self._pointer, epoch, (ctypes.c_int32 * count)(*(slot for slot, _, _ in members)),
            (ctypes.c_char_p * count)(*(address.encode() for _, address, _ in members)),
            (ctypes.c_char_p * count)(*(host.encode() for _, _, host in members)), count, timeout_s or 0))

    def abort(self, slot=None, why=""):
        """Ends every operation in flight, from any thread; `slot` names a dead member."""
        _check(_library.openclaw_group_abort(self._pointer, -1 if slot is None else slot, why.encode()))

    def state(self):
        """(epoch, members, the number of the failure that ended it or 0)."""
        epoch, members, failed = ctypes.c_uint64(), ctypes.c_int32(), ctypes.c_int32()
        _check(_library.openclaw_group_state(
            self._pointer, ctypes.byref(epoch), ctypes.byref(members), ctypes.byref(failed)))
        return epoch.value, members.value, failed.value

    def set_timeout(self, seconds):
        """How long an operation waits for a peer that says nothing; None: for as long as it takes."""
        _check(_library.openclaw_group_set_timeout(self._pointer, seconds or 0))

    def forget_residuals(self, bucket=None):
        """Drops the rounding errors kept for a bucket, or for all."""
        _check(_library.openclaw_group_forget_residuals(self._pointer, 0xFFFFFFFF if bucket is None else bucket))

    def settle_residuals(self, keep):
        """Ends a step: what its operations spent stays spent, or goes back because the step will be done again."""
        _check(_library.openclaw_group_settle_residuals(self._pointer, int(keep)))

    def statistics(self):
        """What was done since the group was made."""
        figures = Statistics()
        _check(_library.openclaw_group_statistics(self._pointer, ctypes.byref(figures)))
        return figures

    def close(self):
        """Says goodbye to the peers and frees the group."""
        pointer, self._pointer = self._pointer, ctypes.c_void_p()
        if pointer:
            _library.openclaw_group_close(pointer)

    def _run(self, function, arguments, owners, wait):
        if wait:
            _check(function(self._pointer, *arguments, None))
            return None
        work = ctypes.c_void_p()
        _check(function(self._pointer, *arguments, ctypes.byref(work)))
        return Work(work, owners)

    def all_reduce(self, values, reduction=SUM, wire=WIRE_FLOAT32, bucket=0, wait=True):
        """The values of all ranks become one, in place. A Work where `wait` is false."""
        address, count, kind, owner = _buffer(values)
        return self._run(_library.openclaw_all_reduce, (address, count, kind, reduction, wire, bucket), owner, wait)

    def broadcast(self, values, root, wait=True):
        """The values of slot `root` become everybody's, in place."""
        address, count, kind, owner = _buffer(values)
        return self._run(_library.openclaw_broadcast, (address, count * BYTES[kind], root), owner, wait)

    def all_gather(self, own, everything, wait=True):
        """`everything` (as many times as large as `own` as there are members) becomes what each has, in the order of slots."""
        address, count, kind, owner = _buffer(own)
        into, room, other, keeper = _buffer(everything)
        members = self.state()[1]
        if kind != other or room != count * members:
            raise BadArgument(f"{room} values of type {other} cannot hold {members} times {count} of type {kind}")
        return self._run(_library.openclaw_all_gather, (address, into, count * BYTES[kind]), (owner, keeper), wait)

    def barrier(self, wait=True):
        """Returns when all members have come here."""
        return self._run(_library.openclaw_barrier, (), None, wait)
