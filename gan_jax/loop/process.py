"""What a command asks of its own process; nothing of it is done by an import."""

import ctypes
import warnings

import jax

from gan_jax.data import cache

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8


def prepare_process() -> None:
    """Keeps freed memory, and keeps compiled programs from one run to the next.

    To be called before anything is computed.
    """
    _keep_freed_memory()
    known = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if known is None:  # not by $JAX_COMPILATION_CACHE_DIR
        folder = str(cache.directory() / "compiled")
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    # programs with oneDNN's convolutions cannot be kept, which XLA says in these words
    unkept = r"Error writing persistent compilation cache entry .*std::bad_alloc"
    warnings.filterwarnings("ignore", unkept, UserWarning)


def _keep_freed_memory():
    """Large blocks that are freed stay with the process, where its C library can.

    A program's temporary memory is allocated anew at every step. glibc gives blocks
    above 32 MB back to the system each time, which then zeroes every page of the next
    one: up to a third of a step on CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not there on macOS, musl
    if mallopt is not None:
        for option, value in (
            (_M_ARENA_MAX, 1),
            (_M_MMAP_MAX, 0),
            (_M_TRIM_THRESHOLD, -1),
        ):
            mallopt(option, value)
