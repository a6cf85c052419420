"""Contract: what the Worker tells its script by environment variables, read once."""

import dataclasses
import os


@dataclasses.dataclass(frozen=True)
class Contract:
    """One rank of one job, as its Worker started it. Times in seconds."""

    job: str
    attempt: int  # 1 for the first life of the job, one more after each whole-job restart
    slot: int  # stable over the job's life; a replacement takes the slot of the rank that died
    world: int  # how many slots there are, dead ones included
    worker_socket: str  # the unix socket of this rank's Worker
    collectives: str  # path of libopenclaw_collectives.so
    checkpoints: str  # folder of the job's checkpoints; empty when the job takes none
    checkpoint_every_s: float
    checkpoint_keep: int
    wire: str  # auto, float32, bfloat16 or int8
    joining: bool  # this process replaces one that died, while the others go on
    listen: str  # where the mesh and the side channel listen: an address without a port
    secret: bytes  # shared by the ranks of the job; empty when they all run on this host
    membership_timeout_s: float

    @staticmethod
    def of_environment(environment=os.environ):
        """The contract of this process, or None where no Worker started it."""
        if not environment.get("OPENCLAW_WORKER_SOCKET"):
            return None
        return Contract(
            job=environment.get("OPENCLAW_JOB", "job"),
            attempt=int(environment.get("OPENCLAW_ATTEMPT") or 1),
            slot=int(environment.get("OPENCLAW_SLOT") or environment.get("RANK") or 0),
            world=int(environment.get("WORLD_SIZE") or 1),
            worker_socket=environment["OPENCLAW_WORKER_SOCKET"],
            collectives=environment.get("OPENCLAW_COLLECTIVES", ""),
            checkpoints=environment.get("OPENCLAW_CHECKPOINTS", ""),
            checkpoint_every_s=float(environment.get("OPENCLAW_CHECKPOINT_EVERY_S") or 30),
            checkpoint_keep=max(1, int(environment.get("OPENCLAW_CHECKPOINT_KEEP") or 3)),
            wire=environment.get("OPENCLAW_WIRE") or "auto",
            joining=environment.get("OPENCLAW_JOINING") == "1",
            listen=environment.get("OPENCLAW_LISTEN") or "127.0.0.1",
            secret=environment.get("OPENCLAW_JOB_SECRET", "").encode(),
            membership_timeout_s=float(environment.get("OPENCLAW_MEMBERSHIP_TIMEOUT_S") or 60),
        )
