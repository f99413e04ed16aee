"""PacGAN's grid of 25 Gaussians, and all else as on the ring.

    python -m gan_jax.main --config=experiments/grid.py

With packing: as in experiments/ring.py, which tells the protocol. Published, mean and
standard error of 10 trials after the last step; a G that drew from the data would have
25 modes, 98.9 % and 0.0048:

    packing    modes of 25   high quality, %   reverse KL
    none       17.3 +- 0.8     94.8 +- 0.7    0.70 +- 0.07
    2          23.8 +- 0.7     91.3 +- 0.8    0.13 +- 0.04
    3          24.6 +- 0.4     94.2 +- 0.4    0.06 +- 0.02
    4          24.8 +- 0.2     93.6 +- 0.6    0.04 +- 0.01

With packing samples reach the modes later than without: a tenth of the steps
(--config.steps=40_000) shows no gain yet.
"""

from . import ring


def get_config():
    config = ring.get_config()
    config.data.distribution = "grid"
    return config
