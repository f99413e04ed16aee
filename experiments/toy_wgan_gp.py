"""WGAN-GP on points of the plane, as in the authors' `gan_toy.py`.

    python -m gan_jax.main --config=experiments/toy_wgan_gp.py

Eight Gaussians; --config.data.distribution=25gaussians and swiss_roll are the other two
panels of figure 2 of Gulrajani et al. (2017), which is what is published. Points are
drawn anew for every minibatch. The level sets of the critic lie around the data all
over the plane, where a clipped one knows straight lines.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 100_000
    config.batch_size = 256
    config.d_steps = 5
    config.loss = dict(name="wasserstein")
    config.penalty = dict(name="wgan_gp", weight=0.1)
    config.generator = dict(name="wgan_gp_toy")
    config.discriminator = dict(name="wgan_gp_toy")
    config.prior = dict(name="normal", dim=2)
    config.data = dict(name="toy2d", distribution="8gaussians", fresh=True)
    config.scaling = dict(name="identity")
    config.d_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.5, b2=0.9)
    config.g_optimizer = dict(name="adam", learning_rate=1e-4, b1=0.5, b2=0.9)
    config.log_every = 100
    config.validate_every = 1_000
    config.sample_every = 1_000
    config.checkpoint_every = 10_000
    return config
