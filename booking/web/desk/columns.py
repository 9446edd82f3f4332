"""The columns of a board: whose they are, which rows they have, what is shaded and free, and the visits in them.

A row is a tick. `s3 d9` is nine rows from the fourth on, `l1 o2` the second of two lanes; placed.css has them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import chain
from typing import TypeVar

from flask import g, url_for
from flask_babel import gettext as _

from booking.domain import opening
from booking.domain.appointment import OVER
from booking.domain.availability import Location, Plan, Practitioner
from booking.domain.bits import overlap, span
from booking.domain.board import stretches
from booking.domain.plan import NotAvailable
from booking.domain.time import (
    TICK_MINUTES,
    Window,
    day_window,
    instant_of,
    local,
    opening_instant,
    tick_after,
    tick_of,
)
from booking.formats import words as shown
from booking.store import board, outside
from booking.store.board import Entry, Furniture, Held, Stamp
from booking.web import i18n
from booking.web.desk import calendars, marks, words
from booking.web.desk.marks import Mark

HOUR = 60 // TICK_MINUTES  # rows
USUAL = (8 * HOUR, 18 * HOUR)  # what is drawn of a day on which nothing is open and nobody comes
FREE = 2  # rows that a stretch of free time needs to be a link
NO_ROOM = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """Which board: its view, the days, whom and where it is narrowed to."""

    view: str  # practitioners, rooms, list or week
    on: date
    today: date
    days: tuple[date, ...]
    plan: Plan
    places: tuple[Location, ...]
    is_everywhere: bool  # no place of the clinic is left out
    zone: str  # of all its places
    practitioner: Practitioner | None
    location: Location | None


@dataclass(frozen=True, slots=True)
class Shade:
    """A stretch that is no visit: closed, off, free or held. Its classes, what it says, where it leads."""

    place: str
    said: str = ""
    href: str = ""


@dataclass(slots=True)
class Column:
    """One person, room or day; first what is there, then how it is drawn."""

    title: str
    day: date
    window: Window  # the ticks of the day
    hours: int = 0  # bits of the window, whatever is off or closed
    absences: list[tuple[str, Window]] = field(default_factory=list)
    visits: list[Entry] = field(default_factory=list)
    holds: list[Held] = field(default_factory=list)
    practitioner: Practitioner | None = None
    room: str = ""  # slug
    places: int = 0  # of the room; 0 for a practitioner
    subtitle: str = ""
    href: str = ""
    is_today: bool = False

    start: str = ""  # the instant of its first row
    gutter: int = 0  # rests side by side
    lanes: int = 1  # of a room
    shades: list[Shade] = field(default_factory=list)
    free: list[Shade] = field(default_factory=list)
    held: list[Shade] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    now: int | None = None  # the row


@dataclass(frozen=True, slots=True)
class Board:
    columns: list[Column]
    hours: list[tuple[int, str]]  # a row and what the clock shows there
    rows: int
    scale: int  # pixels of a row
    counts: list[str]
    away: list[str]  # who has no column because they don't work then
    zone_said: str  # only where somebody might mistake it
    warnings: list[str]  # of practitioners' own calendars
    visit_href: str  # what every visit's address begins with


def drawn(asked: Asked, stamp: Stamp) -> Board:
    """The board that was asked for, as it is now."""
    furniture = board.furniture(g.clinic.id, stamp.settings)
    windows = {day: day_window(day, asked.zone) for day in asked.days}
    since, until = instant_of(windows[asked.days[0]].start), instant_of(windows[asked.days[-1]].stop)
    here = {place.id for place in asked.places}
    entries = [
        entry
        for entry in board.visits(g.clinic.id, since, until)
        if (asked.is_everywhere or entry.location in here)
        and (asked.practitioner is None or entry.practitioner == asked.practitioner.id)
    ]
    visits = [entry for entry in entries if entry.status not in OVER]
    holds = [
        hold for hold in board.held(g.clinic.id, since, until, stamp) if asked.is_everywhere or hold.location in here
    ]
    columns = COLUMNS[asked.view](asked, furniture, windows, visits, holds)
    torn = _send_away(columns)
    first, rows = _rows(columns, asked.zone)
    pen = marks.pen(asked.view, visits, holds, furniture, asked.plan, asked.zone)
    for column in columns:
        _draw(column, tick_of(opening_instant(column.day, first * TICK_MINUTES, asked.zone)), rows, asked, pen)
    top = tick_of(opening_instant(columns[0].day, first * TICK_MINUTES, asked.zone))
    there = {column.practitioner.id for column in columns if column.practitioner}
    return Board(
        columns=columns,
        hours=[(row, i18n.clock(instant_of(top + row), asked.zone)) for row in range(0, rows, HOUR)],
        rows=rows,
        scale=pen.scale,
        counts=words.counts([entry.status for entry in entries], marks.late(entries)),
        away=[who.name for who in asked.plan.practitioners.values() if who.id not in there]
        if asked.view == "practitioners" and not asked.practitioner
        else [],
        zone_said=shown.zone_name(asked.zone, i18n.locale())
        if len({place.zone for place in asked.plan.locations.values()}) > 1
        else "",
        warnings=calendars.warnings(torn),
        visit_href=url_for("desk.visit", id="x").removesuffix("x"),
    )


# Whose


def _by_practitioner(
    asked: Asked, furniture: Furniture, windows: Mapping[date, Window], visits: list[Entry], holds: list[Held]
) -> list[Column]:
    window = windows[asked.on]
    columns = {}
    for person in [asked.practitioner] if asked.practitioner else asked.plan.practitioners.values():
        columns[person.id] = column = _person(asked, person, asked.on, window)
        column.title = person.name
        column.href = url_for("desk.week", practitioner=person.slug, on=asked.on.isoformat())
    gone = {visit.practitioner for visit in visits} - columns.keys()  # archived since
    columns |= {id: Column(furniture.names.actors[id], asked.on, window) for id in sorted(gone)}
    _fill(columns, visits, holds, lambda found: found.practitioner)
    busy = [column for column in columns.values() if column.hours or column.visits or column.holds]
    return busy or list(columns.values()) or [Column("", asked.on, window)]


def _by_room(
    asked: Asked, furniture: Furniture, windows: Mapping[date, Window], visits: list[Entry], holds: list[Held]
) -> list[Column]:
    window, plan = windows[asked.on], asked.plan
    columns = {}
    for room in plan.rooms.values():
        place = plan.locations[room.location]
        if place not in asked.places:
            continue
        columns[room.id] = column = Column(room.name, asked.on, window, room=room.slug, places=room.places)
        column.subtitle = place.name if len(asked.places) > 1 else ""
        for person in plan.practitioners:
            column.hours |= opening.over(window, partial(opening.hours, plan, person, place.id))
        shut = [*opening.closures(plan, place.id), *opening.room_closures(plan, room.id)]
        column.absences = [(words.closure_words(name), off) for name, off in _during(window, shut, place.zone)]
    elsewhere = {one.room or NO_ROOM for one in chain[Entry | Held](visits, holds)} - columns.keys()
    for id in sorted(elsewhere, reverse=True):
        title = furniture.names.actors[id] if id else _("No room")
        columns[id] = Column(title, asked.on, window, places=1)
    _fill(columns, visits, holds, lambda found: found.room or NO_ROOM)
    return list(columns.values()) or [Column("", asked.on, window)]


def _by_day(
    asked: Asked, furniture: Furniture, windows: Mapping[date, Window], visits: list[Entry], holds: list[Held]
) -> list[Column]:
    assert asked.practitioner is not None
    columns = {}
    for day, window in windows.items():
        columns[day] = column = _person(asked, asked.practitioner, day, window)
        column.title = i18n.short_day(instant_of(window.start), asked.zone)
        column.href = url_for("desk.today", on=day.isoformat())
        column.is_today = day == asked.today
    mine = [hold for hold in holds if hold.practitioner == asked.practitioner.id]
    _fill(columns, visits, mine, lambda found: local(found.starts_at, asked.zone).date())
    return [column for day, column in columns.items() if day.weekday() < 5 or column.hours or column.visits]


COLUMNS: Mapping[str, Callable[[Asked, Furniture, Mapping[date, Window], list[Entry], list[Held]], list[Column]]] = {
    "practitioners": _by_practitioner,
    "rooms": _by_room,
    "week": _by_day,
}


def _person(asked: Asked, person: Practitioner, day: date, window: Window) -> Column:
    """A practitioner's day in all the places that are shown."""
    column = Column("", day, window, practitioner=person)
    absences = []
    for place in asked.places:
        works = opening.over(window, partial(opening.hours, asked.plan, person.id, place.id))
        if works:
            column.hours |= works
            off = _during(window, opening.times_off(asked.plan, person.id, place.id), place.zone)
            shut = _during(window, opening.closures(asked.plan, place.id), place.zone)
            absences += [(words.time_off_words(name), away) for name, away in off]
            absences += [(words.closure_words(name), away) for name, away in shut]
    column.absences = list(dict.fromkeys(absences))
    return column


