"""Many runs of one experiment: python -m gan_jax.sweep

What an experiment's own `sweep()` is written with:

    from gan_jax.sweep import product

    def sweep():
        losses = ("saturating", "least_squares")
        yield from product({"loss.name": losses, "d_steps": (1, 5)})
"""

from gan_jax.sweep.generators import (
    choice,
    integers,
    log_uniform,
    product,
    search,
    uniform,
    zipped,
)

__all__ = [
    "choice",
    "integers",
    "log_uniform",
    "product",
    "search",
    "uniform",
    "zipped",
]
