"""How visits and holds are drawn on a board: classes for place, length, lane, status and service, and their words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from flask import g
from flask_babel import gettext as _

from booking.domain import appointment
from booking.domain.appointment import Status
from booking.domain.availability import Plan
from booking.domain.bits import span
from booking.domain.board import Course, Lane, crowding, in_room, lanes, with_practitioner
from booking.domain.plan import Shape
from booking.domain.time import Window, tick_after, tick_of
from booking.store.board import Entry, Furniture, Held
from booking.web import i18n
from booking.web.desk import words

SERVICES = 8  # colours
LATE, OFFERED = "late", "offered"  # what a status comes to on the board
SCALES = {1: 12, 2: 12}  # pixels of a row by the rows of the shortest visit, so that it is a target of 24
SCALE = 8
ONE_LINE = 32  # pixels: a lower visit has room for one line


@dataclass(frozen=True, slots=True)
class Mark:
    """A visit, as the template writes it."""

    place: str  # classes: row, lane, status, service
    size: str  # class of its head
    public_id: str
    version: int
    glyph: str
    name: str
    said: str  # when, what, with whom or where
    status: str  # in words; empty for one that is booked
    parts: list[str]  # classes: rests, when the practitioner is needed again, turnover


@dataclass(frozen=True, slots=True)
class Pen:
    """What all marks of one board share."""

    view: str
    furniture: Furniture
    services: Mapping[int, str]
    courses: Mapping[tuple[int, bool, int], Course]  # by service, for new patients or not, and length in rows
    over: frozenset[int]  # visits that are over capacity
    zone: str
    with_place: bool
    scale: int
    now: datetime
    # Words are looked up once for a board, not for each of its visits.
    statuses: Mapping[str, str] = field(default_factory=dict)
    clocks: dict[datetime, str] = field(default_factory=dict)

    def marks(self, visits: Sequence[Entry], base: int, places: int) -> tuple[list[Mark], int, int]:
        """The marks of a column, how many rests stand side by side in it, and how many lanes its room has."""
        courses = [self.courses[_kind(visit)] for visit in visits]
        starts = [tick_of(visit.starts_at) for visit in visits]
        if places:
            stays = [Window(start, start + course.stop) for start, course in zip(starts, courses, strict=True)]
            numbers = _seats(stays)
            of = max([places, *(number + 1 for number in numbers)])
            side = [Lane(number, of) for number in numbers]
        else:
            of = 1
            side = lanes([_moved(course.head, start) for start, course in zip(starts, courses, strict=True)])
        tails = _tails(courses, starts)
        found = [
            self._mark(visit, course, start - base, lane, tail)
            for visit, course, start, lane, tail in zip(visits, courses, starts, side, tails, strict=True)
        ]
        return found, max(tails, default=-1) + 1, of

    def held(self, holds: Iterable[Held], base: int) -> list[tuple[str, str]]:
        """Classes and words of holds."""
        found = []
        for hold in holds:
            head = self.courses[_kind(hold)].head
            row = tick_of(hold.starts_at) - base + head.start
            until = i18n.clock(hold.expires_at, self.zone)
            said = _("Held until %(time)s: %(service)s", time=until, service=self.services[hold.service])
            found.append((f"s{row} d{head.stop - head.start}", said))
        return found

    def busy(self, window: Window, visits: Iterable[Entry], holds: Iterable[Held]) -> int:
        """The ticks of a window in which visits and holds need their practitioner."""
        bits = 0
        for one in chain[Entry | Held](visits, holds):
            course, start = self.courses[_kind(one)], tick_of(one.starts_at)
            for part in (course.head, *course.again, *course.turnover):
                bits |= span(window, start + part.start, start + part.stop)
        return bits

    def _mark(self, visit: Entry, course: Course, row: int, lane: Lane, tail: int) -> Mark:
        status, head = Status(visit.status), course.head
        late, is_over = _is_late(visit, self.now), visit.id in self.over
        kind = "late" if late else status.value
        classes = f"s{row + head.start} b-{kind} k{visit.service % SERVICES}"
        if lane.of > 1:
            classes += f" l{lane.number} o{lane.of}"
        if is_over:
            classes += " b-over"
        if (head.stop - head.start) * self.scale < ONE_LINE:
            classes += " b-one"
        parts = [f"b-rest s{p.start - head.start} d{p.stop - p.start} l{tail}" for p in course.rests]
        parts += [f"b-again s{p.start - head.start} d{p.stop - p.start}" for p in course.again]
        parts += [f"b-turn s{p.start - head.start} d{p.stop - p.start}" for p in course.turnover]
        return Mark(
            place=classes,
            size=f"d{head.stop - head.start}",
            public_id=visit.public_id,
            version=visit.version,
            glyph="◷" if late else words.GLYPHS[status],
            name=visit.patient,
            said=self._said(visit),
            status=self._status(visit, is_late=late, is_over=is_over),
            parts=parts,
        )

    def _said(self, visit: Entry) -> str:
        names = self.furniture.names
        clock = self.clocks.get(visit.starts_at)
        if clock is None:
            clock = self.clocks[visit.starts_at] = i18n.clock(visit.starts_at, self.zone)
        said = [f"{clock} {self.services[visit.service]}"]
        if self.view == "rooms":
            said.append(names.actors[visit.practitioner])
        elif visit.room:
            said.append(names.actors[visit.room])
        if self.with_place:
            said.append(names.locations[visit.location])
        return ", ".join(said)

    def _status(self, visit: Entry, *, is_late: bool, is_over: bool) -> str:
        code = LATE if is_late else OFFERED if visit.waits_for == "patient" else visit.status
        said = [self.statuses[code]] if code in self.statuses else []
        if appointment.is_running_over(visit.status, visit.ends_at, self.now):
            said.append(_("running over"))
        if is_over:
            said.append(_("over capacity"))
        if visit.needs_desk:
            said.append(_("please look"))
        return ", ".join(said)


def pen(view: str, visits: Sequence[Entry], holds: Sequence[Held], furniture: Furniture, plan: Plan, zone: str) -> Pen:
    """What the board's marks are drawn with."""
    kinds = {_kind(one) for one in chain[Entry | Held](visits, holds)}
    draw = in_room if view == "rooms" else with_practitioner
    courses = {kind: draw(_shape(kind, furniture)) for kind in kinds}
    shortest = min((course.head.stop - course.head.start for course in courses.values()), default=SCALE)
    return Pen(
        view=view,
        furniture=furniture,
        services={id: i18n.text(name) for id, name in furniture.names.services.items()},
        courses=courses,
        over=_over(visits, furniture, plan),
        zone=zone,
        with_place=len(plan.locations) > 1,
        scale=SCALES.get(shortest, SCALE),
        now=g.now,
        statuses={status: words.status_words(status) for status in Status if status != Status.BOOKED}
        | {LATE: _("Late"), OFFERED: _("Offered")},
    )


