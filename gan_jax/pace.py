"""How many updates D takes in each step, where they are not always the same."""

from typing import NamedTuple


class Pace(NamedTuple):
    """`usual` updates of D in a step, but `long` in the first `first` and every
    `every`-th one, step 0 among them.

    The critic of WGAN takes 5, but 100 in each of the first 25 steps and in every 500th
    (Arjovsky et al. 2017, the authors' code): it is to be near its optimum before G
    relies on it.
    """

    usual: int
    long: int = 0
    first: int = 0
    every: int = 0

    @classmethod
    def of(cls, config) -> "Pace":
        """That of config.d_steps and config.d_steps_long."""
        return cls(config.d_steps, *config.d_steps_long)

    @property
    def steady(self) -> bool:
        """Whether all steps are alike."""
        return not self.long

    def at(self, step: int) -> int:
        """The updates of D in the step that comes after `step` steps."""
        return self.before(step + 1) - self.before(step)

    def before(self, step: int) -> int:
        """The updates of D in all of the first `step` steps."""
        if self.steady:
            return self.usual * step
        longs = min(step, self.first)
        if self.every:
            longs = longs + _multiples(step, self.every) - _multiples(longs, self.every)
        return self.usual * step + (self.long - self.usual) * longs


def _multiples(below: int, of: int) -> int:
    """How many of 0, 1, ... below - 1 are multiples."""
    return -(-below // of)
