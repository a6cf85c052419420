"""Job: this process' Training, made when the script first trains; and what the script does that OpenClaw stays out of."""

import importlib

from .. import line

_contract = None
_training = None
_own_strategy = ""


def install(contract):
    """Called right after TensorFlow was imported."""
    global _contract
    _contract = contract
    tf = importlib.import_module("tensorflow")
    # Data sets that shuffle without a seed of their own do it alike on all ranks, so that each can take its rows of a batch.
    tf.random.set_seed(_job_seed(contract.job))
    for name in ("MultiWorkerMirroredStrategy", "ParameterServerStrategy", "MirroredStrategy", "TPUStrategy",
                 "OneDeviceStrategy"):
        _stay_out_of(getattr(tf.distribute, name, None), name)


def training():
    """This process' Training, or None before the script trains."""
    return _training


def _job_seed(name):
    import zlib

    return zlib.crc32(name.encode())


def _stay_out_of(kind, name):
    """A script with a strategy of TensorFlow's own runs under the plain contract (TF_CONFIG), and is restarted whole."""
    if kind is None:
        return
    init = kind.__init__

    def noted(self, *arguments, **options):
        global _own_strategy
        _own_strategy = name
        line.introduce("tensorflow", [f"{name} carries its gradients, and cannot lose a rank"])
        init(self, *arguments, **options)

    kind.__init__ = noted


def is_foreign():
    return _contract is None or bool(_own_strategy)


def begun(why_not=""):
    """The Training, begun at the first call: the ranks find each other."""
    global _training
    if _training is None:
        from .training import Training

        line.introduce("tensorflow", [why_not] if why_not else [])
        _training = Training(_contract, line.worker())
        _training.begin()
    elif why_not:
        _training.cannot_survive(why_not)
    return _training


def carrying():
    """The Training that averages gradients, or None where somebody else does."""
    if is_foreign():
        return None
    if _training is None or _training.fit is None:
        begun("its training loop is its own: only model.fit tells where it is in the data")
    return _training