def _send_away(columns: Iterable[Column]) -> int:
    """Enter in practitioners' columns when their own calendars say busy; how many visits lie there."""
    by_person = [(column, column.practitioner.id) for column in columns if column.practitioner]
    if not by_person:
        return 0
    whole = Window(
        min(column.window.start for column, _id in by_person), max(column.window.stop for column, _id in by_person)
    )
    busy = outside.busy(g.clinic.id, {id for _column, id in by_person}, whole)
    torn = 0
    for column, id in by_person:
        away = [window for window in busy.get(id, ()) if overlap(window, column.window)]
        column.absences += [(_("Busy in their own calendar"), window) for window in away]
        stays = [Window(tick_of(visit.starts_at), tick_after(visit.ends_at)) for visit in column.visits]
        torn += sum(any(overlap(stay, window) for window in away) for stay in stays)
    return torn


def _during(window: Window, entries: Iterable[NotAvailable], zone: str) -> list[tuple[str, Window]]:
    found = [(entry.name, opening.absence(entry, zone)) for entry in entries]
    return [(name, away) for name, away in found if overlap(away, window)]


K = TypeVar("K", int, date)


def _fill(
    columns: Mapping[K, Column], visits: Iterable[Entry], holds: Iterable[Held], key: Callable[[Entry | Held], K]
) -> None:
    for visit in visits:
        columns[key(visit)].visits.append(visit)
    for hold in holds:
        if column := columns.get(key(hold)):
            column.holds.append(hold)


