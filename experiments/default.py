"""What every experiment starts from; an experiment is written as a diff of it.

Each entry with a name is a function, and its other fields are that function's
keywords: `loss` is in gan_jax/losses.py, `penalty` in gan_jax/penalties.py, `generator`
and `discriminator` are files of gan_jax/models/, `data` is a file of gan_jax/data/,
optimizers are optax's, and so on.
"""

from ml_collections import ConfigDict


def get_config():
    return ConfigDict(
        dict(
            seed=0,
            # how long, and in what turns
            steps=2_000,  # one step: d_steps updates of D, then g_steps of G
            batch_size=128,
            pack=1,  # examples that D judges at once, as one (PacGAN)
            # parts of a minibatch, computed one after the other, in the memory of one
            accumulate=1,
            d_steps=1,
            g_steps=1,
            # (100, 25, 500): 100 updates of D in each of the first 25 steps and every
            # 500th, as in the code of WGAN; (): all steps are alike
            d_steps_long=(),
            # or "simultaneous", as in the code of 2014, or "extragradient"
            turns="alternating",
            # what is played, by whom, on what
            game=dict(name="gan"),
            loss=dict(name="non_saturating"),
            penalty=dict(name="none"),  # on D's slope, added to its loss
            augmentation=dict(name="none"),  # what D sees all examples through
            dynamics=dict(name="none"),  # how the players look at each other's moves
            generator=dict(name="mlp"),
            discriminator=dict(name="mlp"),
            prior=dict(name="normal", dim=100),
            data=dict(name="digits"),
            scaling=dict(name="symmetric"),
            # in what numbers the networks compute: the type of activations and of the
            # operands of products, "float32" or "bfloat16" (parameters, statistics,
            # losses, optimizers are float32), and how exact float32 products are on
            # accelerators, "highest", "high" or "default". "high" is TF32 on NVIDIA's
            # GPUs, 10 bits of mantissa at several times the rate of float32, which GANs
            # train as well with, and 3 bfloat16 passes on TPUs; no change on CPUs
            dtype="float32",
            matmul_precision="high",
            # how each player learns
            d_decay=dict(name="none"),  # of weights, before the optimizer
            g_decay=dict(name="none"),
            d_optimizer=dict(name="adam", learning_rate=2e-4, b1=0.5),
            g_optimizer=dict(name="adam", learning_rate=2e-4, b1=0.5),
            d_constraint=dict(name="none"),
            g_constraint=dict(name="none"),
            schedule=dict(name="constant"),
            # the average of G, which is sampled from, remembers 1 / (1 - ema_decay)
            # updates of it; 0: no average. Before step ema_start it is a copy of G
            ema_decay=0.0,
            ema_start=0,
            # the work directory of a trained run, whose networks and average are
            # the first ones of this run
            init_from="none",
            # that share each minibatch; 0: as many of them as divide it
            devices=0,
            # steps in one program on the device; 0: as many as suit it
            steps_per_dispatch=0,
            # where a loss or a parameter is no longer finite: "stop", or "halve_rates",
            # back to the newest checkpoint with half the learning rates, up to 5 times
            on_divergence="stop",
            # how samples are judged on the way (python -m gan_jax.evaluate, which says
            # what metrics there are): every so many steps, 0 for never; no metrics for
            # those that suit the data, no number for the usual one. The checkpoint with
            # the best value of the metric `best` is kept beside the newest ones
            evaluate_every=0,
            evaluate_metrics=(),
            evaluate_samples=0,
            best="none",
            # what is written to the work directory, in steps
            log_every=50,
            validate_every=500,
            sample_every=200,
            checkpoint_every=500,
            sample_grid=(5, 5),  # rows, columns
        )
    )
