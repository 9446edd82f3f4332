"""The heart: which times are on offer, computed as bit sets over ticks, and why a time is not.

Everything here is a pure function of its arguments: the clinic's plan (settings), the time that is taken
and `now`. Reading them is `store/diary`; taking time is `store/hold`.

A cause that can keep a visit from starting is a mask: the set of ticks at which it does not stand in the way.
A time is on offer where all masks of a practitioner in a location meet (`_starts`); why it is not is the list
of masks that miss it (`why_not`). Causes that have nothing to do with the time are `_refusals`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial, reduce
from itertools import chain, groupby
from operator import itemgetter, or_
from typing import Protocol

from booking.domain import opening
from booking.domain.bits import clear, meet, meeting, overlap, runs, span, ticks
from booking.domain.plan import (
    ExtraHours,
    Hours,
    Location,
    NewPatients,
    NotAvailable,
    Plan,
    Practitioner,
    Room,
    Service,
    Shape,
    Stage,
    StageFault,
    shape,
    stage_faults,
    stages_for,
)
from booking.domain.time import (
    DAY_TICKS,
    TICK_MINUTES,
    Window,
    day_window,
    days,
    instant_of,
    local,
    tick_after,
    tick_of,
)

__all__ = [
    "TICK_MINUTES",
    "ExtraHours",
    "Hours",
    "Location",
    "NewPatients",
    "NotAvailable",
    "Plan",
    "Practitioner",
    "Reason",
    "ReasonCode",
    "Room",
    "Service",
    "Shape",
    "Slot",
    "Stage",
    "StageFault",
    "Taken",
    "Window",
    "Wish",
    "first",
    "nearest",
    "per_day",
    "rooms_for",
    "rooms_over_capacity",
    "runs",
    "shape",
    "slots",
    "stage_faults",
    "stages_for",
    "starts",
    "why_not",
]

STAFF_SEARCH_DAYS = 366  # staff have no horizon, but a search has to end


class Taken(Protocol):
    """Where taken time is read. `levels(actors, window)[actor][k - 1]` has the ticks with at least k visits,
    for k from 1 to the actor's capacity (a practitioner's is 1). Provisional holds that have not expired count.

    `outside(practitioners, window)[practitioner]` has the ticks that their own calendars elsewhere say are busy.
    """

    def levels(self, actors: Collection[int], window: Window) -> Mapping[int, tuple[int, ...]]: ...

    def outside(self, practitioners: Collection[int], window: Window) -> Mapping[int, int]: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for. `staff` may ignore notice, horizon and `online`.

    With `any_tick` a visit may also start between the service's usual times, and in the tick that is running: what
    the desk agrees with a patient on the phone, or who stands there already.
    """

    service: int
    new: bool = False
    practitioner: int | None = None  # None: anyone
    location: int | None = None  # None: anywhere
    staff: bool = False
    any_tick: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A time on offer: UTC start and the patient's end, one practitioner in one location."""

    start: datetime
    end: datetime
    practitioner: int
    location: int


class ReasonCode(StrEnum):
    """Why a time is not on offer."""

    NOT_OFFERED = "not-offered"  # the practitioner does not give this service, or there is no such thing
    NOT_ONLINE = "not-online"
    NEW_PATIENTS_ONLY = "new-patients-only"
    FIRST_VISIT_FIRST = "first-visit-first"
    NO_ROOM = "no-room"  # none of the service's rooms stands in this location
    OFF_GRID = "off-grid"
    CLOSED = "closed"  # the practitioner does not work there then
    TOO_LONG = "too-long"  # it starts within hours that end before the patient's stay does
    TIME_OFF = "time-off"
    CLOSURE = "closure"
    PAST = "past"
    TOO_SOON = "too-soon"
    TOO_FAR = "too-far"
    ROOM_CLOSED = "room-closed"
    ROOM_FULL = "room-full"
    TAKEN = "taken"
    BUSY_OUTSIDE = "busy-outside"  # the practitioner's own calendar elsewhere says so


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause why a time is not on offer, with its facts."""

    code: ReasonCode
    name: str = ""  # of the time off or closure, or of the service to book first
    until: datetime | None = None  # UTC: its end; the first start late enough; the end of the last day near enough
    service: int | None = None  # to book first
    full: tuple[tuple[int, Window], ...] = ()  # actors, each with the ticks in which it takes no more


def slots(plan: Plan, taken: Taken, wish: Wish, window: Window, now: datetime) -> list[Slot]:
    """The times on offer that start in the window, by start and then in the plan's order of practitioners."""
    window = _within_reach(plan, wish, window, now)
    starts = _starts(plan, taken, wish, window, now)
    pairs = list(starts)
    rows = sorted((tick, rank) for rank, pair in enumerate(pairs) for tick in ticks(starts[pair], window))
    found = []
    for tick, row in groupby(rows, key=itemgetter(0)):
        start, end = _stay(plan, wish, tick)
        found += [Slot(start, end, *pairs[rank]) for _, rank in row]
    return found


