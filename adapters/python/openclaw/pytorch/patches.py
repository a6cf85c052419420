"""Patches: where the adapter steps into torch, once, when it is imported under a Worker. Every patched function behaves as torch's
own until init_process_group has made a Training."""

import contextlib
import functools
import os
import threading
import time

import torch
import torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, DistributedSampler

from .. import ending, line
from . import limits
from .gradients import Gradients
from .passes import Pass
from .process_group import ProcessGroup
from .rescaling import samplers
from .training import Training

_training = None
_contract = None
_is_in_step = False
_early = {"optimizers": [], "schedulers": [], "scalers": [], "states": []}  # made before the process group


def training():
    """This process' Training, or None before init_process_group."""
    return _training


def _is_ghost():
    return _training is not None and _training.is_ghost


def register(kind, thing):
    """A thing whose state belongs to checkpoints."""
    if _training is not None:
        return _training.registry.add(kind, thing)
    return _early[kind].append(thing)


def install(contract):
    """Steps in. Called once, right after torch was imported."""
    global _contract
    _contract = contract
    _process_groups()
    _models()
    _backward()
    _optimizers()
    _loaders()
    _saving()
    _pauses()


# -- process groups


def _process_groups():
    original, destroy = dist.init_process_group, dist.destroy_process_group
    new_group = dist.new_group

    @functools.wraps(original)
    def init_process_group(backend=None, *arguments, **options):
        if _training is not None or dist.is_initialized():
            return original(backend, *arguments, **options)
        owns, why_not = _what_survives(backend)
        _begin(owns, why_not)
        if not owns:
            return original(backend, *arguments, **options)
        options = {name: value for name, value in options.items() if name in ("timeout", "group_name", "pg_options")}
        return original("openclaw", store=dist.HashStore(), rank=_contract.slot, world_size=_contract.world, **options)

    @functools.wraps(destroy)
    def destroy_process_group(group=None):
        if _training is not None and group in (None, dist.group.WORLD):
            _training.finish()
        return destroy(group)

    @functools.wraps(new_group)
    def wrapped_new_group(ranks=None, *arguments, **options):
        if _training is not None and _training.owns_group:
            if ranks is not None and sorted(ranks) != list(range(_training.world)):
                _training.needs_torchs_own("subgroups (new_group)")
            options = {name: value for name, value in options.items() if name in ("timeout", "group_desc")}
            return new_group(ranks, **options)
        return new_group(ranks, *arguments, **options)

    def create(options, _):
        return ProcessGroup(_training, options.group_rank, options.group_size)

    dist.Backend.register_backend("openclaw", create, extended_api=True, devices=["cpu", "cuda"])
    for module in (dist, dist.distributed_c10d):
        module.init_process_group, module.destroy_process_group = init_process_group, destroy_process_group
        module.new_group = wrapped_new_group


def _what_survives(backend):
    """-> (whether OpenClaw's process group takes the place of torch's, reasons why a death cannot be hidden)"""
    why_not, needs_own = limits.of_script(limits.main_script())
    marker = os.path.join(_contract.checkpoints, "stock") if _contract.checkpoints else ""
    if marker and os.path.exists(marker):
        with open(marker) as file:
            why_not.append(f"it uses {file.read().strip()}")
        needs_own = True
    if "nccl" in str(backend or "").lower() or (backend is None and torch.cuda.is_available()):
        why_not.append("NCCL carries its gradients, and cannot lose a rank")
        needs_own = True
    return not needs_own, why_not


def _begin(owns, why_not):
    global _training
    line.introduce("torch", why_not, ["it has not taken a step yet"])
    worker = line.worker()
    made = Training(_contract, worker, owns)
    for kind, things in _early.items():
        for thing in things:
            made.registry.add(kind, thing)
    _early.update({kind: [] for kind in _early})
    _training = made
    ending.hear(worker, made.finish, lambda: _contract.joining and made.is_ghost)
    made.begin()


# -- models and gradients


