"""One of two ranks that sum buffers of float32 over and over, by one library: run by rows/collectives.py.

    all_reduce_ranks.py ours|gloo|openmpi RANK PORT SIZES

Rank 0 prints one JSON line: for each size in bytes the median seconds of a call. Every call is waited for before the next.
"""

import ctypes
import json
import os
import pathlib
import statistics
import sys
import time

sys.dont_write_bytecode = True


class Ours:
    def __init__(self, rank, port):
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Tests" / "Fixtures" / "Collectives"))
        import collectives
        self.collectives = collectives
        host = collectives.host_id()
        self.group = collectives.Group(rank, f"127.0.0.1:{port + rank}")
        self.group.configure(1, [(slot, f"127.0.0.1:{port + slot}", host) for slot in range(2)], 60)

    def buffer(self, count):
        self.values = (ctypes.c_float * count)(*([1.0] * min(count, 4)))
        return ctypes.addressof(self.values), count, self.collectives.FLOAT32

    def reduce(self, buffer):
        self.group.all_reduce(buffer)

    def end(self):
        self.group.barrier()
        self.group.close()


class Gloo:
    def __init__(self, rank, port):
        import torch
        import torch.distributed
        torch.set_num_threads(1)
        self.torch = torch
        torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)

    def buffer(self, count):
        return self.torch.zeros(count)

    def reduce(self, buffer):
        self.torch.distributed.all_reduce(buffer)

    def end(self):
        self.torch.distributed.barrier()
        self.torch.distributed.destroy_process_group()


class OpenMPI:
    """Its C interface without a compiler: the constants of mpi.h are addresses of these symbols."""

    def __init__(self, rank, port):
        self.mpi = ctypes.CDLL("libmpi.so.40", mode=ctypes.RTLD_GLOBAL)
        self.mpi.MPI_Init(None, None)
        self.world, self.float, self.sum = (
            ctypes.c_void_p(ctypes.addressof(ctypes.c_char.in_dll(self.mpi, name)))
            for name in ("ompi_mpi_comm_world", "ompi_mpi_float", "ompi_mpi_op_sum"))

    def buffer(self, count):
        self.own, self.others = (ctypes.c_float * count)(), (ctypes.c_float * count)()
        return count

    def reduce(self, count):
        if self.mpi.MPI_Allreduce(self.own, self.others, count, self.float, self.sum, self.world):
            raise RuntimeError("MPI_Allreduce failed")

    def end(self):
        self.mpi.MPI_Finalize()


def calls(size):
    return max(6, min(400, 64 * 1024 * 1024 // size))


def main():
    library, rank, port, sizes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
    if library == "openmpi":
        rank = int(os.environ["OMPI_COMM_WORLD_RANK"])
    peer = {"ours": Ours, "gloo": Gloo, "openmpi": OpenMPI}[library](rank, port)
    told = {}
    for size in sizes:
        buffer = peer.buffer(size // 4)
        times = []
        for call in range(calls(size) + 3):
            began = time.perf_counter()
            peer.reduce(buffer)
            if call >= 3:
                times.append(time.perf_counter() - began)
        told[size] = statistics.median(times)
    peer.end()
    if rank == 0:
        print(json.dumps(told), flush=True)


main()
