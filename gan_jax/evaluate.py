"""Judges a trained run: python -m gan_jax.evaluate --workdir=RUN

Prints a table for each metric and appends what was measured, with its protocol, to
evaluation.jsonl in the work directory. --workdir=RUN,RUN measures one after the other
and prints the same tables of all; --show=RUN,RUN prints what was measured before.
Numbers of one protocol stand beside each other and no others; trainings that differ in
their seed alone are one row, mean +- standard error.
"""

import dataclasses
import functools
import os
import sys
from typing import Any

import numpy as np
from absl import flags
from tqdm import tqdm

from gan_jax import cli, pictures, several
from gan_jax.errors import UsageError
from gan_jax.loop.log import say
from gan_jax.loop.process import prepare_process
from gan_jax.loop.workdir import read_record
from gan_jax.metrics import choice, features, judge
from gan_jax.metrics.case import Case, Learned, labelled
from gan_jax.metrics.modes import known_modes
from gan_jax.metrics.protocol import FILE, append, read, table
from gan_jax.metrics.real import held_out, real_examples, to_translate
from gan_jax.metrics.translation import translated
from gan_jax.run import BATCH_NORM, load, parse_step


def main(arguments: list[str]) -> None:
    """Reads the flags and measures what they ask for."""
    values = _flags()
    cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
    elif values.show:
        print(show(several.workdirs(values.show)))
    else:
        workdirs, found = several.workdirs(values.workdir), []
        prepare_process()
        try:
            several.in_turn(workdirs, lambda each: _evaluate(each, values, found))
        finally:
            if found:
                print(table(found))


def _flags():
    values = cli.new_flags()
    define: dict[str, Any] = {"flag_values": values}
    several.define_workdir("runs/digits", values)
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
        "checksum",
        None,
        "which the weights must have: 16 hexadecimal digits, as convert_inception "
        "prints them",
        **define,
    )
    flags.DEFINE_integer(
        "samples",
        None,
        "how many are judged; config.evaluate_samples if not given, or where that is "
        "0, 10,000 images or 2,500 points",
        2,
        **define,
    )
    flags.DEFINE_integer("seed", 0, "of the latents", 0, 2**32 - 1, **define)
    flags.DEFINE_string(
        "label",
        None,
        "of samples, where G is told labels: data, as often as there; uniform; or a "
        "class by name or number; as in the data if not given",
        **define,
    )
    flags.DEFINE_string(
        "step", None, "the checkpoint's, or best; the newest if not given", **define
    )
    flags.DEFINE_string(
        "batch_norm", "running", f"G's statistics: {', '.join(BATCH_NORM)}", **define
    )
    flags.DEFINE_bool("ema", True, "sample from G's average, if there is one", **define)
    flags.DEFINE_float(
        "truncation",
        None,
        "of the latents, as in gan_jax.sample; none if not given",
        **define,
    )
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
    flags.DEFINE_multi_string(
        "show",
        None,
        "print what is known of these runs; as --workdir",
        **define,
    )
    return values


def show(workdirs) -> str:
    """The tables of everything measured of some runs."""
    measurements = []
    for workdir in workdirs:
        if not (found := read(workdir)):
            raise UsageError(f"nothing was measured in {workdir}: there is no {FILE}")
        # a run may have been moved since
        run = str(workdir.resolve())
        measurements += [dataclasses.replace(x, run=run) if x.run else x for x in found]
    return table(measurements)


def _evaluate(workdir, values, found):
    """Adds what it measures of one run to what was `found` of those before."""
    run = load(workdir, parse_step(values.step))
    run = run.sampled_by(values.batch_norm, values.ema, values.truncation)
    n = values.samples or choice.sample_size(run.config, run.info)
    judge.require_metrics(values.metrics or ())
    if not os.access(workdir, os.W_OK):
        raise UsageError(f"{workdir} cannot be written")
    network = _network(run, values.features, values.weights, values.checksum)
    case, about = _case(run, values, n, network)
    names = values.metrics or _suited(run, values, n, case)
    refused = []
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
    if refused:
        raise UsageError("; ".join(refused))


def _suited(run, values, n, case):
    """The metrics that suit a run, but for those whose held-out data nobody named."""

    @functools.cache
    def available():
        try:
            return values.held_out is not None or case.held_out.y is not None
        except UsageError:
            return False

    names = choice.suited(run.config, run.info, n, run.game)
    if run.game.translate:  # what is judged was made of held-out images
        return names
    return [x for x in names if x not in choice.OF_HELD_OUT or available()]


def _network(run, name, weights, checksum):
    shape = tuple(run.info["shape"])
    if len(shape) != 3:
        if name or weights or checksum:
            raise UsageError("--features are for images, which this run does not make")
        return None
    name = name or choice.features_for(shape)
    if name in features.ACCEPTS:  # before weights are read
        features.require_fit(name, shape)
    return features.load_features(name, weights, checksum=checksum)


def _case(run, values, n, network):
    """What is judged, against the run's real data, and what measurements say of it."""
    kept, shown = run.config.data.get("validation_split"), None
    if values.real:
        samples, asked, about, unseen = _real(run, values, n)
    elif run.game.translate:
        given = held_out(run, values.held_out, to_translate(run.config))
        shown = translated(run, given, n, values.seed)
        samples, asked = shown.made, shown.asked(run.info["classes"])
        experiment = read_record(run.workdir)["experiment"]
        about = judge.about(run, experiment, values.label, shown.name)
        unseen = functools.partial(held_out, run, values.held_out)
    else:
        asked = run.labels(n, values.seed, values.label)
        samples = run.sample(n, values.seed, values.label)
        experiment = read_record(run.workdir)["experiment"]
        about = judge.about(run, experiment, values.label)
        unseen = functools.partial(held_out, run, values.held_out)
    validation = values.validation or kept
    case = Case(
        samples=samples,
        network=network,
        reference=real_examples(run, values.reference),
        held_out=unseen,
        validation=functools.partial(real_examples, run, validation)
        if validation
        else None,
        modes=known_modes(run.info),
        seed=values.seed,
        asked=asked,
        learned=Learned.of(run),
        translated=shown,
    )
    return case, about


def _real(run, values, n):
    """Real examples in place of samples; with these, none are held out."""
    if values.label is not None:
        raise UsageError(f"--label={values.label}: --real takes the data's own labels")
    if values.truncation is not None:
        raise UsageError(f"--truncation={values.truncation}: --real takes no latents")
    split = values.held_out  # may be one of training: what is printed names it
    real = real_examples(run, split) if split else held_out(run)
    if len(real.x) < n:
        raise UsageError(
            f"--samples={n}: there are {len(real.x):,} held-out examples; fewer, or "
            "another --held_out"
        )
    rows = np.random.default_rng(values.seed).permutation(len(real.x))[:n]
    labels = None if real.y is None else labelled(real)[rows]

    def unseen():
        raise UsageError("--real judges the held-out data themselves")

    about = {"model": f"real {real.name}", "run": real.name}
    return real.x[rows], labels, about, unseen


if __name__ == "__main__":
    sys.exit(cli.run(main))
