"""Seconds a step of several that train in turns, so that all meet the same load."""

from tqdm import tqdm

_WARM_UP_STEPS = 3
_SECONDS_A_REPEAT = 2.0


def warm_up(sides: dict, period: int = 1) -> dict[str, int]:
    """Compiles, and says how many steps of each side make a repeat.

    sides:  what is measured, by name; each has take(steps), which trains, and returns
            the seconds that this took
    period: steps after which everything was done that is not done at every step;
            repeats are of so many, or of a multiple
    """

    def steps_of(seconds, once):
        return max(1, round(seconds / once / period)) * period

    steps = {}
    for name, side in sides.items():
        first = max(_WARM_UP_STEPS, period)
        once = side.take(first) / first
        some = steps_of(_SECONDS_A_REPEAT / 4, once)
        once = side.take(some) / some
        steps[name] = steps_of(_SECONDS_A_REPEAT, once)
    return steps


def alternate(sides: dict, steps: dict[str, int], repeats: int) -> dict:
    """Seconds a step of each repeat, by name: A B A B."""
    times = {name: [] for name in sides}
    for _ in tqdm(range(repeats), desc="measuring", disable=None, leave=False):
        for name, side in sides.items():
            times[name].append(side.take(steps[name]) / steps[name])
    return times
