"""What growing games share: levels of more and more pixels, and when each is played.

Karras et al. (2018, arXiv:1710.10196), section 2. A level fades in, stays for a while,
and makes room for the next; how long is counted in examples, as in the authors' code
(github.com/tkarras/progressive_growing_of_gans). All parameters are there from the
start, those of levels to come without a gradient, so that the state never grows.
"""

import functools
from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.config.numbers import by_field, replace
from gan_jax.config.ranges import Range
from gan_jax.errors import UsageError
from gan_jax.games import Game
from gan_jax.layers.levels import level_of, seen_at
from gan_jax.networks import Network
from gan_jax.state import Player

Rates = Annotated[
    tuple[float, ...],
    Range(lambda x: min(x, default=1.0) > 0, "each must be positive"),
]


class Growth(NamedTuple):
    """When which level is played, and by what; of each level, in their order:

    levels:  as networks count them, see `layers.levels`
    starts:  the step at which it begins to fade in; the first level need not
    stays:   the step at which it has
    batches: with how many examples of each minibatch it is played
    rates:   what learning rates are multiplied with
    fade:    examples in which a level fades in
    """

    levels: tuple[int, ...]
    starts: tuple[int, ...]
    stays: tuple[int, ...]
    batches: tuple[int, ...]
    rates: tuple[float, ...]
    fade: int

    @classmethod
    def of(cls, shape, batch_size, first, fade, stay, batches, rates) -> "Growth":
        """From `first` pixels to those of `shape`, with `fade` and `stay` in examples.

        batches, rates: as above; the last of them is that of all levels that follow,
                        those beyond the last level are of none, and without any these
                        are batch_size and 1

        Raises UsageError for what does not fit.
        """
        last = level_of(shape)
        sizes = [4 * 2**i for i in range(last + 1)]
        if first not in sizes:
            raise UsageError(
                f"config.game.first={first}: the first of the levels of images of "
                f"{shape[0]} pixels can be {', '.join(map(str, sizes))}"
            )
        levels = tuple(range(sizes.index(first), last + 1))
        batches = _each(batches or (batch_size,), len(levels))
        if max(batches) > batch_size:
            raise UsageError(
                f"config.game.batches: a level takes {max(batches)} examples of a "
                f"minibatch, but config.batch_size={batch_size}"
            )
        starts, stays = [0], [0]
        for i in range(1, len(levels)):
            starts.append(stays[-1] + -(-stay // batches[i - 1]))
            stays.append(starts[-1] + -(-fade // batches[i]))
        of_each = levels, tuple(starts), tuple(stays), batches
        return cls(*of_each, _each(rates or (1.0,), len(levels)), fade)

    @property
    def changes(self) -> tuple[int, ...]:
        """The steps from which on other layers learn, or none fades in any more."""
        return tuple(sorted({*self.starts[1:], *self.stays[1:]}))

    def index(self, step):
        """Which of the levels is played at a step, int32 []."""
        return jnp.sum(jnp.asarray(step) >= jnp.asarray(self.starts)) - 1

    def level(self, step):
        """How far the networks have grown at a step, float32 []: 2.3, say."""
        i = self.index(step)
        start = jnp.asarray(self.starts)[i]
        steps = jnp.minimum(step, jnp.asarray(self.stays)[i]) - start  # of the fade
        examples = steps * jnp.asarray(self.batches)[i]
        share = jnp.clip(examples.astype(jnp.float32) / self.fade, 0.0, 1.0)
        return jnp.where(i == 0, self.levels[0], self.levels[0] + i - 1 + share)

    def numbers(self, numbers, by_examples=False):
        """The numbers of a step with the learning rates of its level.

        by_examples: the average of G forgets by examples: ema_decay is of as many as
                     the largest minibatch of a level has
        """
        i = self.index(numbers["step"])
        known = by_field(numbers)
        changed = {}
        if set(self.rates) != {1.0}:
            factor = jnp.asarray(self.rates, jnp.float32)[i]
            for field in ("d_optimizer.learning_rate", "g_optimizer.learning_rate"):
                if field not in known:
                    raise UsageError(f"config.game.rates needs --config.{field}=")
                changed[field] = known[field] * factor
        if by_examples:
            shares = [n / max(self.batches) for n in self.batches]
            power = jnp.asarray(shares, jnp.float32)[i]
            changed["ema_decay"] = known["ema_decay"] ** power
        return replace(numbers, changed)


def _each(values, count):
    """As many of the values; the last one again where there are fewer."""
    return (*values, *[values[-1]] * (count - len(values)))[:count]


def grown(network: Network, level, fading) -> Network:
    """A network at a level, which is asked for nothing above `fading`."""
    apply = functools.partial(network.apply, level=level, fading=fading)
    return Network(network.init, apply)


def growing(at: Callable, growth: Growth, by_examples: bool = False) -> Game:
    """The game that grows, of one whose networks are at a level.

    at: (level, fading) -> Game, whose networks have grown to `level`, a number [], and
        are asked for no level above `fading`, or for any if that is None

    G's statistics are {"G", "step"}, its own and the step that was played last, which
    tells how far samples have grown.

    Each level is a phase, a program of its own. The losses of the game that asks for
    the level are all of them, one of which is run; samples and scores are of the whole
    networks, of which only what has grown counts.
    """

    def init(key, batch):
        d, (params, stats) = at(growth.levels[0]).init(key, batch)
        g = params, {"G": stats, "step": jnp.zeros((), jnp.int32)}
        _refuse_what_does_not_grow(at, growth, d, g, batch["x"].shape[1:])
        return d, g

    def phase(i):
        """Both losses of a level."""

        def here(numbers, batch):
            level, fading = growth.level(numbers["step"]), growth.levels[i]
            few = jax.tree.map(lambda x: some(x, growth.batches[i]), batch)
            few["x"] = seen_at(few["x"], level, fading)
            return at(level, fading), few, level

        def d_loss(params, stats, g, numbers, batch, key):
            game, batch, level = here(numbers, batch)
            found = game.d_loss(params, stats, _own(g), numbers, batch, key)
            value, (stats, metrics) = found
            return value, (stats, metrics | {"level": level})

        def g_loss(params, stats, d, numbers, batch, key):
            game, batch, _ = here(numbers, batch)
            found = game.g_loss(params, stats["G"], d, numbers, batch, key)
            value, (own, metrics) = found
            step = jnp.asarray(numbers["step"], jnp.int32)
            return value, ({"G": own, "step": step}, metrics)

        return d_loss, g_loss

    def of_sampler(stats):
        return at(growth.level(stats["step"]))

    def generate(params, stats, z, key=None, train=False):
        game = of_sampler(stats)
        x, own = game.generate(params, stats["G"], z, key=key, train=train)
        return x, stats | {"G": own}

    def score(d, g, batch):
        return of_sampler(g.stats).score(d, _own(g), batch)

    def truncate(params, stats, z, psi):
        return of_sampler(stats).truncate(params, stats["G"], z, psi)

    def drawn(k, params, stats, inputs):
        draw = of_sampler(stats).pictures[k].draw
        return draw(params, stats["G"], inputs)

    losses = [phase(i) for i in range(len(growth.levels))]

    def any_level(player):
        functions = [pair[player] for pair in losses]

        def loss(params, stats, opponent, numbers, *given):
            operands = params, stats, opponent, numbers, *given
            return jax.lax.switch(growth.index(numbers["step"]), functions, *operands)

        return loss

    whole = at(growth.levels[-1])
    game = whole._replace(
        init=init,
        d_loss=any_level(0),
        g_loss=any_level(1),
        generate=generate,
        score=score,
        truncate=whole.truncate and truncate,
        pictures=tuple(
            picture._replace(draw=functools.partial(drawn, k))
            for k, picture in enumerate(whole.pictures)
        ),
        numbers=lambda numbers: growth.numbers(numbers, by_examples),
        changes=growth.changes,
    )
    phases = [game._replace(d_loss=d_loss, g_loss=g_loss) for d_loss, g_loss in losses]
    return game._replace(phases=tuple(zip(growth.starts, phases, strict=True)))


def _refuse_what_does_not_grow(at, growth, d, g, shape):
    """Raises UsageError for networks without levels, and for minibatches of one level
    that D cannot judge, before a run comes to it."""
    game = at(growth.levels[0], growth.levels[0])
    d, g = Player(*d), _own(Player(*g))

    def look(n):
        z = game.latents(jax.random.key(0), {"x": jnp.zeros((n, *shape))})
        x, _ = game.generate(g.params, g.stats, z)
        return game.score(d, g, {"x": x})

    for n in set(growth.batches):
        jax.eval_shape(functools.partial(look, n))


def some(x, n):
    """n of the examples x, taken evenly from all of them; x where there are fewer.

    Evenly, since devices may share them: each then has as many, where n divides them.
    """
    every = max(1, len(x) // n)
    return x[: n * every].reshape(-1, every, *x.shape[1:])[:, 0]


def _own(g):
    return g.replace(stats=g.stats["G"])
