"""Mesh: this rank's connections to the others, made by libopenclaw_collectives.so and called through ctypes."""

import ctypes
import os

INTERFACE_VERSION = 1

FLOAT32, FLOAT64, FLOAT16, BFLOAT16, INT32, INT64, UINT8 = range(7)
SUM, AVERAGE, MAXIMUM, MINIMUM, PRODUCT = range(5)
WIRES = {"float32": 0, "bfloat16": 1, "int8": 2}

_TEXT_BYTES = 256


class MeshBroken(Exception):
    """The operation did not end well because of a peer, or of an abort: a newer membership will mend it."""

    def __init__(self, text, code, slot=-1):
        super().__init__(text)
        self.code = code
        self.slot = slot


class MeshRefused(Exception):
    """The operation cannot be done, whoever the members are."""


STALE_EPOCH = 5
# Codes that a new membership mends: failed sockets, dead peer, aborted, stale epoch, timed out, corrupted, not configured.
_MENDED_BY_MEMBERSHIP = {1, 3, 4, STALE_EPOCH, 6, 7, 9}


class Statistics(ctypes.Structure):
    """Since the mesh was made: bytes, seconds and counts (openclaw_collectives.h says what each is)."""

    _fields_ = [
        ("operations", ctypes.c_uint64), ("failures", ctypes.c_uint64), ("logical_bytes", ctypes.c_uint64),
        ("wire_bytes_sent", ctypes.c_uint64), ("wire_bytes_received", ctypes.c_uint64),
        ("shared_bytes", ctypes.c_uint64), ("epochs", ctypes.c_uint64), ("busy_s", ctypes.c_double),
        ("waiting_s", ctypes.c_double), ("waiting_for", ctypes.c_int32), ("reserved", ctypes.c_int32),
    ]


def _library(path):
    """The library with its functions' types declared; a clear error where it is missing or of another version."""
    if not path or not os.path.exists(path):
        raise MeshRefused(f"The collectives' library is missing: OPENCLAW_COLLECTIVES is {path!r}. "
                          "Install OpenClaw whole, or build it with `make build`.")
    library = ctypes.CDLL(path)
    number, text, pointer = ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p
    for name, arguments in {
        "openclaw_host_id": [text, ctypes.c_size_t],
        "openclaw_group_create": [number, text, ctypes.POINTER(pointer)],
        "openclaw_group_address": [pointer, text, ctypes.c_size_t],
        "openclaw_group_configure": [pointer, ctypes.c_uint64, ctypes.POINTER(number), ctypes.POINTER(text),
                                     ctypes.POINTER(text), number, ctypes.c_double],
        "openclaw_group_abort": [pointer, number, text],
        "openclaw_all_reduce": [pointer, pointer, ctypes.c_uint64, number, number, number, ctypes.c_uint32, pointer],
        "openclaw_broadcast": [pointer, pointer, ctypes.c_uint64, number, pointer],
        "openclaw_all_gather": [pointer, pointer, pointer, ctypes.c_uint64, pointer],
        "openclaw_barrier": [pointer, pointer],
        "openclaw_group_settle_residuals": [pointer, number],
        "openclaw_group_statistics": [pointer, ctypes.POINTER(Statistics)],
        "openclaw_collectives_version": [],
        "openclaw_error_slot": [],
    }.items():
        getattr(library, name).argtypes = arguments
        getattr(library, name).restype = number
    library.openclaw_error_text.restype = text
    library.openclaw_group_close.argtypes = [pointer]
    library.openclaw_group_close.restype = None
    version = library.openclaw_collectives_version()
    if version != INTERFACE_VERSION:
        raise MeshRefused(f"The collectives' library speaks version {version} of its interface, this package "
                          f"{INTERFACE_VERSION}. Install both from one release of OpenClaw.")
    return library


class Mesh:
    """One rank's group. Operations are called from one thread; `abort` from any."""

    def __init__(self, library_path, slot, listen):
        self._library = _library(library_path)
        self._group = ctypes.c_void_p()
        self._check(self._library.openclaw_group_create(slot, f"{listen}:0".encode(), ctypes.byref(self._group)))
        self.slot = slot
        self.members = ()

    @property
    def address(self):
        into = ctypes.create_string_buffer(_TEXT_BYTES)
        self._check(self._library.openclaw_group_address(self._group, into, _TEXT_BYTES))
        return into.value.decode()

    @property
    def host(self):
        into = ctypes.create_string_buffer(_TEXT_BYTES)
        self._check(self._library.openclaw_host_id(into, _TEXT_BYTES))
        return into.value.decode()

    def configure(self, epoch, members, timeout_s):
        """Connects to every member of the epoch; returns when all are there."""
        count = len(members)
        slots = (ctypes.c_int32 * count)(*[one.slot for one in members])
        addresses = (ctypes.c_char_p * count)(*[one.address.encode() for one in members])
        hosts = (ctypes.c_char_p * count)(*[one.host.encode() for one in members])
        self.members = ()
        self._check(self._library.openclaw_group_configure(
            self._group, epoch, slots, addresses, hosts, count, timeout_s))
        self.members = tuple(one.slot for one in members)

    def abort(self, slot, why):
        """Ends what is in flight here and at the peers; `slot` >= 0 names the member that died."""
        if self._group:
            self._library.openclaw_group_abort(self._group, slot, why.encode())

    def all_reduce(self, address, count, kind, reduction, wire=0, bucket=0):
        """The `count` values at `address` become the sum (or average ...) over all members."""
        if len(self.members) > 1:
            self._check(self._library.openclaw_all_reduce(
                self._group, address, count, kind, reduction, wire, bucket, None))

    def broadcast(self, address, size, root):
        """The `size` bytes at `address` become those of slot `root`."""
        if len(self.members) > 1:
            self._check(self._library.openclaw_broadcast(self._group, address, size, root, None))

    def all_gather(self, own):
        """Everybody's block of bytes, by slot. All blocks have one length."""
        if len(self.members) == 1:
            return {self.slot: bytes(own)}
        size = len(own)
        into = ctypes.create_string_buffer(size * len(self.members))
        self._check(self._library.openclaw_all_gather(self._group, ctypes.c_char_p(bytes(own)), into, size, None))
        whole = into.raw
        return {slot: whole[at * size:(at + 1) * size] for at, slot in enumerate(self.members)}

    def barrier(self):
        """Returns when all members came here."""
        if len(self.members) > 1:
            self._check(self._library.openclaw_barrier(self._group, None))

    def settle_residuals(self, keep):
        """Ends a step: the rounding errors that it spent stay spent (`keep`), or are as they were, because it is done again."""
        self._check(self._library.openclaw_group_settle_residuals(self._group, 1 if keep else 0))

    def statistics(self):
        into = Statistics()
        self._check(self._library.openclaw_group_statistics(self._group, ctypes.byref(into)))
        return into

    def close(self):
        """Says goodbye to the peers. Nothing may be called afterwards but `abort`, which then does nothing."""
        group, self._group = self._group, ctypes.c_void_p()
        if group:
            self._library.openclaw_group_close(group)

    def _check(self, code):
        if code == 0:
            return
        text = (self._library.openclaw_error_text() or b"").decode(errors="replace") or f"code {code}"
        if code in _MENDED_BY_MEMBERSHIP:
            raise MeshBroken(text, code, self._library.openclaw_error_slot())
        raise MeshRefused(text)
