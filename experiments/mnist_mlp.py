"""MNIST with the fully connected networks of FluxGAN.jl: an MLP against maxout.

    python -m gan_jax.main --config=experiments/mnist_mlp.py

The networks of Goodfellow et al. (2014) in modern dress: normal latents, a tanh output,
Glorot's initialisation, no dropout, optimistic Adam, alternating turns.

These networks leave some salt and pepper in the samples.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 50_000
    config.batch_size = 100
    config.data = dict(name="tfds", builder="mnist", split="train")
    config.generator = dict(
        name="maxout", output="tanh", initializer="glorot", marginal_bias=False
    )
    config.discriminator = dict(
        name="maxout", initializer="glorot", input_dropout=0.0, dropout=0.0
    )
    optimizer = dict(
        name="optimistic_adam_v2", learning_rate=2e-4, b1=0.5, b2=0.9, nesterov=False
    )
    config.d_optimizer = config.g_optimizer = optimizer
    config.log_every = 100
    config.sample_every = 500
    config.checkpoint_every = 2_500
    return config
