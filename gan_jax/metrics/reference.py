"""Features of real examples, kept on disk: they are the same for every run."""

import contextlib
import hashlib

import numpy as np

from gan_jax.data import cache
from gan_jax.data.source import parts
from gan_jax.metrics.features import FeatureNetwork


def reference_features(network: FeatureNetwork, images):
    """network.apply(images), computed once for these images and these weights.

    An entry of the cache is named by the bytes of both; one that is damaged is made
    anew, and where the cache cannot be written nothing is kept.
    """
    if network.checksum is None:  # the pixels themselves
        return network.apply(images)
    pixels = hashlib.sha256()
    for part in parts(images):
        pixels.update(np.ascontiguousarray(part))
    which = f"{pixels.hexdigest()[:16]}-{len(images)}"
    name = f"{network.name}-{network.checksum[:16]}-{which}.npz"
    path = cache.directory() / "features" / name
    if (found := _read(path, len(images))) is not None:
        return found
    features, probabilities = network.apply(images)
    with contextlib.suppress(OSError):
        arrays = {"features": features, "probabilities": probabilities}
        cache.write_arrays(path, arrays)
    return features, probabilities


def _read(path, n):
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as entry:
            features, probabilities = entry["features"], entry["probabilities"]
    except Exception:  # damage shows in many ways, and all of them end in a rebuild
        return None
    whole = len(features) == len(probabilities) == n
    return (features, probabilities) if whole else None
