"""Optimizers whose numbers are data.

An optimizer is a function numbers -> optax.GradientTransformation, called inside the
training step with the values of that step: a schedule can change every one of them, and
`vmap` can train many of them in one program.
"""

import optax


def optimizer(name, structure, constraint, decay=None):
    """A decay, the optax optimizer `name`, a constraint: a function of their numbers.

    structure:  keywords that shape the program, such as nesterov=False
    constraint: a factory in `constraints`, called with numbers["constraint"]
    decay:      likewise one in `decays`, with numbers["decay"]; None for no such link,
                which leaves the optimizer's state as it would be alone

    The rest of the numbers are the optimizer's own: learning_rate, b1, momentum, ...
    """

    def transformation(numbers):
        numbers = dict(numbers)
        of_decay = numbers.pop("decay", {})
        of_constraint = numbers.pop("constraint", {})
        first = [] if decay is None else [decay(**of_decay)]
        own = getattr(optax, name)(**numbers, **structure)
        return optax.chain(*first, own, constraint(**of_constraint))

    return transformation