def starts(plan: Plan, taken: Taken, wish: Wish, window: Window, now: datetime) -> dict[tuple[int, int], list[int]]:
    """The same as `slots`, for thousands of them: the ticks on offer of each practitioner (in each location), in order.

    Without any there is no entry.
    """
    window = _within_reach(plan, wish, window, now)
    return {pair: list(ticks(bits, window)) for pair, bits in _starts(plan, taken, wish, window, now).items()}


def first(plan: Plan, taken: Taken, wish: Wish, after: int, now: datetime) -> Slot | None:
    """The first time on offer that starts at tick `after` or later; None if there is none within the horizon.

    Staff, who have no horizon, get what there is within a year of now.
    """
    reach = _reach(plan, wish, now)
    start, length = max(after, reach.start), 4 * DAY_TICKS
    while start < reach.stop:
        window = Window(start, min(start + length, reach.stop))
        starts = _starts(plan, taken, wish, window, now)
        if starts:
            return _slot_at(plan, wish, starts, window, next(ticks(reduce(or_, starts.values()), window)))
        start, length = window.stop, length * 4
    return None


def nearest(plan: Plan, taken: Taken, wish: Wish, start: datetime, now: datetime, count: int = 3) -> list[Slot]:
    """The times on offer closest to `start`, closest first, each start once and at most `count`.

    Fewer if there are no more within the horizon; for staff, within a year of now.
    """
    reach = _reach(plan, wish, now)
    wanted, radius = tick_of(start), DAY_TICKS
    while True:
        around = Window(wanted - radius, wanted + radius + 2)
        window = meeting(around, reach)
        starts = _starts(plan, taken, wish, window, now)
        found = list(ticks(reduce(or_, starts.values(), 0), window))
        if len(found) >= count or (around.start <= reach.start and around.stop >= reach.stop):
            found.sort(key=lambda tick: abs(instant_of(tick) - start))
            return [_slot_at(plan, wish, starts, window, tick) for tick in found[:count]]
        radius *= 4


def per_day(plan: Plan, taken: Taken, wish: Wish, window: Window, now: datetime) -> dict[date, int]:
    """How many different starts are on offer on each local date of their location; days without any are left out."""
    window = _within_reach(plan, wish, window, now)
    by_zone: dict[str, int] = {}
    for (_, location), bits in _starts(plan, taken, wish, window, now).items():
        zone = plan.locations[location].zone
        by_zone[zone] = by_zone.get(zone, 0) | bits
    by_day: dict[date, int] = {}
    for zone, bits in by_zone.items():
        for day, whole in days(window, zone):
            by_day[day] = by_day.get(day, 0) | bits & span(window, whole.start, whole.stop)
    return {day: bits.bit_count() for day, bits in sorted(by_day.items()) if bits}


def rooms_for(plan: Plan, taken: Taken, wish: Wish, location: int, start_tick: int) -> tuple[int, ...]:
    """The rooms in which a visit that starts at this tick fits, in the service's order of preference.

    Empty if none fits, and for a service that needs none (its own `rooms` are empty then).
    """
    ask = _ask(plan, taken, wish, [], [location], Window(start_tick, start_tick + 1))
    rooms = _rooms(plan, ask.service, location)
    return tuple(room for room in rooms if _unshut(ask, room) & _roomy(ask, room) & 1)


def rooms_over_capacity(plan: Plan, taken: Taken, wish: Wish, location: int, start_tick: int) -> tuple[int, ...]:
    """The rooms that are open for such a visit, full or not; those in which it fits come first."""
    ask = _ask(plan, taken, wish, [], [location], Window(start_tick, start_tick + 1))
    rooms = [room for room in _rooms(plan, ask.service, location) if _unshut(ask, room) & 1]
    return tuple(sorted(rooms, key=lambda room: not _roomy(ask, room) & 1))


