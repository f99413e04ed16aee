"""The heap of this process: freed memory stays in it, and is found fast.

All of it is for glibc's, and nothing happens where the C library is another.

A program's temporary memory is allocated anew at every step. glibc gives blocks above
32 MB back to the system each time, which then zeroes every page of the next one: up to
a third of a step on CPU. And it looks for room among all the blocks that are free:
a compiler leaves a hundred thousand behind, in which many small operations lose another
third, unless the program comes from the cache of compiled ones.
"""

import ctypes
import functools
import threading

import jax

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_MADV_HUGEPAGE = 14
_HEAP = 2**31 - 1  # bytes, the most that mallopt takes

_LOWERED = "/jax/core/compile/jaxpr_to_mlir_module_duration"
_COMPILED = "/jax/core/compile/backend_compile_duration"
_SECONDS = {_LOWERED: 0.03, _COMPILED: 1.0}  # of programs that leave much behind
# Bytes of the free blocks that are put aside; smaller ones are found at once.
_LARGEST, _SMALLEST = 2**19, 2**10


class _Counts(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    # "keepcost" is what is free at the heap's end
    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks"
    _fields_ = [(name, ctypes.c_size_t) for name in (*_names.split(), "keepcost")]


def glibc() -> ctypes.CDLL | None:
    """The C library, if it is glibc; None on macOS, with musl."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return None
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    if hasattr(libc, "mallinfo2"):  # 2.33
        libc.mallinfo2.restype = _Counts
    return libc


@functools.cache  # once is enough
def prepare_heap() -> None:
    """Settles how this process allocates; before anything is computed."""
    libc = glibc()
    if libc is None:
        return
    libc.mallopt(_M_ARENA_MAX, 1)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, -1)
    _ask_for_huge_pages(libc)
    if hasattr(libc, "mallinfo2"):
        remains = Remains(libc)
        jax.monitoring.register_event_duration_secs_listener(remains.listen)


def _ask_for_huge_pages(libc):
    """The heap's next two gigabytes are of pages of 2 MB, where Linux has them.

    They are addresses, and become memory once they are used. With pages of 4 kB, large
    minibatches have fewer images a second than small ones.
    """
    start = libc.sbrk(0)
    libc.mallopt(_M_TOP_PAD, _HEAP)
    larger_than_what_is_free = ctypes.c_size_t(2**26)
    libc.free(libc.malloc(larger_than_what_is_free))
    libc.mallopt(_M_TOP_PAD, 2**17)  # glibc's own
    end = libc.sbrk(0)
    aligned = -(-start // 2**21) * 2**21
    if end > aligned:
        libc.madvise(
            ctypes.c_void_p(aligned), ctypes.c_size_t(end - aligned), _MADV_HUGEPAGE
        )


class Remains:
    """What a compiler leaves free, put aside until the next one can use it."""

    def __init__(self, libc):
        self._libc = libc
        self._aside: list[int] = []
        self._lock = threading.Lock()

    def listen(self, event: str, seconds: float, **_) -> None:
        """Of `jax.monitoring`: after large programs, and before others of the kind."""
        if seconds < _SECONDS.get(event, float("inf")):
            return
        with self._lock:
            if event == _LOWERED:
                self.give_back()
            elif not self._aside:
                self.put_aside()

    def put_aside(self) -> None:
        """Takes every free block of middling size, so that nobody has to pass by it."""
        larger, size = [], 2**25
        top = self._libc.sbrk(0) - self._libc.mallinfo2().keepcost
        while size >= _SMALLEST:
            taken = larger if size > _LARGEST else self._aside
            block = ctypes.c_size_t(size)
            while (address := self._libc.malloc(block)) and address < top:
                taken.append(address)
            self._libc.free(address)
            size = size * 3 // 4
        for address in larger:
            self._libc.free(address)

    def give_back(self) -> None:
        """Frees what was put aside."""
        for address in self._aside:
            self._libc.free(address)
        self._aside.clear()
