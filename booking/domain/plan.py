"""What a clinic's settings say about time, as values: people, places, hours, services and the stages of a visit.

Nothing here knows the clock or what is taken. `availability` answers questions from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache

from booking.domain.time import DAY_TICKS, TICK_MINUTES


class NewPatients(StrEnum):
    """What a service does with people who come for the first time."""

    SAME = "same"  # same stages for everybody
    LONGER = "longer"  # they have a list of stages of their own
    ONLY = "only"  # nobody else may book it
    NO = "no"  # they book `first_visit` first


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of a visit, in whole ticks of five minutes; who is busy during it."""

    minutes: int
    practitioner: bool = True
    room: bool = True
    patient: bool = True


@dataclass(frozen=True, slots=True)
class Hours:
    """Weekly available time, wall clock of its location: minutes from local midnight, 1440 ends the day."""

    days: frozenset[int]  # 0 is Monday
    opens: int
    closes: int
    location: int
    weeks: int = 1  # every n weeks, counted from the ISO week of `since`
    since: date | None = None
    until: date | None = None  # inclusive


@dataclass(frozen=True, slots=True)
class ExtraHours:
    """A dated opening, wall clock of its location."""

    on: date
    opens: int
    closes: int
    location: int


@dataclass(frozen=True, slots=True)
class NotAvailable:
    """Time off or a closure from one wall clock time to another (naive), read in each location's own zone.

    Without location and room a closure shuts the whole clinic.
    """

    starts: datetime
    ends: datetime
    name: str = ""
    location: int | None = None
    room: int | None = None


@dataclass(frozen=True, slots=True)
class Location:
    id: int
    slug: str
    name: str
    zone: str


@dataclass(frozen=True, slots=True)
class Room:
    id: int
    slug: str
    name: str
    location: int
    places: int


@dataclass(frozen=True, slots=True)
class Practitioner:
    id: int
    slug: str
    name: str
    services: frozenset[int]
    hours: tuple[Hours, ...] = ()
    extra_hours: tuple[ExtraHours, ...] = ()
    time_off: tuple[NotAvailable, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    id: int
    slug: str
    name: str
    stages: tuple[Stage, ...]
    new_patient_stages: tuple[Stage, ...] | None  # only with NewPatients.LONGER
    every: int  # minutes between starts, from local midnight
    rooms: tuple[int, ...]  # in order of preference; empty: none needed
    online: bool = True
    new_patients: NewPatients = NewPatients.SAME
    first_visit: int | None = None  # service id, with NewPatients.NO


@dataclass(frozen=True, slots=True)
class Plan:
    """What a clinic's settings say about time: live (not archived) entries only, in the file's order.

    Nobody changes a plan: new settings make a new one, so what was computed from it (`memo`) lives as long as it.
    """

    clinic: int
    revision: int
    minimum_notice: int  # minutes
    horizon: int  # days
    locations: Mapping[int, Location]
    rooms: Mapping[int, Room]
    practitioners: Mapping[int, Practitioner]
    services: Mapping[int, Service]
    closures: tuple[NotAvailable, ...]
    memo: dict[tuple[object, ...], int] = field(default_factory=dict, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """The stages of a visit as ticks from its start; stretches are (offset, length), sorted, never touching."""

    practitioner: tuple[tuple[int, int], ...]
    room: tuple[tuple[int, int], ...]
    room_during_stay: tuple[tuple[int, int], ...]
    stay: int  # the patient's ticks: all but the trailing turnover
    total: int


class StageFault(StrEnum):
    """Why a list of stages cannot be a visit."""

    MINUTES = "minutes"  # not a positive multiple of five
    TURNOVER = "turnover"  # a stage without the patient before one with the patient
    NO_PATIENT = "no-patient"  # nobody comes
    TOO_LONG = "too-long"  # more than 24 hours


def stage_faults(stages: Sequence[Stage]) -> list[StageFault]:
    """What is wrong with a list of stages, each fault once; empty for a list that `shape` takes."""
    present = [stage.patient for stage in stages]
    found = {
        StageFault.MINUTES: any(stage.minutes <= 0 or stage.minutes % TICK_MINUTES for stage in stages),
        StageFault.TURNOVER: present != sorted(present, reverse=True),
        StageFault.NO_PATIENT: not any(present),
        StageFault.TOO_LONG: sum(stage.minutes for stage in stages) > DAY_TICKS * TICK_MINUTES,
    }
    return [fault for fault, is_so in found.items() if is_so]


def stages_for(service: Service, new: bool) -> tuple[Stage, ...]:
    """The stages of a visit of somebody who is new, or has been here before."""
    if new and service.new_patients is NewPatients.LONGER and service.new_patient_stages:
        return service.new_patient_stages
    return service.stages


@lru_cache(maxsize=1024)
def shape(stages: tuple[Stage, ...]) -> Shape:
    """Who is busy when in a visit of these stages, which have no `stage_faults`."""
    lengths = [stage.minutes // TICK_MINUTES for stage in stages]
    stay = sum(length for stage, length in zip(stages, lengths, strict=True) if stage.patient)
    room = _stretches(zip(lengths, (stage.room for stage in stages), strict=True))
    return Shape(
        practitioner=_stretches(zip(lengths, (stage.practitioner for stage in stages), strict=True)),
        room=room,
        room_during_stay=tuple((offset, min(length, stay - offset)) for offset, length in room if offset < stay),
        stay=stay,
        total=sum(lengths),
    )


def _stretches(stages: Iterable[tuple[int, bool]]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    now = 0
    for length, busy in stages:
        if busy and found and sum(found[-1]) == now:
            found[-1] = (found[-1][0], found[-1][1] + length)
        elif busy:
            found.append((now, length))
        now += length
    return tuple(found)
