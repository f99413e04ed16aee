"""Trains one experiment: python -m gan_jax.main --config=experiments/digits.py

The same command again goes on from the newest checkpoint. On several hosts it is
started once on each, with --multihost and a work directory that all of them see.
"""

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

import jax
from absl import flags

import gan_jax
from gan_jax import cli
from gan_jax.config.files import fields, load_experiment, override, to_json
from gan_jax.config.validation import validate
from gan_jax.errors import UsageError
from gan_jax.loop import multihost
from gan_jax.loop.clock import process_start
from gan_jax.loop.dry_run import dry_run
from gan_jax.loop.log import say
from gan_jax.loop.process import prepare_process


def main(arguments: list[str]) -> None:
    """Reads the flags, and trains or shows what they ask for."""
    values = cli.new_flags()
    flags.DEFINE_string(
        "config", "experiments/digits.py", "the experiment's file", flag_values=values
    )
    flags.DEFINE_string(
        "workdir",
        None,
        "where the run is written, runs/EXPERIMENT by default; one that holds a run of "
        "the same config goes on",
        flag_values=values,
    )
    flags.DEFINE_string(
        "init_from",
        None,
        "a trained run's work directory: a new run starts from its networks and its "
        "average of G, as far as they fit (config.init_from)",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "print_config", False, "print the resolved config as JSON", flag_values=values
    )
    flags.DEFINE_bool(
        "dry_run",
        False,
        "print the parameters by layer, and the operations and the memory of a step, "
        "and stop; nothing is trained or written, and the status is 2 where it would "
        "not fit the memory of a device",
        flag_values=values,
    )
    _define_multihost_flags(values)
    rest, changes = cli.split_off_changes(arguments)
    cli.parse(values, rest)
    config, doc = load_experiment(values.config)
    if values.init_from is not None:
        changes.append(("init_from", values.init_from))
    override(config, changes)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}\n\n{values.config}: {doc.strip()}\n")
        print("Its fields; --config.FIELD=VALUE changes one:")
        for field, value in fields(config).items():
            print(f"  {field} = {value!r}")
        return
    validate(config)
    if values.dry_run and values.multihost:
        raise UsageError("--dry_run is of one host; leave out --multihost")
    if values.print_config:
        print(json.dumps(to_json(config), indent=2))
        return
    prepare_process()
    name = Path(values.config).stem
    workdir = Path(values.workdir or f"runs/{name}").expanduser()
    with _job(values):
        devices = jax.devices()
        say(
            f"gan_jax {gan_jax.__version__}, jax {jax.__version__}, "
            f"{len(devices)} x {devices[0].device_kind}"
        )
        if advice := _unseen_accelerator(devices[0].platform):
            say(advice)
        if values.dry_run:
            dry_run(config)
        else:
            gan_jax.train(config, workdir, name, process_start())


def _define_multihost_flags(values):
    flags.DEFINE_bool(
        "multihost",
        False,
        "be one process of a job on several hosts; under SLURM, Open MPI, Kubernetes "
        "and on Cloud TPUs that is all, elsewhere say who is who by --coordinator, "
        "--num_processes and --process_id",
        flag_values=values,
    )
    flags.DEFINE_string(
        "coordinator", None, "HOST:PORT of process 0", flag_values=values
    )
    flags.DEFINE_integer(
        "num_processes", None, "how many there are", lower_bound=1, flag_values=values
    )
    flags.DEFINE_integer(
        "process_id",
        None,
        "which one this is, from 0",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "multihost_timeout",
        300,
        "seconds to wait for the other processes at the start",
        lower_bound=1,
        flag_values=values,
    )


def _job(values):
    """The job of several hosts that the flags speak of, as a context."""
    explicit = ["coordinator", "num_processes", "process_id"]
    given = [name for name in explicit if values[name].value is not None]
    if given and not values.multihost:
        raise UsageError(f"--{given[0]} goes with --multihost")
    if given and given != explicit:
        absent = [f"--{name}" for name in explicit if name not in given]
        raise UsageError(f"--{given[0]} needs {' and '.join(absent)} beside it")
    if not values.multihost:
        return contextlib.nullcontext()
    arguments = [values[name].value for name in explicit]
    return multihost.job(*arguments, timeout=values.multihost_timeout)


def _unseen_accelerator(platform):
    """Advice where there is a GPU or TPU that this JAX cannot use, else None."""
    present = {
        "NVIDIA GPU": ("cuda", shutil.which("nvidia-smi")),
        "TPU": ("tpu", Path("/dev/accel0").exists()),
    }
    for kind, (extra, found) in present.items():
        if platform == "cpu" and found and not os.environ.get("JAX_PLATFORMS"):
            return f"this JAX does not see the {kind}: pip install -e '.[{extra}]'"
    return None


if __name__ == "__main__":
    sys.exit(cli.run(main))
