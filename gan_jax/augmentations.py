"""What D sees examples through, real and generated alike.

The keywords are those of `config.augmentation`; what one carries from step to step lies
among D's statistics.
"""

from collections.abc import Callable
from typing import NamedTuple


class Augmentation(NamedTuple):
    """What happens to examples on their way to D; by default nothing does.

    carried: d_stats -> d_stats, with what is carried from step to step beside them
    apply:   (d_stats, x, key) -> x, differentiable in x
    update:  (d_stats, d_real, numbers) -> d_stats, metrics
    """

    carried: Callable = lambda d_stats: d_stats
    apply: Callable = lambda d_stats, x, key: x
    update: Callable = lambda d_stats, d_real, numbers: (d_stats, {})


def none() -> Augmentation:
    """D sees x as it is."""
    return Augmentation()
