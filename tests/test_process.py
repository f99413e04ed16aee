"""What a command asks of its own process, seen in processes of their own."""

import ctypes
from pathlib import Path

import pytest

SHOW = """
import jax
from gan_jax.loop.process import prepare_process

prepare_process()
print(jax.config.jax_compilation_cache_dir)
"""


def own_cache(folder):
    """The environment of a user whose caches lie there, and who has chosen no other."""
    return {"GAN_JAX_CACHE": str(folder), "JAX_COMPILATION_CACHE_DIR": None}


def test_compiled_programs_are_kept_in_the_users_cache(start, finish, tmp_path):
    outcome = finish(start("-c", SHOW, **own_cache(tmp_path)))
    assert outcome.status == 0
    assert outcome.out.strip() == str(tmp_path / "compiled")


def test_a_cache_of_the_users_own_stays(start, finish, tmp_path):
    own = str(tmp_path / "own")
    outcome = finish(start("-c", SHOW, JAX_COMPILATION_CACHE_DIR=own))
    assert outcome.status == 0
    assert outcome.out.strip() == own


def test_a_second_run_finds_the_programs_of_the_first(start, finish, small, tmp_path):
    def train(name):
        flags = *small, "--config.steps=2", f"--workdir={tmp_path}/{name}"
        cache = own_cache(tmp_path / "cache")
        assert finish(start("-m", "gan_jax.main", *flags, **cache)).status == 0
        steps = (tmp_path / "cache/compiled").glob("jit_losses_only-*-cache")
        return sorted(file.name for file in steps)

    first = train("one")
    assert len(first) == 1
    assert train("two") == first


# by malloc itself, since numpy asks for huge pages of its own
ALLOCATE = """
import ctypes, re
from gan_jax.loop.process import prepare_process

prepare_process()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
SIZE = 200 << 20

def huge():
    smaps = open("/proc/self/smaps").read()
    return sum(map(int, re.findall(r"AnonHugePages: +(\\d+)", smaps))) >> 10

before = huge()
address = libc.malloc(ctypes.c_size_t(SIZE))
ctypes.memset(ctypes.c_void_p(address), 1, SIZE)
print(huge() - before)
libc.free(address)
print(libc.malloc(ctypes.c_size_t(SIZE)) == address)
"""
PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def huge_pages(outcome):
    assert outcome.status == 0, outcome.err
    mebibytes, kept = outcome.out.split()
    assert kept == "True"
    return int(mebibytes)


def chosen(choice):
    """Whether this is the system's choice of who has huge pages."""
    return PAGES.exists() and f"[{choice}]" in PAGES.read_text()


@pytest.mark.skipif(
    not PAGES.exists() or chosen("never"),
    reason="this system has no huge pages",
)
def test_large_blocks_are_of_huge_pages_and_stay(start, finish):
    assert huge_pages(finish(start("-c", ALLOCATE))) >= 190


@pytest.mark.skipif(chosen("always"), reason="all that is large has huge pages here")
def test_where_addresses_are_few_pages_stay_small(start, finish):
    limited = "import resource as r; r.setrlimit(r.RLIMIT_DATA, (2 << 30, 2 << 30))\n"
    assert huge_pages(finish(start("-c", limited + ALLOCATE))) == 0


CONNECTED = """
import jax
from gan_jax.loop import heap

heap._SECONDS = dict.fromkeys(heap._SECONDS, 0.0)
heap.Remains.give_back = lambda self: print("back")
heap.Remains.put_aside = lambda self: print("aside")
for _ in range(2):
    heap.prepare_heap()
jax.jit(lambda x: x + 1).lower(1.0).compile()
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="this C library has no counts"
)
def test_a_compiler_is_listened_to(start, finish):
    """Once, however often the heap is prepared; the names of events are JAX's own."""
    assert finish(start("-c", CONNECTED)).out.split() == ["back", "aside"]


# many free blocks of middling size, as a compiler leaves them behind
REMAINS = """
import ctypes
from gan_jax.loop import heap

heap.prepare_heap()
libc = heap.glibc()

def ask(size):
    return libc.malloc(ctypes.c_size_t(size))

large = ask(4 << 20)
blocks = [ask(1500 + i % 5000) for i in range(8000)]
for block in [large, *blocks[::2]]:
    libc.free(block)
remains = heap.Remains(libc)

def free():
    counts = libc.mallinfo2()
    return (counts.fordblks - counts.keepcost) >> 20

print(free())
for event in heap._COMPILED, heap._LOWERED, heap._COMPILED:
    for seconds in 0.001, 10.0:
        remains.listen(event, seconds)
        print(free())
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="this C library has no counts"
)
def test_what_a_compiler_leaves_is_out_of_the_way(start, finish):
    """Until the next large program is compiled; large blocks stay for all to use.

    In MB that are free, but for the heap's end.
    """
    outcome = finish(start("-c", REMAINS))
    assert outcome.status == 0, outcome.err
    at_first, *then = map(int, outcome.out.split())
    assert at_first >= 4 + 13
    few = at_first - 12
    assert [free <= few for free in then] == [
        *(False, True),  # a small program was compiled, a large one
        *(True, False),  # a small one will be, a large one
        *(False, True),
    ]
    assert min(then) >= 4
    assert max(then) == at_first
