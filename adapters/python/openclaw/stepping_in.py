"""Stepping in: the adapter waits for torch (or TensorFlow) to be imported, and then takes its place in it."""

import importlib.abc
import importlib.util
import os
import sys

from .contract import Contract

# Module that is imported -> what then steps into it.
ADAPTERS = {
    "torch": "openclaw.pytorch.patches:install",
    "tensorflow": "openclaw.tensorflow.job:install",
    "keras.src.backend.tensorflow.trainer": "openclaw.tensorflow.fitting:install",
    "keras.src.optimizers.base_optimizer": "openclaw.tensorflow.gradients:install",
    "keras.src.optimizers.loss_scale_optimizer": "openclaw.tensorflow.gradients:install_scaling",
    "keras.src.saving.saving_api": "openclaw.tensorflow.fitting:saving",
}
_is_watching = False


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the usual finders find, and adds a step after the module ran."""

    def __init__(self):
        self._seeking = set()

    def find_spec(self, name, path=None, target=None):
        if name not in ADAPTERS or name in self._seeking:
            return None
        self._seeking.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._seeking.discard(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, name)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader, name):
        self._loader, self._name = loader, name

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        # The module must look as if nobody stood between: its own loader, also for what it imports itself.
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        _adapt(self._name)

    def __getattr__(self, name):
        return getattr(self._loader, name)


def _adapt(name):
    contract = Contract.of_environment()
    if contract is not None:
        module, function = ADAPTERS[name].split(":")
        getattr(importlib.import_module(module), function)(contract)


def watch():
    """Called at the start of Python by the hook folder's sitecustomize, by the .pth file, or by `python -m openclaw.run`.

    Does nothing where no Worker started this process. In children that import torch (workers of data loaders) nothing changes
    either: everything waits for init_process_group.
    """
    global _is_watching
    if _is_watching or not os.environ.get("OPENCLAW_WORKER_SOCKET"):
        return
    _is_watching = True
    for name in ADAPTERS:
        if name in sys.modules:
            _adapt(name)
    sys.meta_path.insert(0, _Finder())
