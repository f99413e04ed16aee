"""Classes: how labels are numbered, found by name, counted and chosen."""

from collections.abc import Sequence

import numpy as np

from gan_jax.errors import UsageError, did_you_mean


def numbered(labels: Sequence | np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The numbers of the labels, int32 [n], and the classes' names by number.

    `labels` [n] are whole numbers of any type, booleans or texts. Only what occurs is a
    class, and its name is the label itself: 1, 4, 4, 2 become 0, 2, 2, 1 and "1", "2",
    "4". Numbers keep their order, also as texts ("2", "10"); other texts are sorted.
    """
    labels = np.asarray(labels)
    values, y = np.unique(labels, return_inverse=True)
    whole = map(int, values) if labels.dtype.kind == "f" else values.tolist()
    names = [str(value) for value in whole]
    if labels.dtype.kind == "U" and _are_numbers(names):
        order = sorted(range(len(names)), key=lambda i: (int(names[i]), names[i]))
        names, y = [names[i] for i in order], np.argsort(order)[y]
    return y.astype(np.int32), tuple(names)


def find_class(text: str, classes: tuple[str, ...]) -> int:
    """The number of the class that `text` names, or of which it is the number.

    Where all names are numbers themselves, `text` is a name: of the classes "01", "02"
    and "07" (numbers 0, 1 and 2), "7" is the last one and "0" is none.
    """
    if not classes:
        raise UsageError(f"there is no class {text!r}: the data have no labels")
    if text in classes:
        return classes.index(text)
    numbers = [int(name) for name in classes] if _are_numbers(classes) else None
    known = range(len(classes)) if numbers is None else numbers
    if text.isdecimal() and int(text) in known:
        return known.index(int(text))
    accepted = "" if numbers else f", or a number from 0 to {len(classes) - 1}"
    raise UsageError(
        f"there is no class {text!r}; {did_you_mean(text, classes)}"
        f"accepted: {_shortened(classes)}{accepted}"
    )


def per_class(y: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows of exactly `count` examples of every class, int64, in increasing order.

    y: labels [n] of classes 0 to the largest of them, each of which has to occur

    Chosen by `seed`, at random; a smaller `count` chooses some of the same rows.
    """
    y = np.asarray(y)
    found = np.bincount(y)
    if found.min() < count:
        scarce = int(found.argmin())
        raise UsageError(
            f"{count:,} examples of every class are wanted, but class {scarce} has "
            f"{found[scarce]:,}; accepted are at most as many as the rarest class has"
        )
    rng = np.random.default_rng(seed)
    # whole permutations, so that what is drawn does not depend on `count`
    rows = [rng.permutation(np.flatnonzero(y == i))[:count] for i in range(len(found))]
    return np.sort(np.concatenate(rows))


def shares(y: np.ndarray, classes: int) -> list[float]:
    """The share of each of so many `classes` among the labels y [n]; they sum to 1."""
    return (np.bincount(np.asarray(y), minlength=classes) / len(y)).tolist()


def describe(classes: tuple[str, ...]) -> str:
    """Which number is which class, in a line; of more than 20, a few.

    "3 classes: 0 ape, 1 bee, 2 cat"; "10 classes: 0 to 9" where the names say no more;
    other names that are numbers stand in quotes.
    """
    number = f"{len(classes):,} class{'es' * (len(classes) > 1)}"
    if _are_numbers(classes) and list(map(int, classes)) == list(range(len(classes))):
        last = f" to {classes[-1]}" if len(classes) > 1 else ""
        return f"{number}: {classes[0]}{last}"
    named = [
        f"{i} {name!r}" if name.isdecimal() else f"{i} {name}"
        for i, name in enumerate(classes)
    ]
    return f"{number}: {_shortened(named)}"


def _are_numbers(names: Sequence[str]) -> bool:
    return all(name.isdecimal() for name in names)


def _shortened(words: Sequence[str]) -> str:
    """All of up to 20 words; the first three and the last of more."""
    if len(words) > 20:
        return f"{', '.join(words[:3])}, ... {words[-1]}"
    return ", ".join(words)
