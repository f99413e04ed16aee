"""CIFAR-10 with R3GAN (Huang et al. 2024), unlabelled.

    python -m gan_jax.main --config=experiments/cifar_r3gan.py

A relativistic loss, D's slopes held down at real and at generated images, and no
normalisation: what is left of StyleGAN once the loss is sound. D sees all images
through the changes of StyleGAN2-ADA, those of colour half as often, and with squares
cut out. Learning rate, weight of the slopes, memory of Adam and of G's average and the
probability of changes begin elsewhere and come to the values below by half a cosine
over 20 million images. Published is FID 1.96 with labels, of 50,000 samples; the
authors' code also gives G minibatches of its own.
"""

from . import default

BATCH = 512


def get_config():
    config = default.get_config()
    config.steps = 200_000_000 // BATCH
    config.batch_size = BATCH
    config.loss = dict(name="relativistic")
    config.penalty = dict(name="r1_r2", gamma=0.005)
    config.augmentation = dict(
        name="fixed",
        p=0.55,
        of_color=0.5,
        pipe=("blit", "geom", "color", "cutout"),
    )
    config.generator = dict(name="r3gan")
    config.discriminator = dict(name="r3gan")
    config.prior = dict(name="normal", dim=64)
    config.data = dict(name="tfds", builder="cifar10", split="train", flip=True)
    config.d_optimizer = dict(name="adam", learning_rate=5e-5, b1=0.0, b2=0.99)
    config.g_optimizer = dict(name="adam", learning_rate=5e-5, b1=0.0, b2=0.99)
    config.ema_decay = 0.5 ** (BATCH / 5_000_000)  # half of it every 5 million images
    config.schedule = dict(
        name="burn_in",
        steps=20_000_000 // BATCH,
        numbers=(
            "d_optimizer.learning_rate",
            "g_optimizer.learning_rate",
            "d_optimizer.b2",
            "g_optimizer.b2",
            "penalty.gamma",
            "ema_decay",
            "augmentation.p",
        ),
        initial=(2e-4, 2e-4, 0.9, 0.9, 0.05, 0.0, 0.0),
    )
    config.log_every = 10
    config.sample_every = 100
    config.checkpoint_every = 500
    return config
