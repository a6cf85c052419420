"""ProcessGroup: torch.distributed over OpenClaw's mesh. The world's size is that of the job's slots, and changes where the job is
given more or fewer of them; who of them is there at the moment is the exchange's business."""

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import _create_work_from_future

from .. import mesh as wires
from ..exchange import Unit
from .gradients import KINDS

REDUCTIONS = (
    (dist.ReduceOp.SUM, wires.SUM), (dist.ReduceOp.AVG, wires.AVERAGE), (dist.ReduceOp.MAX, wires.MAXIMUM),
    (dist.ReduceOp.MIN, wires.MINIMUM), (dist.ReduceOp.PRODUCT, wires.PRODUCT),
)


class TensorUnit(Unit):
    """A collective operation of the script: its inputs are kept, its outputs written when it committed."""

    def __init__(self, attempt, outputs):
        super().__init__(attempt)
        self.future = torch.futures.Future()
        self._outputs = outputs

    def settle(self, error):
        super().settle(error)
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(self._outputs)


class ProcessGroup(dist.ProcessGroup):
    """What init_process_group gives the script under OpenClaw."""

    def __init__(self, training, rank, world):
        super().__init__(rank, world)
        self._training = training
        self._rank = rank

    def getBackendName(self):
        return "openclaw"

    @property
    def _world(self):
        return self._training.world

    # DistributedDataParallel asks in C++ by these names, the script in Python by the others.
    def getSize(self):
        return self._world

    def size(self):
        return self._world

    def getRank(self):
        return self._rank

    def rank(self):
        return self._rank

    # -- operations

    def allreduce(self, tensors, options=None):
        operation = getattr(options, "reduceOp", dist.ReduceOp.SUM)
        reduction = _reduction(operation)
        if reduction is None:
            self._training.needs_torchs_own(f"an all-reduce with {operation}")
        return self._start(lambda mesh, inputs: self._reduced(mesh, inputs, tensors, reduction), tensors, tensors)

    def allreduce_coalesced(self, tensors, options=None):
        return self.allreduce(tensors, options)

    def reduce(self, tensors, options):
        keeps = options.rootRank == self._rank
        scratch = tensors if keeps else [one.clone() for one in tensors]
        reduction = _reduction(options.reduceOp)
        return self._start(lambda mesh, inputs: self._reduced(mesh, inputs, scratch, reduction), scratch, tensors)

    def broadcast(self, tensors, options):
        root = options.rootRank
        training = self._training
        if training.layout_replay:
            tensors[0].copy_(training.layout_replay.pop(0))
            return _done(tensors)
        if training.layout_record is not None and tensors[0].dtype == torch.int32:
            training.layout_record.append(tensors[0])

        def attempt(mesh, inputs):
            source = root if root in mesh.members else min(mesh.members)
            for tensor, given in zip(tensors, inputs):
                host = given.clone()
                mesh.broadcast(host.data_ptr(), host.numel() * host.element_size(), source)
                tensor.copy_(host.view(tensor.shape))

        return self._start(attempt, tensors, tensors, root=root)

    def allgather(self, outputs, inputs, options=None):
        def attempt(mesh, given):
            for places, tensor in zip(outputs, given):
                self._gathered(mesh, tensor, lambda slot, one, to=places: to[slot].copy_(one.view(to[slot].shape)))

        return self._start(attempt, inputs, outputs)

    def all_gather_single(self, output, tensor, options=None):
        whole = output.view(self._world, -1)

        def attempt(mesh, given):
            self._gathered(mesh, given[0], lambda slot, one: whole[slot].copy_(one.view(-1)))

        return self._start(attempt, [tensor], output)

    _allgather_base = all_gather_single

    def allgather_into_tensor_coalesced(self, outputs, inputs, options=None):
        works = [self.all_gather_single(output, tensor) for output, tensor in zip(outputs, inputs)]
        return works[-1]

    def gather(self, outputs, inputs, options):
        scratch = [[torch.empty_like(inputs[0]) for _ in range(self._world)]]
        return self.allgather(outputs if options.rootRank == self._rank else scratch, inputs)

    def barrier(self, options=None):
        return self._start(lambda mesh, inputs: None, [], None)

    def _refuse(self, what):
        self._training.needs_torchs_own(what)

    def send(self, *_):
        self._refuse("send (point-to-point)")

    def recv(self, *_):
        self._refuse("recv (point-to-point)")

    def recv_anysource(self, *_):
        self._refuse("recv (point-to-point)")

    def scatter(self, *_):
        self._refuse("scatter")

    def reduce_scatter(self, *_):
        self._refuse("reduce_scatter")

    def reduce_scatter_single(self, *_):
        self._refuse("reduce_scatter")

    def _reduce_scatter_base(self, *_):
        self._refuse("reduce_scatter")

    def alltoall(self, *_):
        self._refuse("all_to_all")

    def alltoall_base(self, *_):
        self._refuse("all_to_all")

    # -- how

    def _start(self, attempt, inputs, outputs, root=None):
        training = self._training
        if training.rescaling.is_leaving:
            training.rescaling.leave()
        if training.is_ghost:
            return _done(self._as_ghost(inputs, outputs))
        if root is not None and root not in training.exchange.members and not training.is_in_forward:
            training.warn_of_absent_root(root)
        given = [_on_host(one) for one in inputs]
        unit = TensorUnit(lambda mesh: attempt(mesh, given), outputs)
        training.exchange.submit(unit)
        return _create_work_from_future(unit.future)

    def _as_ghost(self, inputs, outputs):
        """A ghost speaks to nobody: what it would have gathered from others is its own."""
        if isinstance(outputs, torch.Tensor):
            outputs.view(self._world, -1).copy_(inputs[0].reshape(1, -1).expand(self._world, -1))
        elif outputs and isinstance(outputs[0], list):
            for places, tensor in zip(outputs, inputs):
                for place in places:
                    place.copy_(tensor)
        return outputs

    def _reduced(self, mesh, inputs, outputs, reduction):
        for output, given in zip(outputs, inputs):
            host = given.clone()
            kind = KINDS.get(host.dtype)
            if kind is None:  # bool, int8, int16: exact in int64
                host, kind = host.to(torch.int64), wires.INT64
            if reduction == wires.AVERAGE and not host.dtype.is_floating_point:
                self._training.needs_torchs_own("an average of integers")
            mesh.all_reduce(host.data_ptr(), host.numel(), kind, reduction)
            if reduction == wires.SUM and host.dtype.is_floating_point and len(mesh.members) < self._world:
                # Divided by the world's size, as scripts do, the sum over fewer ranks stays an average.
                host.mul_(self._world / len(mesh.members))
            output.copy_(host.view(output.shape))

    def _gathered(self, mesh, tensor, put):
        size = tensor.numel() * tensor.element_size()
        own = bytes(tensor.reshape(-1).view(torch.uint8).numpy()) if size else b""
        blocks = mesh.all_gather(own) if size else {slot: b"" for slot in mesh.members}
        there = sorted(blocks)
        for slot in range(self._world):
            block = blocks.get(slot)
            if block is None:  # an absent rank's place holds what its neighbour sent: something that can be read
                block = blocks[there[slot % len(there)]]
            if size:
                put(slot, torch.frombuffer(bytearray(block), dtype=tensor.dtype))


def _reduction(operation):
    return next((ours for theirs, ours in REDUCTIONS if operation == theirs), None)


def _on_host(tensor):
    """The tensor's values, kept as they are now, contiguous and in main memory."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def _done(value):
    future = torch.futures.Future()
    future.set_result(value)
    return _create_work_from_future(future)
