"""Bit sets over ticks: one Python integer says of every tick of a window whether something holds there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import and_

from booking.domain.time import Window


def span(window: Window, start: int, stop: int) -> int:
    """The bit set over a window of the ticks from `start` to before `stop`."""
    first, last = max(start, window.start) - window.start, min(stop, window.stop) - window.start
    return (1 << last) - (1 << first) if first < last else 0


def runs(free: int, length: int) -> int:
    """The starts of `length` consecutive free ticks, found by doubling; what lies beyond the set is not free."""
    done = 1
    while done < length:
        step = min(done, length - done)
        free &= free >> step
        done += step
    return free


def clear(free: int, stretches: Iterable[tuple[int, int]]) -> int:
    """The starts from which each stretch, an offset and a length in ticks, is free throughout."""
    return meet(runs(free, length) >> offset for offset, length in stretches)


def meet(sets: Iterable[int]) -> int:
    """What all of the sets share: everything, -1, if there are none."""
    return reduce(and_, sets, -1)


def ticks(bits: int, window: Window) -> Iterator[int]:
    """The ticks of a bit set over a window, in order."""
    digits = bin(bits)[:1:-1]  # Searching text is many times quicker than clearing a long integer bit by bit.
    at = digits.find("1")
    while at >= 0:
        yield window.start + at
        at = digits.find("1", at + 1)


def meeting(one: Window, other: Window) -> Window:
    """What two windows share; it stops before it starts, or there, if that is nothing."""
    return Window(max(one.start, other.start), min(one.stop, other.stop))


def overlap(one: Window, other: Window) -> bool:
    """Whether two windows share a tick."""
    shared = meeting(one, other)
    return shared.start < shared.stop
