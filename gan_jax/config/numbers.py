"""Where the numbers of a config stand among those of its program.

What is a number to the program stands in `TrainState.hparams`, where a schedule can
change it and `vmap` can train with many values of it at once; a user knows it by its
field, such as "d_optimizer.learning_rate".
"""

# an entry of a config -> where its numbers are; "ema_decay" is a field of its own
NUMBERS = {
    "d_optimizer": ("d",),
    "d_constraint": ("d", "constraint"),
    "d_decay": ("d", "decay"),
    "g_optimizer": ("g",),
    "g_constraint": ("g", "constraint"),
    "g_decay": ("g", "decay"),
    "game": ("game",),
    "penalty": ("penalty",),
    "dynamics": ("dynamics",),
    "augmentation": ("augmentation",),
}


def by_field(hparams) -> dict:
    """The numbers by their fields: {"ema_decay": 0.999, "penalty.gamma": 0.1, ..}."""
    found = {"ema_decay": hparams["ema_decay"]} if "ema_decay" in hparams else {}
    for entry, path in NUMBERS.items():
        place = hparams
        for key in path:
            place = place.get(key, {})
        if not isinstance(place, dict):  # rmsprop's own decay, where d_decay's would be
            continue
        of_entry = {key: x for key, x in place.items() if not isinstance(x, dict)}
        found |= {f"{entry}.{key}": x for key, x in of_entry.items()}
    return found


def replace(hparams, changed: dict) -> dict:
    """`hparams` with other values of some fields, as `by_field` has them."""
    for field, value in changed.items():
        entry, _, key = field.rpartition(".")
        hparams = _with(hparams, (*NUMBERS.get(entry, ()), key), value)
    return hparams


def _with(numbers, path, value):
    key, *rest = path
    return numbers | {key: _with(numbers[key], rest, value) if rest else value}
