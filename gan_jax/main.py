"""Trains one experiment: python -m gan_jax.main --config=experiments/digits.py

The same command again goes on from the newest checkpoint.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import jax
from absl import flags

import gan_jax
from gan_jax import cli
from gan_jax.config import fields, load_experiment, override, to_json
from gan_jax.log import say
from gan_jax.process import prepare_process
from gan_jax.validation import validate


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
    flags.DEFINE_bool(
        "print_config", False, "print the resolved config as JSON", flag_values=values
    )
    rest, changes = cli.split_off_changes(arguments)
    cli.parse(values, rest)
    config, doc = load_experiment(values.config)
    override(config, changes)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}\n\n{values.config}: {doc.strip()}\n")
        print("Its fields; --config.FIELD=VALUE changes one:")
        for field, value in fields(config).items():
            print(f"  {field} = {value!r}")
        return
    validate(config)
    if values.print_config:
        print(json.dumps(to_json(config), indent=2))
        return
    prepare_process()
    devices = jax.devices()
    say(
        f"gan_jax {gan_jax.__version__}, jax {jax.__version__}, "
        f"{len(devices)} x {devices[0].device_kind}"
    )
    if advice := _unseen_accelerator(devices[0].platform):
        say(advice)
    name = Path(values.config).stem
    workdir = Path(values.workdir or f"runs/{name}").expanduser()
    gan_jax.train(config, workdir, experiment=name)


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
