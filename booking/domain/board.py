"""Where things stand on a day board: the course of a visit, lanes, what is over capacity. A row is a tick."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from booking.domain.plan import Shape
from booking.domain.time import Window


@dataclass(frozen=True, slots=True)
class Lane:
    """Which of how many lanes, side by side, a stretch takes; the first is 0."""

    number: int
    of: int


def lanes(stretches: Sequence[Window]) -> list[Lane]:
    """A lane for each of these stretches, which come by start: those that overlap stand side by side.

    Each takes the first lane that is free; as many are drawn as its cluster of overlapping stretches needs.
    """
    found: list[Lane] = []
    cluster: list[int] = []
    ends: list[int] = []
    for stretch in stretches:
        if all(end <= stretch.start for end in ends):
            found += [Lane(number, len(ends)) for number in cluster]
            cluster, ends = [], []
        number = next((n for n, end in enumerate(ends) if end <= stretch.start), len(ends))
        ends[number : number + 1] = [stretch.stop]
        cluster.append(number)
    return found + [Lane(number, len(ends)) for number in cluster]


def crowding(taken: Iterable[tuple[int, int, int]], capacity: Mapping[int, int]) -> set[int]:
    """Which visits are over capacity, of (visit, actor, ticks as bits) in the order in which they were placed.

    A visit is where an actor is full already at one of its ticks; an actor that `capacity` does not know has one place.
    """
    levels: dict[int, list[int]] = {}
    found = set()
    for visit, actor, bits in taken:
        counts = levels.setdefault(actor, [0] * capacity.get(actor, 1))
        for k, level in enumerate(counts):
            counts[k] = level | bits
            bits &= level
        if bits:
            found.add(visit)
    return found


def stretches(bits: int, start: int) -> list[Window]:
    """The unbroken runs of a bit set whose bit 0 is the tick `start`, in order."""
    digits = bin(bits)[:1:-1]
    return [Window(start + run.start(), start + run.end()) for run in re.finditer("1+", digits)]


@dataclass(frozen=True, slots=True)
class Course:
    """A visit as it is drawn, in rows from its start: where its name stands, and what follows."""

    head: Window
    again: tuple[Window, ...] = ()  # the practitioner is needed once more
    rests: tuple[Window, ...] = ()  # the patient is there, the practitioner is not
    turnover: tuple[Window, ...] = ()  # after the patient has left

    @property
    def stop(self) -> int:
        """Where the last of it ends."""
        return max(part.stop for part in (self.head, *self.again, *self.rests, *self.turnover))


def with_practitioner(shape: Shape) -> Course:
    """A visit in its practitioner's column. One that needs no practitioner is all head."""
    stay = shape.stay
    hands_on = [Window(offset, min(offset + length, stay)) for offset, length in shape.practitioner if offset < stay]
    if not hands_on:
        return Course(Window(0, stay))
    edges = [Window(0, 0), *hands_on, Window(stay, stay)]
    rests = (Window(one.stop, other.start) for one, other in pairwise(edges))
    return Course(
        head=hands_on[0],
        again=tuple(hands_on[1:]),
        rests=tuple(rest for rest in rests if rest.start < rest.stop),
        turnover=_after(stay, shape.practitioner),
    )


def in_room(shape: Shape) -> Course:
    """A visit in its room's column: the patient's whole stay, then the turnover."""
    return Course(Window(0, shape.stay), turnover=_after(shape.stay, shape.room))


def _after(stay: int, stretches: Iterable[tuple[int, int]]) -> tuple[Window, ...]:
    return tuple(Window(max(at, stay), at + length) for at, length in stretches if at + length > stay)
