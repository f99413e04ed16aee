"""Text by characters with WGAN-GP (Gulrajani et al. 2017, section 5.3).

    python -m gan_jax.main --config=experiments/text_wgan_gp.py
    python -m gan_jax.main --config=experiments/text_wgan_gp.py \\
        --config.data.path=book.txt

Without data.path it is the Python language reference as help() prints it, which every
Python has (and each version in words of its own). `samples/` has texts and pictures of
them; `quality.png` the divergence of their n-grams from those of the training text, and
`python -m gan_jax.evaluate --real` says what held-out text has.

As in the authors' `gan_language.py`: networks, batch, loss, penalty, betas. Theirs are
512 wide, with ten updates of the critic a step and a rate of 1e-4, 200,000 steps on ten
million lines of the Billion Word corpus:

    --config.generator.width=512 --config.discriminator.width=512 --config.d_steps=10
    --config.d_optimizer.learning_rate=1e-4 --config.g_optimizer.learning_rate=1e-4
    --config.data.lines=true --config.data.stride=none --config.steps=200_000

Published are samples, words with many errors in them, and curves.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 5_000
    config.batch_size = 64
    config.d_steps = 5
    config.loss = dict(name="wasserstein")
    config.penalty = dict(name="wgan_gp", weight=10.0)
    config.generator = dict(name="wgan_gp_text", width=32)
    config.discriminator = dict(name="wgan_gp_text", width=32)
    config.prior = dict(name="normal", dim=128)
    config.data = dict(
        name="text",
        split="train[:85%]",
        validation_split="train[85%:]",
        length=32,
        stride=8,
    )
    config.scaling = dict(name="one_hot")
    config.d_optimizer = dict(name="adam", learning_rate=5e-4, b1=0.5, b2=0.9)
    config.g_optimizer = dict(name="adam", learning_rate=5e-4, b1=0.5, b2=0.9)
    config.log_every = 20
    config.validate_every = 250
    config.sample_every = 100
    config.checkpoint_every = 250
    config.evaluate_every = 250
    config.evaluate_samples = 640
    return config
