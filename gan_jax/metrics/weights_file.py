"""Weights of feature networks in files: .npz or .safetensors, with a checksum.

A file holds the arrays of a flax tree under names such as params/Conv_0/kernel, and
`about`, what is to be known of them: an object in JSON, an entry of its own in .npz and
of the metadata in .safetensors. Neither format can carry code, and both are read here
with numpy alone. Arrays may be float16 in a file; they are float32 once read.
"""

import hashlib
import json
import math
import struct
from pathlib import Path

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from gan_jax.errors import UsageError

FORMATS = (".npz", ".safetensors")

_TYPES = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}  # of .safetensors


def checksum(variables: dict) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of all arrays.

    What counts are names, shapes and values as float32, not the file's format.
    """
    digest = hashlib.sha256()
    for name, array in sorted(flatten_dict(variables, sep="/").items()):
        digest.update(f"{name} {list(array.shape)}\n".encode())
        digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    return digest.hexdigest()[:16]


def write(path: Path, variables: dict, about: dict) -> None:
    """Writes a tree of float16 and float32 arrays, and `about` with their checksum.

    Raises UsageError where `path` cannot be written.
    """
    arrays = {
        name: np.ascontiguousarray(array)
        for name, array in sorted(flatten_dict(variables, sep="/").items())
    }
    text = json.dumps(about | {"checksum": checksum(variables)})
    try:
        if path.suffix == ".safetensors":
            path.write_bytes(_to_safetensors(arrays, text))
        else:
            np.savez(path, allow_pickle=False, about=np.array(text), **arrays)
    except OSError as error:
        raise UsageError(f"weights {path} cannot be written: {error}") from None


def read(path: Path) -> tuple[dict, dict]:
    """The tree of float32 arrays in a file, and what is `about` them.

    Raises UsageError for a file that is missing, damaged, or none of weights.
    """
    if path.suffix not in FORMATS:
        raise UsageError(f"weights {path}: accepted are {' and '.join(FORMATS)} files")
    if not path.is_file():
        raise UsageError(f"weights {path}: there is no such file")
    try:
        arrays, text = (_from_npz if path.suffix == ".npz" else _from_safetensors)(path)
        about = json.loads(text)
        variables = unflatten_dict(
            {name: array.astype(np.float32) for name, array in arrays.items()}, sep="/"
        )
        whole = about["checksum"] == checksum(variables)
    except Exception as error:  # damage shows in many ways
        raise UsageError(
            f"weights {path}: damaged, or not written by this project ({error})"
        ) from None
    if not whole:
        raise UsageError(
            f"weights {path}: damaged, the arrays differ from the checksum"
        )
    return variables, about


def _from_npz(path):
    # numpy leaves a file that it opened itself, and that is damaged, open
    with path.open("rb") as file, np.load(file, allow_pickle=False) as entries:
        arrays = dict(entries)
    return arrays, arrays.pop("about").item()


def _from_safetensors(path):
    """An eight-byte length, a header in JSON, then the bytes of all arrays."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    text = header.pop("__metadata__")["about"]
    values = memoryview(content)[8 + length :]

    def array(entry):
        start, stop = entry["data_offsets"]
        flat = np.frombuffer(values[start:stop], _TYPES[entry["dtype"]])
        return flat.reshape(entry["shape"])

    return {name: array(entry) for name, entry in header.items()}, text


def _to_safetensors(arrays, text):
    names = {dtype: name for name, dtype in _TYPES.items()}
    header, offset = {"__metadata__": {"about": text}}, 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": names[array.dtype],
            "shape": array.shape,
            "data_offsets": (offset, offset + array.nbytes),
        }
        offset += array.nbytes
    line = json.dumps(header).encode()
    line += b" " * (math.ceil(len(line) / 8) * 8 - len(line))  # arrays lie aligned
    return struct.pack("<Q", len(line)) + line + b"".join(map(bytes, arrays.values()))
