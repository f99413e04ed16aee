"""How many updates of D to one of G? The loss plot of FluxGAN.jl: k = 1, 5, 20 and 40.

    python -m gan_jax.sweep --config=experiments/ablations/d_steps.py

Algorithm 1 lets D take k steps for each of G's and leaves k open. Does a D that is kept
nearer to its optimum teach G better, and what do the losses tell of it?

As in its scripts/mnist_loss_plot.jl: the networks of mnist_mlp.py, optimistic Adam with
a learning rate of 1e-4, fresh latents and a fresh minibatch for each update of D, and
the same initial networks for every k. Not as there: minibatches of 100 go through the
data in epochs, there any number of examples is drawn with replacement; logged are the
losses of G's update and of D's last one in that step, there the means of all since the
line before; three seeds, there one; 3,000 steps, there up to 100,000, which are
--config.steps=1e5. The images that D sees grow with k: in 75 steps k = 40 sees what
k = 1 does in 3,000.
"""

from .. import mnist_mlp


def get_config():
    config = mnist_mlp.get_config()
    config.steps = 3_000
    config.d_optimizer.learning_rate = 1e-4
    config.g_optimizer.learning_rate = 1e-4
    config.log_every = 25
    config.sample_every = 100
    config.checkpoint_every = 500
    config.evaluate_every = 500
    config.evaluate_metrics = ("frechet",)
    return config


def sweep():
    """The updates of D in a step."""
    for k in (1, 5, 20, 40):
        yield {"d_steps": k}


def population():
    """Three seeds."""
    for seed in range(3):
        yield {"seed": seed}
