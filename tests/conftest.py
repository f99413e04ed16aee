"""What all tests share: a simulated machine, strictness, and one small trained run."""

import gc
import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[1]
DEVICES = 2

# Set before JAX starts; the processes that tests start inherit it. Most of the tests'
# time is XLA compiling programs that run for a moment: they are hardly optimized, not
# cut into parts, and all processes share what is compiled. Kernels of the older kind,
# which XLA still has in jaxlib 0.10, take a third of the time.
_HURRIED = os.environ.get("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") == "1"
_OLDER_KERNELS = _HURRIED and importlib.metadata.version("jaxlib").startswith("0.10.")


def xla_flags(devices: int) -> str:
    """$XLA_FLAGS for a process with so many devices."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    if _HURRIED:
        flags += " --xla_cpu_parallel_codegen_split_count=1"
    if _OLDER_KERNELS:
        flags += " --xla_cpu_use_fusion_emitters=false"
    return flags


# XLA sizes its thread pools by NPROC: with as many threads as cores, simulated devices
# wait for each other.
_DATA = REPOSITORY.parent / "shared" / "data" / "tensorflow_datasets"
_CACHE = os.environ.get("GAN_JAX_CACHE") or tempfile.mkdtemp(prefix="gan_jax_cache_")
_ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": xla_flags(DEVICES),
    "NPROC": str(4 * DEVICES),
    "GAN_JAX_CACHE": _CACHE,
    "JAX_COMPILATION_CACHE_DIR": f"{_CACHE}/compiled",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_TRACEBACK_IN_LOCATIONS_LIMIT": "0",  # nobody reads where an operation is from
} | ({"TFDS_DATA_DIR": str(_DATA)} if _DATA.is_dir() else {})
_OURS = "GAN_JAX_CACHE" not in os.environ
for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

import jax  # noqa: E402
import pytest  # noqa: E402

from gan_jax import benchmark, cli, evaluate, main, sample  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")

# What a shell runs in the background ignores these, and so would all that tests start.
for _number in signal.SIGINT, signal.SIGHUP:
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


_MOST_MEMORY = 2.5e9  # bytes of a process

# Tracing makes many objects and hardly any garbage.
gc.set_threshold(100_000, 50, 100)


def pytest_configure(config):
    # Our own code raises no warning; what libraries do to each other depends on their
    # versions.
    for module in ("gan_jax", "test_"):
        config.addinivalue_line("filterwarnings", f"error:::{module}")


def pytest_unconfigure():
    if _OURS:
        shutil.rmtree(_CACHE, ignore_errors=True)


def pytest_xdist_auto_num_workers(config):
    """A process a core; what is one file or part of one stays in this process."""
    files = {argument.partition("::")[0] for argument in config.args}
    one = len(files) == 1 and Path(*files).is_file()
    return 0 if one else min(os.cpu_count(), 8)


@pytest.fixture(scope="module", autouse=True)
def _memory():
    """What has been compiled is dropped after a file where it has become much."""
    yield
    if not (status := Path("/proc/self/statm")).is_file() or (
        int(status.read_text().split()[1]) * os.sysconf("SC_PAGESIZE") > _MOST_MEMORY
    ):
        jax.clear_caches()


@pytest.fixture
def optimized():
    """Programs are compiled as users' are: for tests of what two of them do alike."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
    jax.clear_caches()


def some_slow(values, quick) -> list:
    """Values of a parameter; tests with others than the `quick` ones are slow."""
    assert set(quick) <= set(values)
    slow = pytest.mark.slow
    return [x if x in quick else pytest.param(x, marks=slow) for x in values]


class Outcome(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """Its last line on stderr."""
        return self.err.rstrip("\n").rpartition("\n")[2]


# Simulated devices take turns on the cores and wait for each other: only tests that are
# about several devices ask for them.
ONE_DEVICE = "--config.devices=1"

# Networks and batches so small that a run of the digits takes a moment.
SMALL = (
    ONE_DEVICE,
    "--config.batch_size=16",
    "--config.generator.widths=16",
    "--config.discriminator.widths=16",
    "--config.prior.dim=8",
    "--config.sample_grid=2,2",
    "--config.ema_decay=0",
)


@pytest.fixture(scope="session")
def small():
    """Flags that shrink the experiment `digits`."""
    return SMALL


@pytest.fixture
def gan(capsys):
    """python -m gan_jax.main, in this process, on one device unless told otherwise."""
    return lambda *arguments: _call(main.main, (ONE_DEVICE, *arguments), capsys)


@pytest.fixture
def draw(capsys):
    """python -m gan_jax.sample, in this process."""
    return lambda *arguments: _call(sample.main, arguments, capsys)


def _call(command, arguments, capsys):
    capsys.readouterr()
    status = cli.run(command, list(map(str, arguments)))
    return Outcome(status, *capsys.readouterr())


@pytest.fixture
def start(tmp_path):
    """Starts python with these arguments; what is still running is killed at the end.

    (arguments, cwd, environment) -> the process, with one device unless XLA_FLAGS says
    otherwise, without the variables that are None; `finish` waits for it.
    """
    processes = []

    def start(*arguments, cwd=tmp_path, **environment):
        given = os.environ | {"XLA_FLAGS": xla_flags(1)} | environment
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env={name: value for name, value in given.items() if value is not None},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def finish():
    """Waits for a process: its Outcome."""

    def finish(process):
        out, err = process.communicate(timeout=300)
        return Outcome(process.returncode, out, err)

    return finish


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """The work directory of a small run of the digits; not to be changed.

    60 steps with checkpoints at 20, 40 and 60, and an average of G.
    """
    workdir = tmp_path_factory.mktemp("runs") / "digits"
    flags = (
        f"--workdir={workdir}",
        "--config.steps=60",
        "--config.log_every=10",
        "--config.checkpoint_every=20",
        "--config.sample_every=20",
        "--config.ema_decay=0.9",
    )
    assert cli.run(main.main, [*SMALL, *flags]) == 0
    return workdir


@pytest.fixture(scope="session")
def labelled_run(tmp_path_factory):
    """The work directory of a small run with labels; not to be changed."""
    workdir = tmp_path_factory.mktemp("runs") / "labelled"
    fields = (
        *("batch_size=16", "prior.dim=4", "sample_grid=2,2", "steps=2"),
        *("game.labels=true", "generator.name=conditional_dcgan", "generator.width=2"),
        *("discriminator.name=conditional_dcgan", "discriminator.width=2"),
        *("data.split=train[:1700]", "data.validation_split=train[1700:]"),
    )
    flags = [f"--config.{field}" for field in fields]
    assert cli.run(main.main, [ONE_DEVICE, f"--workdir={workdir}", *flags]) == 0
    return workdir


@pytest.fixture
def bench(capsys):
    """python -m gan_jax.benchmark, in this process."""
    return lambda *arguments: _call(benchmark.main, arguments, capsys)


@pytest.fixture
def judged(capsys):
    """python -m gan_jax.evaluate, in this process."""
    return lambda *arguments: _call(evaluate.main, arguments, capsys)