def _models():
    init, forward, hooking = (DistributedDataParallel.__init__, DistributedDataParallel.forward,
                              DistributedDataParallel.register_comm_hook)

    @functools.wraps(init)
    def wrapped_init(self, *arguments, **options):
        init(self, *arguments, **options)
        if _training is not None:
            self._openclaw_number = _training.registry.add("models", self)
            self._openclaw_hooked = False

    @functools.wraps(hooking)
    def register_comm_hook(self, *arguments, **options):
        if _training is not None and not getattr(self, "_openclaw_is_ours", False):
            self._openclaw_hooked = True
        return hooking(self, *arguments, **options)

    def _hook(model):
        if _training.owns_group:
            hooking(model, None, Gradients(_training, model._openclaw_number).hook)
        elif _contract.wire == "bfloat16":
            hooking(model, None, default_hooks.bf16_compress_hook)  # torch's own group carries it, half as long

    @functools.wraps(forward)
    def wrapped_forward(self, *arguments, **options):
        if _training is None or not hasattr(self, "_openclaw_number"):
            return forward(self, *arguments, **options)
        if _training.is_ghost:
            return _training.ghost.forward(self, arguments, options)
        if not self._openclaw_hooked:
            self._openclaw_hooked = self._openclaw_is_ours = True
            _hook(self)
        _training.is_in_forward = True
        _training.layout_record = None if self._has_rebuilt_buckets else []
        try:
            return forward(self, *arguments, **options)
        finally:
            _training.is_in_forward = False
            record, _training.layout_record = _training.layout_record, None
            if record and self._has_rebuilt_buckets:
                _training.layouts[self._openclaw_number] = [one.clone() for one in record]

    DistributedDataParallel.__init__ = wrapped_init
    DistributedDataParallel.forward = wrapped_forward
    DistributedDataParallel.register_comm_hook = register_comm_hook


def _backward():
    for owner, name in ((torch.Tensor, "backward"), (torch.autograd, "backward")):
        original = getattr(owner, name)

        def backward(*arguments, _original=original, **options):
            if _is_ghost():
                models = [model for _, model in _training.registry.living("models")]
                return _training.ghost.backward(models)
            if _training is not None and arguments:
                _training.saw_loss(arguments[0])
            return _original(*arguments, **options)

        setattr(owner, name, functools.wraps(original)(backward))


# -- optimizers, schedulers, scalers


@contextlib.contextmanager
def _step():
    """The outermost step is the boundary: GradScaler.step calls Optimizer.step, or does not."""
    global _is_in_step
    is_outermost, _is_in_step = not _is_in_step, True
    try:
        yield is_outermost
    finally:
        if is_outermost:
            _is_in_step = False
    if is_outermost and _training is not None:
        _training.boundary()


def _optimizers():
    profiled = Optimizer.profile_hook_step

    def profile_hook_step(func):
        inner = profiled(func)

        @functools.wraps(inner)
        def step(*arguments, **options):
            with _step():
                return None if _is_ghost() else inner(*arguments, **options)

        return step

    Optimizer.profile_hook_step = staticmethod(profile_hook_step)
    _numbered(Optimizer, "optimizers")
    _numbered(LRScheduler, "schedulers")
    stepping = LRScheduler.step

    @functools.wraps(stepping)
    def scheduler_step(self, *arguments, **options):
        if _training is None:
            return stepping(self, *arguments, **options)
        # A schedule of N steps has no more, however many batches were taken over from a rank that died.
        if not (_training.in_takeover or _training.is_over):
            for _ in range(_training.rescaling.steps_due(self)):
                stepping(self, *arguments, **options)
        return None

    LRScheduler.step = scheduler_step
    for scaler in {torch.amp.GradScaler, torch.cuda.amp.GradScaler}:
        if "step" in vars(scaler):
            _scaler(scaler)


def _scaler(scaler):
    _numbered(scaler, "scalers")
    step = scaler.step

    @functools.wraps(step)
    def wrapped_step(self, optimizer, *arguments, **options):
        with _step():
            return None if _is_ghost() else step(self, optimizer, *arguments, **options)

    scaler.step = wrapped_step
    for name in ("update", "unscale_"):
        original = getattr(scaler, name)

        def quiet(self, *arguments, _original=original, **options):
            return None if _is_ghost() or _training is not None and _training.is_over else _original(self, *arguments, **options)

        setattr(scaler, name, functools.wraps(original)(quiet))


def _numbered(kind_of, kind):
    """Every object of the class and of its subclasses is known from its making on."""

    def new(cls, *_, **__):
        made = object.__new__(cls)
        register(kind, made)
        return made

    kind_of.__new__ = staticmethod(new)


# -- data, files


def _loaders():
    walk = DataLoader.__iter__

    @functools.wraps(walk)
    def wrapped_iter(self):
        return Pass(_training, self, walk) if _training is not None else walk(self)

    DataLoader.__iter__ = wrapped_iter
    dealing = DistributedSampler.__init__

    @functools.wraps(dealing)
    def wrapped_dealing(self, *arguments, **options):
        dealing(self, *arguments, **options)
        samplers.add(self)

    DistributedSampler.__init__ = wrapped_dealing


def _pauses():
    pause = time.sleep

    @functools.wraps(pause)
    def sleep(seconds):
        # A ghost that waits as the others do never catches up with them.
        if not _is_ghost() or threading.current_thread() is not threading.main_thread():
            pause(seconds)

    time.sleep = sleep


def _saving():
    save = torch.save

    @functools.wraps(save)
    def wrapped_save(thing, file, *arguments, **options):
        if _is_ghost() and isinstance(file, (str, os.PathLike)):
            return None
        return save(thing, file, *arguments, **options)

    torch.save = wrapped_save
