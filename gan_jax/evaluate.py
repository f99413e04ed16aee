"""Judges a trained run: python -m gan_jax.evaluate --workdir=RUN

Prints a table for each metric and appends what was measured, with its protocol, to
evaluation.jsonl in the work directory. --show=RUN,RUN prints what was measured before,
numbers of one protocol beside each other and no others.
"""

import functools
import os
import sys
from pathlib import Path

import numpy as np
from absl import flags
from tqdm import tqdm

from gan_jax import build, cli, pictures
from gan_jax.config import from_json, to_json
from gan_jax.data.source import parse_split
from gan_jax.errors import UsageError
from gan_jax.log import say
from gan_jax.metrics import choice, features, judge
from gan_jax.metrics.case import Case, Real
from gan_jax.metrics.modes import known_modes
from gan_jax.metrics.protocol import FILE, append, read, table
from gan_jax.process import prepare_process
from gan_jax.run import BATCH_NORM, Run, load, parse_step
from gan_jax.workdir import read_record


def main(arguments: list[str]) -> None:
    """Reads the flags and measures what they ask for."""
    values = _flags()
    cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
    elif values.show:
        print(show(map(Path, values.show)))
    else:
        prepare_process()
        _evaluate(values)


def _flags():
    values = cli.new_flags()
    define = {"flag_values": values}
    flags.DEFINE_string("workdir", "runs/digits", "the run's work directory", **define)
    flags.DEFINE_list(
        "metrics",
        None,
        f"of {', '.join(judge.METRICS)}; those that suit the data if not given",
        **define,
    )
    flags.DEFINE_string(
        "features",
        None,
        f"feature network of images, {' or '.join(features.ACCEPTS)}; that of the "
        "images' size if not given",
        **define,
    )
    flags.DEFINE_string("weights", None, "the file of --features=inception", **define)
    flags.DEFINE_string(
        "checksum", None, "which the weights must have, SHA-256", **define
    )
    flags.DEFINE_integer(
        "samples",
        None,
        "how many are judged: 10,000, 2,500 points or 26,000 stacked digits if not "
        "given",
        2,
        **define,
    )
    flags.DEFINE_integer("seed", 0, "of the latents", 0, **define)
    flags.DEFINE_string(
        "step", None, "the checkpoint's, or best; the newest if not given", **define
    )
    flags.DEFINE_string(
        "batch_norm", "running", f"G's statistics: {', '.join(BATCH_NORM)}", **define
    )
    flags.DEFINE_bool("ema", True, "sample from G's average, if there is one", **define)
    flags.DEFINE_string(
        "reference",
        None,
        "split of the run's data to compare with; what it was trained on if not given",
        **define,
    )
    flags.DEFINE_string(
        "held_out",
        None,
        "split that it was not trained on, where a metric wants one; test or, where "
        "there is none, data.validation_split if not given",
        **define,
    )
    flags.DEFINE_string(
        "validation",
        None,
        "split that chooses the width of Parzen windows; data.validation_split if not "
        "given",
        **define,
    )
    flags.DEFINE_bool(
        "real", False, "judge held-out examples in place of samples", **define
    )
    flags.DEFINE_list("show", None, "print what is known of these runs", **define)
    return values


def show(workdirs) -> str:
    """The tables of everything measured of some runs."""
    measurements = []
    for workdir in workdirs:
        if not (found := read(workdir.expanduser())):
            raise UsageError(f"nothing was measured in {workdir}: there is no {FILE}")
        measurements += found
    return table(measurements)


def _evaluate(values):
    workdir = Path(values.workdir).expanduser()
    run = load(workdir, parse_step(values.step))
    run = run.sampled_by(values.batch_norm, values.ema)
    names = values.metrics or choice.suited(run.config, run.info)
    judge.require_metrics(names)
    if not os.access(workdir, os.W_OK):
        raise UsageError(f"{workdir} cannot be written")
    case = make_case(
        run,
        samples=values.samples or choice.sample_size(run.config, run.info),
        seed=values.seed,
        network=_network(run, values.features, values.weights, values.checksum),
        reference=values.reference,
        held_out=values.held_out,
        validation=values.validation,
        real=values.real,
    )
    if values.real:
        about = {"model": "real data", "run": values.held_out or "held out"}
    else:
        about = judge.about(run, read_record(workdir)["experiment"])
    found, refused = [], []
    for name in tqdm(names, disable=None):
        try:
            ((measurement, picture),) = judge.judge(case, [name], **about)
        except UsageError as error:
            refused.append(str(error))
            continue
        append(workdir, measurement)
        found.append(measurement)
        if picture is not None:
            pictures.write_image(workdir / f"{name}.png", picture)
            say(f"wrote {workdir / name}.png")
    if found:
        print(table(found))
    if refused:
        raise UsageError("; ".join(refused))


def _network(run, name, weights, checksum):
    shape = tuple(run.info["shape"])
    if len(shape) != 3:
        if name or weights or checksum:
            raise UsageError("--features are for images; these are vectors")
        return None
    name = name or choice.features_for(shape)
    if name in features.ACCEPTS:  # before weights are read
        features.require_fit(name, shape)
    return features.load_features(name, weights, checksum=checksum)


def make_case(
    run: Run,
    *,
    samples,
    seed,
    network,
    reference=None,
    held_out=None,
    validation=None,
    real=False,
) -> Case:
    """A run's samples, or with `real` held-out examples, against its real data."""
    config = run.config

    def examples(split):
        return real_examples(config, run.info["fitted"], split)

    kept = config.data.get("validation_split")

    @functools.cache
    def fresh():
        if held_out:
            return examples(held_out)
        try:
            return examples("test")
        except UsageError as error:
            if not kept:
                said = f"held-out data: {error}; --held_out names another split"
                raise UsageError(said) from None
            return examples(kept)

    x, held_out_examples = None, fresh
    if real:
        known = fresh()
        if len(known.x) < samples:
            raise UsageError(
                f"--samples={samples}: there are {len(known.x):,} held-out examples; "
                "fewer, or another --held_out"
            )
        order = np.random.default_rng(seed).permutation(len(known.x))
        x = known.x[order[:samples]]

        def held_out_examples():
            raise UsageError("--real judges the held-out data themselves")

    return Case(
        samples=run.sample(samples, seed) if x is None else x,
        network=network,
        reference=examples(reference),
        held_out=held_out_examples,
        validation=(lambda: examples(validation or kept))
        if validation or kept
        else None,
        modes=known_modes(run.info),
        seed=seed,
    )


def real_examples(config, fitted, split=None) -> Real:
    """The examples of a run's data, of another split than its own if one is given.

    fitted: what the run's scaling was fitted to, of `Run.info`
    """
    values = to_json(config)
    values["data"].pop("validation_split", None)
    if split is not None:
        parse_split(split)
        values["data"]["split"] = split
    dataset = build.load_dataset(from_json(values))
    used = values["data"].get("split", "train")
    return Real.of(config, used, fitted, dataset.arrays)


if __name__ == "__main__":
    sys.exit(cli.run(main))
