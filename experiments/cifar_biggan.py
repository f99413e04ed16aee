"""CIFAR-10 by class with BigGAN (Brock et al. 2019).

    python -m gan_jax.main --config=experiments/cifar_biggan.py
    python -m gan_jax.evaluate --workdir=runs/cifar_biggan --batch_norm=recalibrated
    python -m gan_jax.sample --workdir=runs/cifar_biggan --truncation=.2,.5,1 --num=30

The numbers are those of github.com/ajbrock/BigGAN-PyTorch (launch_cifar_ema.sh): 500
epochs of four updates of D, each on fresh images, and one of G, whose average is a copy
of it for 1,000 steps. Published: FID 14.73 and Inception score 9.22 in the paper; 4.16
and 9.96 by StudioGAN, 50,000 samples against the training images. In the authors' code
G draws its classes uniformly; here it has those of D's images.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 125_000
    config.batch_size = 50
    config.d_steps = 4
    config.game = dict(name="gan", labels=True)
    config.loss = dict(name="hinge")
    config.generator = dict(name="biggan")
    config.discriminator = dict(name="biggan")
    config.prior = dict(name="normal", dim=128)
    config.data = dict(name="tfds", builder="cifar10", split="train")
    config.d_optimizer = dict(name="adam", learning_rate=2e-4, b1=0.0, b2=0.999)
    config.g_optimizer = dict(name="adam", learning_rate=2e-4, b1=0.0, b2=0.999)
    config.ema_decay = 0.9999
    config.ema_start = 1_000
    config.log_every = 25
    config.sample_every = 250
    config.sample_grid = (10, 10)  # a class a row
    return config
