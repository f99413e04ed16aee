"""The quantities of a sweep whose values may be compared with each other.

A column is what was evaluated under one protocol, or a metric as logged in training.
"""

import dataclasses
import re
from typing import NamedTuple

import numpy as np

from gan_jax.loop.log import Series
from gan_jax.metrics import protocol
from gan_jax.metrics.choice import drawn
from gan_jax.metrics.protocol import Protocol
from gan_jax.sweep.results import Cell, Member

_TRAINING = re.compile(r"(d|g|validation)_.*|class_\d+|rate_factor")
_LOSSES = ("d_loss", "g_loss")


class Column(NamedTuple):
    """A quantity, and its course in the members that have it.

    label:    its name, with what sets it apart from others of that name
    protocol: how it was measured; None of what was logged in training
    series:   by the member's name
    """

    name: str
    label: str
    protocol: Protocol | None
    series: dict[str, Series]

    def last(self, members) -> dict[str, tuple[int, float]]:
        """The newest (step, value) of those of `members` that have one, by name."""
        found = {}
        for member in members:
            if member.name in self.series:
                steps, values = self.series[member.name]
                found[member.name] = int(steps[-1]), float(values[-1])
        return found


def of_training(name: str) -> bool:
    """Whether a logged metric tells how training goes, not what samples are worth."""
    return bool(_TRAINING.fullmatch(name))


def make_columns(members: list[Member]) -> list[Column]:
    """Every quantity that any of the members has, what was evaluated before the rest.

    What an evaluation in training logged, too, stands only with its protocol.
    """
    evaluated = _evaluated(members)
    logged = []
    for name in dict.fromkeys(name for member in members for name in member.logged):
        copies = [column for column in evaluated if column.name == name]
        series = {
            member.name: member.logged[name]
            for member in members
            if name in member.logged and not _is_copy(member, name, copies)
        }
        if series:
            logged.append(Column(name, name, None, series))
    return _labelled([*evaluated, *logged])


def _evaluated(members):
    everything = [
        (member.name, dataclasses.replace(measurement.protocol, seed=0), measurement)
        for member in members
        for measurement in member.measurements
    ]
    first = {}  # a measurement of each protocol, whatever its seed
    for _, unseeded, measurement in everything:
        first.setdefault(unseeded, measurement)
    order = list(first)
    groups = [
        [dataclasses.replace(measurement.protocol, seed=0) for measurement in group]
        for group in protocol.columns(first.values())
    ]
    groups.sort(key=lambda group: min(map(order.index, group)))
    found = []
    for group in groups:
        fitting = [
            (member, x) for member, unseeded, x in everything if unseeded in group
        ]
        for name in dict.fromkeys(name for _, x in fitting for name in x.values):
            found.append(Column(name, name, group[0], _course(fitting, name)))
    return found


def _course(measured, name):
    """The values over the steps by member: means over the samples' seeds.

    The same step and seed count once, the last time.
    """
    values = {}
    for member, measurement in measured:
        if name in measurement.values:
            steps = values.setdefault(member, {})
            seeds = steps.setdefault(measurement.step, {})
            seeds[measurement.protocol.seed] = measurement.values[name]
    return {
        member: (
            np.array(sorted(steps), np.float64),
            np.array([np.mean(list(steps[step].values())) for step in sorted(steps)]),
        )
        for member, steps in values.items()
    }


def _is_copy(member, name, evaluated):
    """Whether all that a run logged is what it was evaluated to be."""
    there = {
        pair
        for column in evaluated
        if member.name in column.series
        for pair in zip(*column.series[member.name], strict=True)
    }
    return bool(there) and set(zip(*member.logged[name], strict=True)) <= there


def _labelled(found):
    """The columns with labels that differ, and say in what."""
    labelled = []
    for column in found:
        alike = [other for other in found if other.name == column.name]
        protocols = [other.protocol for other in alike if other.protocol is not None]
        if len(alike) == 1:
            said = ""
        elif column.protocol is None:
            said = " (logged)"
        else:
            said = f" ({_difference(column.protocol, protocols) or 'evaluated'})"
        labelled.append(column._replace(label=column.name + said))
    return labelled


def _difference(one, protocols):
    """As "samples 2500, ema True": the fields in which not all are alike."""
    said = []
    for field in dataclasses.fields(Protocol):
        values = {getattr(other, field.name) for other in protocols}
        if len(values) > 1:
            value = str(getattr(one, field.name))
            short = value[:8] if field.name == "checksum" else value
            said.append(f"{field.name.replace('_', ' ')} {short}")
    return ", ".join(said)


def of_interest(found: list[Column]) -> list[Column]:
    """The columns for a reader: evaluated ones, then other qualities, then the losses.

    Of a metric with many values, such as a share for each class, those that are drawn.
    """
    evaluated = []
    for column in found:
        if column.protocol is not None:
            metric = column.protocol.metric
            names = [x.name for x in found if x.protocol == column.protocol]
            usual = [metric] if metric in names else names
            if column.name in (drawn(metric, None) or usual):
                evaluated.append(column)
    logged = [column for column in found if column.protocol is None]
    quality = [column for column in logged if not of_training(column.name)]
    return [*evaluated, *quality, *(c for c in logged if c.name in _LOSSES)]


def median_member(cell: Cell, found: list[Column]) -> tuple[Member, Column | None]:
    """The member in the middle by the first column that says anything of the cell.

    Of an even number, the lower middle one. Where no member is done it is the one that
    has come furthest, and no column.
    """
    for column in found:
        values = {name: x for name, (_, x) in column.last(cell.done).items()}
        ranked = [x for x in cell.done if np.isfinite(values.get(x.name, np.nan))]
        ranked.sort(key=lambda member: values[member.name])
        if ranked:
            return ranked[(len(ranked) - 1) // 2], column
    return max(cell.members, key=lambda member: member.step or 0), None
