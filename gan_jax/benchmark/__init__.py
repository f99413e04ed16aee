"""Measures the training of an experiment: python -m gan_jax.benchmark"""

from gan_jax.benchmark.command import main

__all__ = ["main"]
