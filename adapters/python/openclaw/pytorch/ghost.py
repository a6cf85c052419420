"""Ghost: a rank that runs the script from the top without training, until it is where the others are (or a checkpoint was).

Batches are one batch again and again, a forward pass gives its first answer again, backward and step do nothing, output is
muted. What remains is the script's own control flow: a few tenths of a millisecond a step.
"""

import logging
import sys

import torch
from torch.utils.data import _utils


class _Muted:
    """Takes everything that is printed, and prints none of it."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        return len(text)

    def writelines(self, lines):
        pass

    def flush(self):
        pass

    def __getattr__(self, name):
        return getattr(self._stream, name)


class Ghost:
    """What a ghost hands out instead of work."""

    def __init__(self, weights):
        self._weights = weights  # () -> states of models by number, of about the time that is caught up with
        self._batches = {}
        self._answers = {}
        self._zeros = {}
        self._weighted = set()
        self._stdout = sys.stdout
        sys.stdout = _Muted(sys.stdout)
        logging.disable(logging.CRITICAL)

    def end(self):
        """Nothing of the ghost is kept; `hear` makes the output heard again."""
        for parameter in self._zeros:
            parameter.grad = None
        self._batches, self._answers, self._zeros = {}, {}, {}

    def hear(self):
        """What is printed from here on was not made from a ghost's batch."""
        if isinstance(sys.stdout, _Muted):
            sys.stdout = self._stdout
        logging.disable(logging.NOTSET)

    def batch(self, loader):
        """The loader's first batch, whenever one is asked for."""
        key = (id(loader.dataset), loader.batch_size, id(loader.collate_fn))
        if key not in self._batches:
            sampler = loader.batch_sampler if loader._auto_collation else loader.sampler
            indices = next(iter(sampler))
            fetcher = _utils.fetch._MapDatasetFetcher(
                loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last)
            self._batches[key] = fetcher.fetch(indices)
        return self._batches[key]

    def forward(self, model, arguments, options):
        """What the model answered to inputs of these shapes the first time."""
        if torch.is_grad_enabled():
            # DistributedDataParallel's forward leaves this behind; the next real one looks at it.
            model.require_forward_param_sync = model.require_backward_grad_sync
        key = (id(model), torch.is_grad_enabled(), model.training, tuple(_shape(one) for one in arguments),
               tuple((name, _shape(one)) for name, one in sorted(options.items())))
        if key not in self._answers:
            self._take_weights(model)
            self._answers[key] = model.module(*arguments, **options)
        return self._answers[key]

    def _take_weights(self, model):
        """What the script makes of a ghost's answers (a mean loss, say) is then of the size that it is at the others."""
        if model not in self._weighted:
            self._weighted.add(model)
            state = self._weights().get(model._openclaw_number)
            if state is not None:
                model.module.load_state_dict(state)

    def backward(self, models):
        """Gradients that are there, and nought."""
        for model in models:
            for parameter in model.parameters():
                if parameter.requires_grad and parameter.grad is None:
                    if parameter not in self._zeros:
                        self._zeros[parameter] = torch.zeros_like(parameter)
                    parameter.grad = self._zeros[parameter]


def _shape(value):
    return (tuple(value.shape), value.dtype) if isinstance(value, torch.Tensor) else type(value)
