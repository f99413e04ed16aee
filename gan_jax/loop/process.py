"""What a command asks of its own process; nothing of it is done by an import."""

import ctypes
import warnings

import jax

from gan_jax.data import cache

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_MADV_HUGEPAGE = 14
_HEAP = 2**31 - 1  # bytes, the most that mallopt takes


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
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):  # macOS, musl
        return
    libc.mallopt(_M_ARENA_MAX, 1)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, -1)
    _ask_for_huge_pages(libc)


def _ask_for_huge_pages(libc):
    """The heap's next two gigabytes are of pages of 2 MB, where Linux has them.

    They are addresses, and become memory once they are used. With pages of 4 kB, large
    minibatches have fewer images a second than small ones.
    """
    libc.sbrk.restype = ctypes.c_void_p
    libc.malloc.restype = ctypes.c_void_p
    start = libc.sbrk(0)
    libc.mallopt(_M_TOP_PAD, _HEAP)
    larger_than_what_is_free = ctypes.c_size_t(2**26)
    libc.free(ctypes.c_void_p(libc.malloc(larger_than_what_is_free)))
    libc.mallopt(_M_TOP_PAD, 2**17)  # glibc's own
    end = libc.sbrk(0)
    aligned = -(-start // 2**21) * 2**21
    if end > aligned:
        libc.madvise(
            ctypes.c_void_p(aligned), ctypes.c_size_t(end - aligned), _MADV_HUGEPAGE
        )
