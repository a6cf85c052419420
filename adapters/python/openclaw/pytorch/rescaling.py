"""Rescaling: another number of ranks while they train. At a step boundary those who leave go and those who come are let in; what the
walks over data have left is dealt anew among those who are there then."""

import functools
import time
import weakref

import torch.distributed as dist
from torch.utils.data import IterableDataset

from .. import line
from ..ending import leave_in_order
from . import limits
from .passes import split

LEAVE_WAIT_S = 5.0

samplers = weakref.WeakSet()  # every DistributedSampler of this process


class Rescaling:
    """How many slots the job has, as this rank knows it. Used by the script's main thread."""

    def __init__(self, training):
        self._training = training
        self.world = training.contract.world
        self.base = self.world  # the number of ranks that the script made its schedules for
        self.has_changed = False  # on any rank, since the schedules were made
        self._earlier = set()
        self.is_leaving = False
        self._since = None  # the change whose first step is under way: (when it began, epoch, ranks before)
        self._told = None  # what was last said against it

    @property
    def schedules(self):
        """What all ranks must know alike, so that their schedules go on alike."""
        return self.base, self.has_changed

    @schedules.setter
    def schedules(self, saved):
        self.base, self.has_changed = saved

    # -- whether

    def why_fixed(self):
        """Why the number of ranks cannot change at this boundary; empty where it can. The same on all ranks."""
        training = self._training
        walks = [walk for walk in training.open_passes() if not walk.is_over]
        if not training.owns_group:
            return ["torch's own process group carries its gradients"]
        if not any(walk.number is not None for walk in walks):
            return ["it takes steps outside of a walk over a DataLoader with a DistributedSampler, so nobody else knows its data"]
        if any(walk.number is None or not walk.loader._auto_collation or isinstance(walk.loader.dataset, IterableDataset)
               for walk in walks):
            return ["it walks at the same time over data that no DistributedSampler deals"]
        return []

    def stepped(self):
        """After each step: tells once what can be done, and of the first step with other ranks what the change cost."""
        if self._told != []:
            self._tell_whether()
        if self._since is not None:
            (started, epoch, before), self._since = self._since, None
            self._tell(epoch, before, time.monotonic() - started)

    def _tell_whether(self):
        why_fixed = self._standing + self.why_fixed()
        if why_fixed != self._told:
            self._told = why_fixed
            line.introduce_scaling(why_fixed)

    @functools.cached_property
    def _standing(self):
        """What the script's source has against it."""
        return limits.of_scaling(limits.main_script())

    def differs(self, membership):
        members = self._training.exchange.members
        return membership.world != self.world or any(one.slot in members for one in membership.leaving)

    # -- how

    def change(self, membership):
        """Every rank calls this at the same boundary. -> the slots that came in"""
        training = self._training
        if membership.state(training.contract.slot) == "leaving":
            self.is_leaving = True  # it does what its script does after a step, and goes when that asks for more
            return ()
        started, before = time.monotonic(), self.world
        is_done, came = training.exchange.reform(membership)
        if not is_done:
            return ()  # a rank died meanwhile; the next tick tries the newer membership
        self.has_changed = True
        left = [(walk, walk.remaining(walk.described())) for walk in training.open_passes()
                if walk.number is not None and not walk.is_over]
        self.enter(membership.world)
        training.gone = (training.gone | set(range(before, self.world))) & set(range(self.world))
        training.gone -= set(came)
        for walk, samples in left:
            walk.deal_anew(samples)
        self._since = started, membership.epoch, before
        self._tell(membership.epoch, before, time.monotonic() - started)
        return came

    def enter(self, world):
        """From here on the script is told of this many ranks, and its samplers deal to them."""
        if world == self.world:
            return
        self._earlier.add(self.world)
        self.world = world
        for sampler in list(samplers):
            self.fit(sampler)
        group = dist.group.WORLD
        if group is not None:
            dist.distributed_c10d._world.pg_group_ranks[group] = {rank: rank for rank in range(world)}

    def fit(self, sampler):
        """A sampler that deals to as many ranks as there were once deals to those that there are."""
        if sampler.num_replicas != self.world and sampler.num_replicas in self._earlier:
            split(sampler, self.world, self._training.contract.slot)

    def steps_due(self, scheduler):
        """How many steps of a schedule one step of the training is now: a schedule by batches was made for the batches of a pass
        with another number of ranks, and stays a schedule over the data."""
        training = self._training
        is_by_batch = any(walk.number is not None and not walk.is_over for walk in training.open_passes())
        if training.is_ghost or not self.has_changed or not is_by_batch:
            return 1
        owed = getattr(scheduler, "_openclaw_owed", 0.0) + self.world / self.base  # kept with the schedule's state
        steps = int(owed + 1e-9)
        scheduler._openclaw_owed = owed - steps
        total = getattr(scheduler, "total_steps", None)  # OneCycleLR refuses to go beyond
        return steps if total is None else max(0, min(steps, total - scheduler.last_epoch))

    def leave(self):
        """Called where the script asks for data, or for the others: they go on without it, and what it had left is theirs."""
        training = self._training
        training.finish_writing()
        training.worker.wait_for_membership(lambda it: it.state(training.contract.slot) == "gone", LEAVE_WAIT_S)
        leave_in_order(training.worker)

    def _tell(self, epoch, before, seconds):
        if self._training.leads:
            self._training.worker.send("rescaled", epoch=epoch, step=self._training.step, seconds=seconds, world=self.world,
                                       before=before)
