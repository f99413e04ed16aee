"""A generator for other programs: python -m gan_jax.export --workdir=RUN

Writes a folder that needs neither the run nor this package:

    generator.safetensors  its weights, by their names in the network
    generator.jax          samples of any number of latents, on a CPU, a GPU or a TPU,
                           for jax.export.deserialize
    generator.stablehlo    samples of --num latents at a time, for other runtimes
    example.npz            --num latents, and what the generator makes of them
    README.md              a model card: data, protocol, numbers, config, how to sample

Samples are as the data are stored: images are uint8. Of a run that translates the
latents are images. The generator is the average, where the run has one.
"""

import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags
from jax import export

from gan_jax import cli
from gan_jax.errors import UsageError
from gan_jax.loop.log import say
from gan_jax.loop.workdir import read_record
from gan_jax.metrics import protocol
from gan_jax.run import load, parse_step

_PLATFORMS = "cpu", "cuda", "rocm", "tpu"
_WEIGHTS = "generator.safetensors"


def main(arguments: list[str]) -> None:
    """Reads the flags and writes the folder."""
    values = cli.new_flags()
    define: dict[str, Any] = {"flag_values": values}
    flags.DEFINE_string("workdir", "runs/digits", "the run's work directory", **define)
    flags.DEFINE_string("out", None, "a folder; WORKDIR/export if not given", **define)
    flags.DEFINE_string(
        "step", None, "the checkpoint's, or best; the newest if not given", **define
    )
    flags.DEFINE_integer("num", 16, "latents that the StableHLO takes", 1, **define)
    flags.DEFINE_string("data_license", None, "of the data, in your words", **define)
    cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
        return
    _packages()  # before anything is loaded
    workdir = Path(values.workdir).expanduser()
    out = Path(values.out).expanduser() if values.out else workdir / "export"
    if out.is_dir() and any(out.iterdir()) and not (out / _WEIGHTS).exists():
        raise UsageError(f"--out={out}: there are files in it; name a new folder")
    run = load(workdir, parse_step(values.step))
    try:
        out.mkdir(parents=True, exist_ok=True)
        write(run, out, values.num, values.data_license)
    except OSError as error:
        raise UsageError(f"--out={out} cannot be written: {error}") from None
    say(f"wrote {out}: the generator of {workdir}, step {run.state.step}")


def write(run, out: Path, num: int, data_license: str | None = None) -> None:
    """Writes the files of a loaded run into an existing folder, see above."""
    save = _packages()
    asked = examples(run, num)
    made = jax.device_get(jax.jit(sampler(run))(asked))
    (out / _WEIGHTS).write_bytes(save(weights(run)))
    (out / "generator.jax").write_bytes(exported(run).serialize())
    of_num = exported(run, num, ("cpu",)).mlir_module_serialized
    (out / "generator.stablehlo").write_bytes(of_num)
    np.savez(out / "example.npz", **asked, x=made)
    (out / "README.md").write_text(card(run, num, data_license), encoding="utf-8")


def _packages():
    """safetensors' `save`; UsageError where a package is missing."""
    try:
        import flatbuffers  # noqa: F401 (of jax.export)
        from safetensors.numpy import save
    except ImportError as error:
        raise UsageError(
            f'{error.name} is missing: pip install "gan_jax[export]"'
        ) from None
    return save


def examples(run, num: int) -> dict[str, np.ndarray]:
    """Inputs of the generator: z, with labels y; or images, where a run translates."""
    if run.game.translate:
        noise = np.random.default_rng(0)
        shape = num, *run.info["shape"][:2], run.input_channels
        return {"images": noise.integers(0, 256, shape, np.uint8)}
    z = run.latents(num)
    return jax.device_get(z if isinstance(z, dict) else {"z": z})


def sampler(run):
    """The pure function from inputs, as `examples` has them, to stored samples."""
    scaling, fitted = run.built.scaling, run.info["fitted"]
    params, stats = run.state.sampler
    key = jax.random.key(0)

    def one(inputs):
        """Of one example: of how many it is one is then no matter of the networks."""
        inputs = jax.tree.map(lambda leaf: leaf[None], inputs)
        if run.game.translate:
            x = scaling.apply(inputs["images"], fitted)
            x = run.game.translate(params, stats, x, key)
        else:
            z = inputs if len(inputs) > 1 else inputs["z"]
            x, _ = run.game.generate(params, stats, z)
        return scaling.invert(x, fitted)[0]

    return jax.vmap(one)


def exported(run, num: int | None = None, platforms=_PLATFORMS) -> export.Exported:
    """`sampler` with its weights, for `num` examples; any number if not given."""
    n = num or export.symbolic_shape("n")[0]
    inputs = {
        name: jax.ShapeDtypeStruct((n, *x.shape[1:]), x.dtype)
        for name, x in examples(run, 1).items()
    }
    return export.export(jax.jit(sampler(run)), platforms=platforms)(inputs)


def weights(run) -> dict[str, np.ndarray]:
    """Parameters and statistics of the generator, by their path: "params/Dense_0/..".

    Of a game whose G is several networks all of them, each under its name.
    """
    named = dict(zip(("params", "stats"), run.state.sampler, strict=True))
    leaves, _ = jax.tree_util.tree_flatten_with_path(named)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in leaves
    }


def card(run, num: int, data_license: str | None = None) -> str:
    """The model card, Markdown."""
    record = read_record(run.workdir)
    config, info, step = run.config, run.info, int(run.state.step)
    parameters = sum(x.size for x in jax.tree.leaves(run.state.sampler[0]))
    shape = "x".join(map(str, info["shape"]))
    inputs = [
        f"- `{name}`: {x.dtype}, [n{''.join(f', {size}' for size in x.shape[1:])}]"
        for name, x in examples(run, 1).items()
    ]
    if not run.game.translate:
        inputs.append(f"- Latents z are drawn from: {_entry(config.prior)}")
    if "y" in run.game.given:
        inputs.append(f"- Labels y are numbers of: {', '.join(info['classes'])}")
    measured = [each for each in protocol.read(run.workdir) if each.step == step]
    lines = "\n".join
    return f"""---
tags:
- gan
- jax
---

# Generator of {record["experiment"]}

- generator: {config.generator.name}, {parameters:,} parameters
- game: {config.game.name}, loss {config.loss.name}
- training: {step:,} steps of {config.batch_size} examples, by gan_jax
  {record["versions"]["gan_jax"]}
- data: {_entry(config.data)}; {info["size"]:,} examples of {shape}
- licence of the data: {data_license or "not stated"}

## Samples

{lines(inputs)}

```python
import jax
import numpy as np

generate = jax.export.deserialize(open("generator.jax", "rb").read()).call
example = dict(np.load("example.npz"))
expected = example.pop("x")
samples = generate(example)
```

`generator.stablehlo` makes the same of {num} examples at a time, given in the order of
their names; `generator.safetensors` has the weights alone.

## Measured at this step

```
{protocol.table(measured) or "nothing"}
```

## Config

```json
{json.dumps(record["config"], indent=1)}
```
"""


def _entry(entry):
    """An entry of the config in words: its name, its keywords."""
    rest = [f"{field} {value}" for field, value in entry.items() if field != "name"]
    return ", ".join([entry.name, *rest])


if __name__ == "__main__":
    sys.exit(cli.run(main))
