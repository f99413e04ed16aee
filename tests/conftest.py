"""What all tests share: a simulated machine, strictness, and one small trained run."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[1]
DEVICES = 2

# Set before JAX starts; the processes that tests start inherit it. XLA sizes its thread
# pools by NPROC: with as many threads as cores, simulated devices wait for each other.
_DATA = REPOSITORY.parent / "shared" / "data" / "tensorflow_datasets"
_ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": f"--xla_force_host_platform_device_count={DEVICES}",
    "NPROC": str(4 * DEVICES),
    "GAN_JAX_CACHE": tempfile.mkdtemp(prefix="gan_jax_cache_"),
} | ({"TFDS_DATA_DIR": str(_DATA)} if _DATA.is_dir() else {})
for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

import jax  # noqa: E402
import pytest  # noqa: E402

from gan_jax import benchmark, cli, evaluate, main, sample  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
# Many runs here compile the same program; those in processes of their own do it anew.
jax.config.update("jax_compilation_cache_dir", os.environ["GAN_JAX_CACHE"] + "/jax")
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def pytest_configure(config):
    # Our own code raises no warning; what libraries do to each other depends on their
    # versions.
    for module in ("gan_jax", "test_"):
        config.addinivalue_line("filterwarnings", f"error:::{module}")


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
    otherwise; `finish` waits for it.
    """
    processes = []

    def start(*arguments, cwd=tmp_path, **environment):
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env=os.environ | {"XLA_FLAGS": ""} | environment,
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


@pytest.fixture
def bench(capsys):
    """python -m gan_jax.benchmark, in this process."""
    return lambda *arguments: _call(benchmark.main, arguments, capsys)


@pytest.fixture
def judged(capsys):
    """python -m gan_jax.evaluate, in this process."""
    return lambda *arguments: _call(evaluate.main, arguments, capsys)
