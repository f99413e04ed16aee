"""The weights of FID's Inception network, from PyTorch's file to one for this package:

python -m gan_jax.metrics.convert_inception --pth=FILE.pth --out=inception.npz

FILE.pth is pt_inception-2015-12-05-6726825d.pth, a release file of pytorch-fid, whose
SHA-256 begins with the last part of its name. Needs PyTorch; what it writes does not.
"""

import hashlib
import pickle
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from flax.traverse_util import flatten_dict, unflatten_dict

from gan_jax import cli
from gan_jax.errors import UsageError
from gan_jax.loop.log import say
from gan_jax.metrics import weights_file
from gan_jax.metrics.features import FID_SOURCE
from gan_jax.metrics.inception import Inception

# of batch norm: the name there, the collection and the name here
_BATCH_NORM = {
    "weight": ("params", "scale"),
    "bias": ("params", "bias"),
    "running_mean": ("batch_stats", "mean"),
    "running_var": ("batch_stats", "var"),
}
# a matrix is [outputs, inputs] there, a convolution's kernel [o, i, h, w]
_AXES = {2: (1, 0), 4: (2, 3, 1, 0)}
# what is not used: the last bias, the auxiliary classifier, counters of batches
_UNUSED = ("fc.bias", "AuxLogits.", "num_batches_tracked")


def main(arguments: list[str]) -> None:
    """Reads the flags and writes what they ask for."""
    values = cli.new_flags()
    define: dict[str, Any] = {"flag_values": values}
    flags.DEFINE_string("pth", None, "the weights as PyTorch keeps them", **define)
    flags.DEFINE_string("out", "inception.npz", "or a .safetensors file", **define)
    cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\n{cli.describe(values)}")
        return
    if values.pth is None:
        raise UsageError("--pth=FILE.pth is needed: the weights as PyTorch keeps them")
    source, out = Path(values.pth).expanduser(), Path(values.out).expanduser()
    if out.suffix not in weights_file.FORMATS or not out.absolute().parent.is_dir():
        raise UsageError(
            f"--out={out}: accepted is a file {' or '.join(weights_file.FORMATS)} in "
            "an existing folder"
        )
    if not source.is_file():
        raise UsageError(f"--pth={source}: there is no such file")
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    variables = convert(_load(source))
    weights_file.write(out, variables, {"name": "inception", "source_sha256": sha256})
    say(f"wrote {out}: checksum {weights_file.checksum(variables)}")
    if not sha256.startswith(FID_SOURCE):
        say(
            f"{source} is not the file that FID is computed with: its SHA-256 begins "
            f"with {sha256[:8]}, not {FID_SOURCE}"
        )


def _load(source):
    try:
        import torch
    except ImportError:
        raise UsageError("PyTorch is needed to read it: pip install torch") from None
    try:
        state = torch.load(source, map_location="cpu", weights_only=True)
        return {name: array.float().numpy() for name, array in state.items()}
    except (RuntimeError, pickle.UnpicklingError, EOFError, AttributeError) as error:
        reason = str(error).split("\n")[0]
        raise UsageError(f"--pth={source} holds no weights: {reason}") from None


def convert(state: dict[str, np.ndarray]) -> dict:
    """A PyTorch state, arrays by name, as variables of `Inception`.

    Raises UsageError for names or shapes other than the network's.
    """
    arrays = {}
    for name, array in state.items():
        if any(part in name for part in _UNUSED):
            continue
        layer, _, kind = name.rpartition(".")
        if layer.endswith(".bn") and kind in _BATCH_NORM:
            collection, kind = _BATCH_NORM[kind]
        elif kind == "weight" and array.ndim in _AXES:
            collection, kind = "params", "kernel"
            array = array.transpose(_AXES[array.ndim])
        else:
            raise UsageError(f"not the weights of FID's Inception: they have {name}")
        arrays[f"{collection}/{layer.replace('.', '/')}/{kind}"] = array
    image = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.uint8)
    expected = flatten_dict(
        jax.eval_shape(Inception().init, jax.random.key(0), image), sep="/"
    )
    for name in sorted(expected.keys() | arrays.keys()):
        ours, theirs = (getattr(x.get(name), "shape", None) for x in (expected, arrays))
        if ours != theirs:
            raise UsageError(
                f"not the weights of FID's Inception: {name} has shape {theirs}, "
                f"expected is {ours}"
            )
    return unflatten_dict(arrays, sep="/")


if __name__ == "__main__":
    sys.exit(cli.run(main))