def why_not(
    plan: Plan,
    taken: Taken,
    wish: Wish,
    practitioner: int,
    start: datetime,
    now: datetime,
    location: int | None = None,
) -> list[Reason]:
    """Every reason why this practitioner has no such visit on offer at `start`; empty if it is on offer.

    Without a location (nor one in the wish) the answer is about the one that comes closest to offering it.
    `wish.practitioner` is not looked at.
    """
    location = wish.location if location is None else location
    person = plan.practitioners.get(practitioner)
    if wish.service not in plan.services or person is None or location not in (None, *plan.locations):
        return [Reason(ReasonCode.NOT_OFFERED)]
    places = [location] if location is not None else opening.workplaces(plan, person.id) or list(plan.locations)
    return min(
        (_reasons(plan, taken, wish, person, place, start, now) for place in places),
        key=lambda reasons: (any(reason.code is ReasonCode.CLOSED for reason in reasons), len(reasons)),
        default=[Reason(ReasonCode.NOT_OFFERED)],
    )


def _refusals(plan: Plan, wish: Wish, person: Practitioner, location: int) -> list[Reason]:
    """Why this practitioner never has such a visit on offer in this location."""
    service = plan.services[wish.service]
    found = []
    if service.id not in person.services:
        found.append(Reason(ReasonCode.NOT_OFFERED))
    if not service.online and not wish.staff:
        found.append(Reason(ReasonCode.NOT_ONLINE))
    if service.new_patients is NewPatients.ONLY and not wish.new:
        found.append(Reason(ReasonCode.NEW_PATIENTS_ONLY))
    if service.new_patients is NewPatients.NO and wish.new:
        visit = plan.services.get(service.first_visit or 0)
        code = ReasonCode.FIRST_VISIT_FIRST
        found.append(Reason(code, name=visit.name, service=visit.id) if visit else Reason(code))
    if service.rooms and not _rooms(plan, service, location):
        found.append(Reason(ReasonCode.NO_ROOM))
    return found


def _pairs(plan: Plan, wish: Wish) -> list[tuple[int, int]]:
    """The practitioners who give such a visit, each with the locations where they do, in the plan's order."""
    if wish.service not in plan.services:
        return []
    return [
        (person.id, location)
        for person in plan.practitioners.values()
        if wish.practitioner in (None, person.id)
        for location in opening.workplaces(plan, person.id)
        if wish.location in (None, location) and not _refusals(plan, wish, person, location)
    ]


def _rooms(plan: Plan, service: Service, location: int) -> list[int]:
    return [room for room in service.rooms if room in plan.rooms and plan.rooms[room].location == location]


# The starts that each cause leaves, over the window that was asked about and perhaps beyond it.
Masks = dict[ReasonCode, int]


@dataclass(frozen=True, slots=True)
class _Ask:
    """One wish over one window, and the time that is taken there."""

    plan: Plan
    service: Service
    shape: Shape
    window: Window
    beyond: Window  # the window and as far as a visit that starts in it can last
    everything: int  # all ticks of `beyond`
    levels: Mapping[int, tuple[int, ...]]  # over `beyond`, as is `outside`
    outside: Mapping[int, int]


def _ask(
    plan: Plan, taken: Taken, wish: Wish, practitioners: Iterable[int], locations: Iterable[int], window: Window
) -> _Ask:
    service = plan.services[wish.service]
    form = shape(stages_for(service, wish.new))
    beyond = Window(window.start, window.stop + form.total)
    people = set(practitioners)
    actors = people.union(room for location in locations for room in _rooms(plan, service, location))
    everything = span(beyond, beyond.start, beyond.stop)
    levels, outside = taken.levels(actors, beyond), taken.outside(people, beyond)
    return _Ask(plan, service, form, window, beyond, everything, levels, outside)


def _setting_masks(plan: Plan, practitioner: int, location: int, stay: int, every: int, window: Window) -> Masks:
    """The patient's whole stay lies in one opening, free of time off and closures, and starts on the grid."""
    beyond = Window(window.start, window.stop + stay)
    everything = span(beyond, beyond.start, beyond.stop)
    hours = opening.over(beyond, partial(opening.hours, plan, practitioner, location))
    time_off = opening.over(beyond, partial(opening.time_off, plan, practitioner, location))
    closed = opening.over(beyond, partial(opening.closed, plan, location))
    return {
        ReasonCode.OFF_GRID: opening.over(window, partial(opening.grid, plan.locations[location].zone, every)),
        ReasonCode.CLOSED: hours,
        ReasonCode.TOO_LONG: runs(hours, stay) | everything ^ hours,
        ReasonCode.TIME_OFF: runs(everything ^ time_off, stay),
        ReasonCode.CLOSURE: runs(everything ^ closed, stay),
    }


