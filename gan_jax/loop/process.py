"""What a command asks of its own process; nothing of it is done by an import."""

import warnings

import jax

from gan_jax.data import cache
from gan_jax.loop.heap import prepare_heap


def prepare_process() -> None:
    """Keeps freed memory, and keeps compiled programs from one run to the next.

    To be called before anything is computed.
    """
    prepare_heap()
    known = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if known is None:  # not by $JAX_COMPILATION_CACHE_DIR
        folder = str(cache.directory() / "compiled")
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    # programs with oneDNN's convolutions cannot be kept, which XLA says in these words
    unkept = r"Error writing persistent compilation cache entry .*std::bad_alloc"
    warnings.filterwarnings("ignore", unkept, UserWarning)
