"""Visits that come from another program: what a row says, what is wrong with it, and whether its time is free.

Reading files is `formats/visits_table` and `formats/visits_ical`; whether a row's words are the clinic's, and writing
what it says, is `actions/importing`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from booking.domain.appointment import Status
from booking.domain.errors import BookingError
from booking.domain.plan import Shape
from booking.domain.time import EPOCH, TICK_MINUTES

TICK_SECONDS = TICK_MINUTES * 60
NEAR = 0.7  # how like a word must be to be meant by another


@dataclass(frozen=True, slots=True)
class Row:
    """One visit, or one patient without a visit, as a file says it. Empty: the file doesn't say."""

    line: int
    start: str = ""
    service: str = ""
    practitioner: str = ""
    name: str = ""
    email: str = ""
    phone: str = ""
    status: str = ""
    note: str = ""
    location: str = ""
    new: str = ""
    minutes: str = ""
    remark: str = ""  # what its reader has to say


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one value of a row."""

    column: str
    found: str
    expected: str
    nearest: str | None = None

    def __str__(self) -> str:
        short = self.found if len(self.found) <= 60 else self.found[:57] + "..."
        shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in short)
        said = f'found "{shown}"' if self.found else "found nothing"
        hint = f'; did you mean "{self.nearest}"?' if self.nearest else ""
        return f"{self.column}: expected {self.expected}, {said}{hint}"


class Unreadable(BookingError):
    """A file is not what it should be as a whole, and where."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {why}" if line else why)
        self.line = line


class Fate(StrEnum):
    """What becomes of a row."""

    IMPORTED = "imported"
    SHARED = "shared"  # imported, squeezed in: it meets its neighbour inside one tick
    SQUEEZED = "squeezed"  # imported over capacity, as was asked for
    PATIENT = "patient"  # a patient without a visit
    KNOWN = "known"  # it is there already
    CLASH = "clash"  # its time is taken
    FAULTY = "faulty"


WRITTEN = frozenset({Fate.IMPORTED, Fate.SHARED, Fate.SQUEEZED, Fate.PATIENT})
OVER_CAPACITY = frozenset({Fate.SHARED, Fate.SQUEEZED})
HINDERS = frozenset({Fate.CLASH, Fate.FAULTY})

S = Status
STATUSES = {
    "": S.BOOKED,
    "booked": S.BOOKED,
    "confirmed": S.BOOKED,
    "scheduled": S.BOOKED,
    "upcoming": S.BOOKED,
    "pending": S.PENDING,
    "tentative": S.PENDING,
    "requested": S.PENDING,
    "arrived": S.ARRIVED,
    "checkedin": S.CHECKED_IN,
    "fulfilled": S.FULFILLED,
    "completed": S.FULFILLED,
    "attended": S.FULFILLED,
    "done": S.FULFILLED,
    "noshow": S.NOSHOW,
    "missed": S.NOSHOW,
    "didnotattend": S.NOSHOW,
    "dna": S.NOSHOW,
    "cancelled": S.CANCELLED,
    "canceled": S.CANCELLED,
    "enteredinerror": S.ENTERED_IN_ERROR,
}


def status_of(text: str) -> Status | None:
    """The status that a word of another program means, however it is written; None for an unknown one."""
    return STATUSES.get(re.sub(r"[\W_]+", "", text.casefold()))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was perhaps meant, None if none is like it."""
    by_key = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), list(by_key), n=1, cutoff=NEAR)
    return by_key[found[0]] if found else None


# Time: whole ticks are taken, but only what really overlaps is a clash.

Piece = tuple[int, int, int]  # a tick, and from which to which second of it somebody is busy
FULL = (0, TICK_SECONDS)


@dataclass(frozen=True, slots=True)
class Stay:
    """When exactly a visit takes whom. Seconds from the epoch; the stretches are from its start."""

    starts_at: datetime
    ends_at: datetime  # the patient's end
    practitioner: tuple[tuple[int, int], ...]  # (offset, length)
    room: tuple[tuple[int, int], ...]

    @property
    def start(self) -> int:
        return int((self.starts_at - EPOCH).total_seconds())

    @property
    def until(self) -> datetime:
        """When nobody is busy with it any more, a trailing turnover included."""
        ends = [offset + length for offset, length in (*self.practitioner, *self.room)]
        return max(self.ends_at, self.starts_at + timedelta(seconds=max(ends, default=0)))

    def shape(self) -> Shape:
        """The ticks that the visit touches, from the one that it starts in: odd times are rounded outwards."""
        first = self.start // TICK_SECONDS
        room = self._ticks(self.room)
        stay = -(-int((self.ends_at - EPOCH).total_seconds()) // TICK_SECONDS) - first
        return Shape(
            practitioner=self._ticks(self.practitioner),
            room=room,
            room_during_stay=tuple((offset, min(length, stay - offset)) for offset, length in room if offset < stay),
            stay=stay,
            total=max([stay, *(offset + length for offset, length in (*self._ticks(self.practitioner), *room))]),
        )

    def _ticks(self, stretches: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        first = self.start // TICK_SECONDS
        found = []
        for offset, length in stretches:
            since = self.start + offset
            begins = since // TICK_SECONDS
            found.append((begins - first, -(-(since + length) // TICK_SECONDS) - begins))
        return tuple(found)

    def pieces(self, stretches: Iterable[tuple[int, int]]) -> Iterator[Piece]:
        """The ticks of some of its stretches, each with how much of it is used."""
        for offset, length in stretches:
            since, until = self.start + offset, self.start + offset + length
            for tick in range(since // TICK_SECONDS, -(-until // TICK_SECONDS)):
                at = tick * TICK_SECONDS
                yield tick, max(since - at, 0), min(until - at, TICK_SECONDS)


def stay(starts_at: datetime, form: Shape, minutes: int | None = None) -> Stay:
    """When a visit of that shape takes whom if it starts then, at whatever second.

    `minutes` is how long it really was; what takes one stretch only is as long as that.
    """

    def seconds(stretches: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        if minutes is not None and stretches == ((0, form.stay),):
            return ((0, minutes * 60),)
        return tuple((offset * TICK_SECONDS, length * TICK_SECONDS) for offset, length in stretches)

    length = timedelta(minutes=form.stay * TICK_MINUTES if minutes is None else minutes)
    return Stay(starts_at, starts_at + length, seconds(form.practitioner), seconds(form.room))


class Room(StrEnum):
    """Whether there is room for one more."""

    FREE = "free"
    SHARED = "shared"  # every full tick is shared with somebody who is there before or after
    FULL = "full"


@dataclass(slots=True)
class Book:
    """Who is taken when, tick by tick: what the guard of the holds would say, asked for thousands of visits at once."""

    places: Mapping[int, int]  # per actor
    taken: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)

    def take(self, actor: int, pieces: Iterable[Piece]) -> None:
        """Note that the actor is busy there."""
        for tick, since, until in pieces:
            self.taken.setdefault((actor, tick), []).append((since, until))

    def room(self, actor: int, pieces: Iterable[Piece]) -> Room:
        """Whether the actor has a place for one more there."""
        found = Room.FREE
        places = self.places.get(actor, 1)
        for tick, since, until in pieces:
            others = self.taken.get((actor, tick), ())
            if len(others) < places:
                continue
            if sum(start < until and since < end for start, end in others) >= places:
                return Room.FULL
            found = Room.SHARED
        return found