def late(visits: Iterable[Entry]) -> int:
    """How many should have been here a while ago."""
    now: datetime = g.now
    return sum(_is_late(visit, now) for visit in visits)


def _is_late(visit: Entry, now: datetime) -> bool:
    return appointment.is_late(visit.status, visit.starts_at, visit.ends_at, now)


def _kind(one: Entry | Held) -> tuple[int, bool, int]:
    return one.service, one.new_patient, tick_after(one.ends_at) - tick_of(one.starts_at)


def _shape(kind: tuple[int, bool, int], furniture: Furniture) -> Shape:
    """The stages of a visit; all in one if its service had others when it was booked."""
    service, new, rows = kind
    shape = furniture.shapes[service, new]
    whole = ((0, rows),)
    return shape if shape.stay == rows else Shape(whole, whole, whole, rows, rows)


def _over(visits: Iterable[Entry], furniture: Furniture, plan: Plan) -> frozenset[int]:
    """The visits for which their practitioner or room had no place left when they were placed."""
    if not visits:
        return frozenset()
    placed = sorted(visits, key=lambda visit: (visit.placed, visit.id))
    start = min(tick_of(visit.starts_at) for visit in placed)
    taken = []
    for visit in placed:
        shape, at = _shape(_kind(visit), furniture), tick_of(visit.starts_at) - start
        taken.append((visit.id, visit.practitioner, _bits(shape.practitioner, at)))
        if visit.room:
            taken.append((visit.id, visit.room, _bits(shape.room, at)))
    return frozenset(crowding(taken, {room.id: room.places for room in plan.rooms.values()}))


def _bits(parts: Iterable[tuple[int, int]], at: int) -> int:
    return sum(((1 << length) - 1) << at + offset for offset, length in parts)


def _seats(stays: Iterable[Window]) -> list[int]:
    """For each stay, by start: the first place that is free."""
    ends: list[int] = []
    found = []
    for stay in stays:
        number = next((n for n, end in enumerate(ends) if end <= stay.start), len(ends))
        ends[number : number + 1] = [stay.stop]
        found.append(number)
    return found


def _tails(courses: Sequence[Course], starts: Sequence[int]) -> list[int]:
    """For each visit the strip beside the column's visits in which its rest is drawn; -1 without one."""
    rests = [
        (n, Window(start + course.rests[0].start, start + max(course.rests[-1].stop, course.stop)))
        for n, (course, start) in enumerate(zip(courses, starts, strict=True))
        if course.rests
    ]
    numbers = dict(zip((n for n, _rest in rests), _seats(rest for _n, rest in rests), strict=True))
    return [numbers.get(n, -1) for n in range(len(courses))]


def _moved(part: Window, by: int) -> Window:
    return Window(part.start + by, part.stop + by)
