"""Unrolled GAN on its ring: G sees where D will be five updates later.

    python -m gan_jax.main --config=experiments/unrolled_ring.py

and the same GAN that does not look ahead, which goes round from mode to mode:

    python -m gan_jax.main --config=experiments/unrolled_ring.py \\
        --workdir=runs/ring_not_unrolled --config.dynamics.name=none

The setting is that of the authors' notebook (Metz et al. 2017), whose ring has its
first mode twice: seven modes in all. Points are drawn anew for every minibatch. What is
published are pictures: all modes from step 5,000 on, and without unrolling one at a
time.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 25_000
    config.batch_size = 512
    config.turns = "simultaneous"
    config.loss = dict(name="saturating")
    config.dynamics = dict(name="unrolled", k=5)
    config.generator = dict(name="unrolled")
    config.discriminator = dict(name="unrolled")
    config.prior = dict(name="normal", dim=256)
    config.data = dict(name="toy2d", distribution="unrolled_ring", fresh=True)
    config.scaling = dict(name="identity")
    config.d_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.5)
    config.g_optimizer = dict(name="adam", learning_rate=1e-3, b1=0.5)
    config.log_every = 100
    config.validate_every = 1_000
    config.sample_every = 500
    config.checkpoint_every = 5_000
    return config
