"""Optimizers whose numbers are data.

An optimizer is a function numbers -> optax.GradientTransformation, called inside the
training step with the values of that step: a schedule can change every one of them, and
`vmap` can train many of them in one program.
"""

import optax


def optimizer(name, structure, constraint):
    """The optax optimizer `name`, then a constraint, as a function of their numbers.

    structure:  keywords that shape the program, such as nesterov=False
    constraint: a factory in `constraints`, called with numbers["constraint"]

    The rest of the numbers are the optimizer's own: learning_rate, b1, momentum, ...
    """

    def transformation(numbers):
        numbers = dict(numbers)
        limits = numbers.pop("constraint")
        return optax.chain(
            getattr(optax, name)(**numbers, **structure), constraint(**limits)
        )

    return transformation