@opening.remembered
def _setting_page(plan: Plan, practitioner: int, location: int, stay: int, every: int, number: int) -> int:
    """Where those masks meet, as a page to remember: all that can be said of a start without a diary and a clock."""
    return meet(_setting_masks(plan, practitioner, location, stay, every, opening.page_window(number)).values())


def _clock_masks(plan: Plan, wish: Wish, location: int, window: Window, now: datetime) -> Masks:
    """Nobody books the past; the public keeps to the minimum notice and the horizon."""
    ahead = span(window, _earliest(wish, now), window.stop)
    if wish.staff:
        return {ReasonCode.PAST: ahead}
    past = span(window, window.start, window.stop) ^ ahead
    return {
        ReasonCode.PAST: ahead,
        ReasonCode.TOO_SOON: past | span(window, tick_after(_soonest(plan, now)), window.stop),
        ReasonCode.TOO_FAR: span(window, window.start, _farthest(plan, location, now)),
    }


def _room_masks(ask: _Ask, location: int) -> Masks:
    """One of the service's rooms is open while the patient is there, and has a place left for the whole visit."""
    rooms = _rooms(ask.plan, ask.service, location)
    if not rooms:  # None is needed, or their absence is a refusal.
        return {}
    unshut = fits = 0
    for room in rooms:
        allowed = _unshut(ask, room)
        unshut |= allowed
        fits |= allowed & _roomy(ask, room)
    return {ReasonCode.ROOM_CLOSED: unshut, ReasonCode.ROOM_FULL: fits | ask.everything ^ unshut}


def _unshut(ask: _Ask, room: int) -> int:
    if not opening.room_closures(ask.plan, room):
        return ask.everything
    shut = opening.over(ask.beyond, partial(opening.shut, ask.plan, room))
    return clear(ask.everything ^ shut, ask.shape.room_during_stay)


def _roomy(ask: _Ask, room: int) -> int:
    full = ask.levels[room][ask.plan.rooms[room].places - 1]
    return clear(ask.everything ^ full, ask.shape.room)


def _practitioner_masks(ask: _Ask, practitioner: int) -> Masks:
    """The practitioner has no other visit during the stretches of this one, and is not elsewhere during the stay."""
    masks = {ReasonCode.TAKEN: clear(ask.everything ^ ask.levels[practitioner][0], ask.shape.practitioner)}
    if away := ask.outside[practitioner]:
        masks[ReasonCode.BUSY_OUTSIDE] = runs(ask.everything ^ away, ask.shape.stay)
    return masks


def _starts(plan: Plan, taken: Taken, wish: Wish, window: Window, now: datetime) -> dict[tuple[int, int], int]:
    """The starts on offer for each practitioner in each location, where there are any, in the plan's order.

    A practitioner whose hours say two locations at once has a start only in the first of them.
    """
    pairs = _pairs(plan, wish)
    if not pairs or window.start >= window.stop:
        return {}
    locations = {location for _, location in pairs}
    ask = _ask(plan, taken, wish, (practitioner for practitioner, _ in pairs), locations, window)
    anyone = {
        location: meet((_clock_masks(plan, wish, location, window, now) | _room_masks(ask, location)).values())
        for location in locations
    }
    starts: dict[tuple[int, int], int] = {}
    elsewhere: dict[int, int] = {}
    for practitioner, location in pairs:
        page = partial(_setting_page, plan, practitioner, location, ask.shape.stay, _every(ask.service, wish))
        found = anyone[location] & opening.over(window, page) & meet(_practitioner_masks(ask, practitioner).values())
        found &= ~elsewhere.get(practitioner, 0)
        if found:
            starts[practitioner, location] = found
            elsewhere[practitioner] = elsewhere.get(practitioner, 0) | found
    return starts


def _reasons(
    plan: Plan, taken: Taken, wish: Wish, person: Practitioner, location: int, start: datetime, now: datetime
) -> list[Reason]:
    """The refusals, and the masks that miss this one start."""
    tick = tick_of(start)
    ask = _ask(plan, taken, wish, [person.id], [location], Window(tick, tick + 1))
    masks = (
        _setting_masks(plan, person.id, location, ask.shape.stay, _every(ask.service, wish), ask.window)
        | _clock_masks(plan, wish, location, ask.window, now)
        | _room_masks(ask, location)
        | _practitioner_masks(ask, person.id)
    )
    if instant_of(tick) != start:
        masks[ReasonCode.OFF_GRID] = 0
    missed = [code for code, mask in masks.items() if not mask & 1]
    return [
        *_refusals(plan, wish, person, location),
        *(reason for code in missed for reason in _explained(ask, code, person, location, now)),
    ]


