"""MNIST as in the code of Goodfellow et al. (2014), `mnist.yaml`.

    python -m gan_jax.main --config=experiments/mnist_mlp_2014.py

Simultaneous updates on shared latents and dropout masks, the mean of D's two terms,
uniform latents of unit variance, uniform initial weights, the logit of the mean digit
as the output's bias, momentum from 0.5 to 0.7 and a falling learning rate. The original
has no last step.

The paper reports a Parzen estimate of 225 +- 2. To see it rise, on train[50000:]:

    --config.steps=1_000_000 --config.evaluate_every=5_000
    --config.evaluate_metrics=parzen

The learning rate goes on to fall for millions of steps. `mnist_mlp_parzen.py` comes to
that estimate much sooner, and is a worse generator.
"""

from . import default


def get_config():
    config = default.get_config()
    config.steps = 50_000
    config.batch_size = 100
    config.turns = "simultaneous"
    config.loss = dict(name="non_saturating", terms="mean")
    config.generator = dict(name="maxout")
    config.discriminator = dict(name="maxout")
    config.prior = dict(name="uniform", dim=100, low=-(3**0.5), high=3**0.5)
    config.data = dict(
        name="tfds",
        builder="mnist",
        split="train[:50000]",
        validation_split="train[50000:]",
    )
    config.scaling = dict(name="unit")
    config.d_optimizer = dict(name="sgd", learning_rate=0.1, momentum=0.5)
    config.g_optimizer = dict(name="sgd", learning_rate=0.1, momentum=0.5)
    config.schedule = dict(name="goodfellow_2014", steps_per_epoch=500)
    config.log_every = 100
    config.validate_every = 1_000
    config.sample_every = 500
    config.checkpoint_every = 2_500
    return config
