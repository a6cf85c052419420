"""Unadapted: a framework that OpenClaw starts, places and restarts, and does not step into."""

from . import line


def install(_):
    """Says so at once, so that nobody waits for survivors: TensorFlow finds its peers by TF_CONFIG and synchronises by itself."""
    line.introduce("tensorflow", ["there is no adapter for TensorFlow: its own strategy carries the gradients, its own "
                                  "callbacks write the checkpoints"])
