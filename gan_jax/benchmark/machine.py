"""The machine that numbers are measured on."""

import functools
import importlib.metadata
import platform
import time

import jax
import jax.numpy as jnp

from gan_jax import provenance


def machine() -> dict:
    """What the numbers were measured on."""
    device = jax.devices()[0]
    return {
        "device": device.device_kind,
        "devices": len(jax.devices()),
        "cores": provenance.cores(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "flax": importlib.metadata.version("flax"),
    }


@functools.cache
def matmul_rate() -> float:
    """Operations a second of a large float32 matrix product: the best of ten."""
    n = 2048 if jax.default_backend() == "cpu" else 8192
    a = jnp.ones((n, n))
    product = jax.jit(jnp.matmul)
    product(a, a).block_until_ready()
    best = float("inf")
    for _ in range(10):
        begin = time.perf_counter()
        product(a, a).block_until_ready()
        best = min(best, time.perf_counter() - begin)
    return 2 * n**3 / best