# Rows


def _rows(columns: Sequence[Column], zone: str) -> tuple[int, int]:
    """After how many rows of the wall clock's day all columns begin, and how many rows they have."""
    starts, lengths = [], []
    for column in columns:
        open_hours = stretches(column.hours, column.window.start)
        taken = [
            Window(tick_of(one.starts_at), tick_after(one.ends_at))
            for one in chain[Entry | Held](column.visits, column.holds)
        ]
        edges = [edge for stretch in (*open_hours, *taken) for edge in (stretch.start, stretch.stop)]
        if edges:
            starts.append(local(instant_of(min(edges)), zone).hour * HOUR)
            lengths.append((column, max(edges)))
    if not starts:
        return USUAL[0], USUAL[1] - USUAL[0]
    first = min(starts)
    rows = max(stop - tick_of(opening_instant(column.day, first * TICK_MINUTES, zone)) for column, stop in lengths)
    return first, -(-rows // HOUR) * HOUR


def _draw(column: Column, base: int, rows: int, asked: Asked, pen: marks.Pen) -> None:
    """Draw what is in a column, whose first row is the tick `base`."""
    whole = Window(base, base + rows)
    column.start = f"{instant_of(base):%Y-%m-%dT%H:%MZ}"
    day = span(whole, whole.start, whole.stop)
    hours = sum(span(whole, run.start, run.stop) for run in stretches(column.hours, column.window.start))
    column.shades = [Shade(f"b-closed {_rows_of(run, base)}") for run in stretches(day & ~hours, base)]
    away = 0
    for said, absence in column.absences:
        bits = span(whole, absence.start, absence.stop)
        away |= bits
        column.shades += [Shade(f"b-away {_rows_of(run, base)}", said) for run in stretches(bits, base)]
    column.marks, column.gutter, column.lanes = pen.marks(column.visits, base, column.places)
    column.held = [Shade(place, said) for place, said in pen.held(column.holds, base)]
    now = tick_of(g.now)
    column.now = now - base if whole.start <= now < whole.stop else None
    if column.practitioner and asked.view != "rooms":
        ahead = span(whole, now + 1, whole.stop)
        free = hours & ~away & ~pen.busy(whole, column.visits, column.holds) & ahead
        column.free = [_free(run, base, column.practitioner, asked) for run in stretches(free, base)]
        column.free = [one for one in column.free if one.place]


def _free(run: Window, base: int, who: Practitioner, asked: Asked) -> Shade:
    if run.stop - run.start < FREE:
        return Shade("")
    since, until = instant_of(run.start), instant_of(run.stop)
    said = _("Free %(since)s–%(until)s", since=i18n.clock(since, asked.zone), until=i18n.clock(until, asked.zone))
    return Shade(_rows_of(run, base), said, f"{since:%Y-%m-%dT%H:%MZ}")


def _rows_of(run: Window, base: int) -> str:
    return f"s{run.start - base} d{run.stop - run.start}"
