"""Optimizers whose numbers are data.

An optimizer is a function numbers -> optax.GradientTransformation, called inside the
training step with the values of that step: a schedule can change every one of them, and
`vmap` can train many of them in one program.
"""

import optax

from gan_jax import decays


def optimizer(name, structure, constraint, decay=decays.none):
    """A decay, the optax optimizer `name`, a constraint: a function of their numbers.

    structure:  keywords that shape the program, such as nesterov=False
    constraint: a factory in `constraints`, called with numbers["constraint"]
    decay:      a factory in `decays`, called with numbers["decay"]

    The rest of the numbers are the optimizer's own: learning_rate, b1, momentum, ...
    """

    def transformation(numbers):
        numbers = dict(numbers)
        of_decay = numbers.pop("decay", {})
        of_constraint = numbers.pop("constraint", {})
        # none is no link, or the states of earlier checkpoints would lack its state
        first = [] if decay is decays.none else [decay(**of_decay)]
        own = getattr(optax, name)(**numbers, **structure)
        return optax.chain(*first, own, constraint(**of_constraint))

    return transformation