def _explained(ask: _Ask, code: ReasonCode, person: Practitioner, location: int, now: datetime) -> list[Reason]:
    plan, zone = ask.plan, ask.plan.locations[location].zone
    match code:
        case ReasonCode.TOO_SOON:
            return [Reason(code, until=_soonest(plan, now))]
        case ReasonCode.TOO_FAR:
            return [Reason(code, until=instant_of(_farthest(plan, location, now)))]
        case ReasonCode.TIME_OFF:
            causes = opening.times_off(plan, person.id, location)
        case ReasonCode.CLOSURE:
            causes = opening.closures(plan, location)
        case ReasonCode.ROOM_CLOSED:
            rooms = _rooms(plan, ask.service, location)
            causes = [cause for room in rooms for cause in opening.room_closures(plan, room)]
        case ReasonCode.TAKEN:
            return [Reason(code, full=_full(ask, person.id, 1, ask.shape.practitioner))]
        case ReasonCode.ROOM_FULL:
            rooms = [room for room in _rooms(plan, ask.service, location) if _unshut(ask, room) & 1]
            full = (_full(ask, room, plan.rooms[room].places, ask.shape.room) for room in rooms)
            return [Reason(code, full=tuple(chain.from_iterable(full)))]
        case _:
            return [Reason(code)]
    stay = Window(ask.window.start, ask.window.start + ask.shape.stay)
    absences = [(cause.name, opening.absence(cause, zone)) for cause in causes]
    return [Reason(code, name, instant_of(absence.stop)) for name, absence in absences if overlap(absence, stay)]


def _full(ask: _Ask, actor: int, capacity: int, stretches: Iterable[tuple[int, int]]) -> tuple[tuple[int, Window], ...]:
    """Where the actor takes no more during the stretches of a visit that starts with the window."""
    full, start = ask.levels[actor][capacity - 1], ask.window.start
    missed = (
        list(ticks(full & span(ask.beyond, start + offset, start + offset + length), ask.beyond))
        for offset, length in stretches
    )
    return tuple((actor, Window(found[0], found[-1] + 1)) for found in missed if found)


def _every(service: Service, wish: Wish) -> int:
    """Minutes between the starts that the wish allows."""
    return TICK_MINUTES if wish.any_tick else service.every


def _earliest(wish: Wish, now: datetime) -> int:
    """The first tick that has not passed."""
    return tick_of(now) if wish.any_tick else tick_after(now)


def _soonest(plan: Plan, now: datetime) -> datetime:
    return now + timedelta(minutes=plan.minimum_notice)


def _farthest(plan: Plan, location: int, now: datetime) -> int:
    """The tick at which the last local date within the horizon is over."""
    zone = plan.locations[location].zone
    return day_window(local(now, zone).date() + timedelta(days=plan.horizon), zone).stop


def _reach(plan: Plan, wish: Wish, now: datetime) -> Window:
    """Where a search looks: no start outside is on offer to the public, and staff are content with a year."""
    if wish.staff:
        return Window(_earliest(wish, now), tick_after(now) + STAFF_SEARCH_DAYS * DAY_TICKS)
    farthest = (_farthest(plan, location, now) for location in plan.locations)
    return Window(tick_after(_soonest(plan, now)), max(farthest, default=0))


def _within_reach(plan: Plan, wish: Wish, window: Window, now: datetime) -> Window:
    """The window, without the part in which the masks would leave nothing: that spares reading and drawing it."""
    return window if wish.staff else meeting(window, _reach(plan, wish, now))


def _stay(plan: Plan, wish: Wish, tick: int) -> tuple[datetime, datetime]:
    """When the patient comes, starting at this tick, and when the patient is done."""
    stay = shape(stages_for(plan.services[wish.service], wish.new)).stay
    return instant_of(tick), instant_of(tick + stay)


def _slot_at(plan: Plan, wish: Wish, starts: Mapping[tuple[int, int], int], window: Window, tick: int) -> Slot:
    """The slot of the first practitioner who can start then."""
    pair = next(pair for pair, bits in starts.items() if bits >> tick - window.start & 1)
    return Slot(*_stay(plan, wish, tick), *pair)
