"""Which modes of the data a run's samples have found, where the modes are known."""

from gan_jax.games import sampler
from gan_jax.metrics.modes import judge, known_modes, perfect
from gan_jax.sampling import latents_for
from gan_jax.watches import Watch

SAMPLES = 2_500  # as many as PacGAN and VEEGAN judge


def make_mode_watch(config, built, dataset, key) -> Watch | None:
    """Modes captured, high-quality share and reverse KL; None where no mode is known.

    All through the run of the same 2,500 latents, which `key` draws, and of the G that
    is sampled from.
    """
    modes = known_modes(dataset.info)
    if modes is None:
        return None
    z = latents_for(built, key, SAMPLES)
    generate = sampler(built.game)

    def compute(state):
        return generate(*state.sampler, z)

    def read(samples):
        return judge(dataset.to_uint8(samples), modes)

    return Watch(config.validate_every, compute, read, perfect(modes, SAMPLES))
