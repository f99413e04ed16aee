"""Images moved at random, as gan_jax/data/variation.py moves them."""

import torch
import torch.nn.functional as F


def varied(x, flip=False, jitter=0, dequantize=False, **others):
    """Images [n, c, h, w] in [-1, 1] as an entry of the config's data has them."""
    if jitter:
        x = jittered(x, jitter)
    if flip:
        x = mirrored(x)
    return dequantized(x) if dequantize else x


def dequantized(x):
    """With noise of a grey level."""
    return torch.rand_like(x).sub_(0.5).mul_(1 / 127.5).add_(x)


def mirrored(x):
    """Each turned left to right with probability 1/2."""
    chosen = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
    return torch.where(chosen, x.flip(-1), x)


def jittered(x, pixels):
    """Enlarged by `pixels` of their shorter side, each cut to size at its own place."""
    height, width = x.shape[2:]
    shorter = min(height, width)
    larger = [side + round(side * pixels / shorter) for side in (height, width)]
    tops, lefts = (
        torch.randint(most - side + 1, (len(x),)).tolist()
        for most, side in zip(larger, (height, width), strict=True)
    )
    x = F.interpolate(x, larger, mode="bilinear")
    return torch.cat(
        [
            image[..., top : top + height, left : left + width]
            for image, top, left in zip(x.split(1), tops, lefts, strict=True)
        ]
    )
