"""Which future visits a clinic's settings leave no room for: facts of the book against a plan.

A visit is booked already, so only what its people and rooms are open for counts here: neither taken time nor the
grid, the notice, the horizon, or who may book what online.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from booking.domain import opening
from booking.domain.availability import ReasonCode
from booking.domain.bits import overlap, span
from booking.domain.plan import Plan
from booking.domain.time import Window


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit as it stands in the book: who gives it where, the patient's stay, the ticks that its room is taken."""

    id: int
    service: int
    practitioner: int
    location: int
    room: int | None
    stay: Window
    room_ticks: Collection[int] = ()


def unfit(plan: Plan, visits: Sequence[Visit]) -> dict[int, frozenset[ReasonCode]]:
    """By visit id: what speaks against a visit under a plan; those that fit are left out.

    `visits` are all that will still take time, earliest booked first: where a room has fewer places than visits,
    the latest booked are without one.
    """
    without_place = _without_place(plan, visits)
    found = {}
    for visit in visits:
        codes = _against(plan, visit) | ({ReasonCode.ROOM_FULL} if visit.id in without_place else set())
        if codes:
            found[visit.id] = frozenset(codes)
    return found


def _against(plan: Plan, visit: Visit) -> set[ReasonCode]:
    person, service = plan.practitioners.get(visit.practitioner), plan.services.get(visit.service)
    if person is None or service is None or service.id not in person.services or visit.location not in plan.locations:
        return {ReasonCode.NOT_OFFERED}
    stay, where = visit.stay, (plan, person.id, visit.location)
    codes = set()
    if span(stay, stay.start, stay.stop) & ~opening.over(stay, partial(opening.hours, *where)):
        codes.add(ReasonCode.CLOSED)
    if opening.over(stay, partial(opening.time_off, *where)):
        codes.add(ReasonCode.TIME_OFF)
    if opening.over(stay, partial(opening.closed, plan, visit.location)):
        codes.add(ReasonCode.CLOSURE)
    if visit.room is not None:
        codes |= _against_room(plan, visit, visit.room)
    return codes


def _against_room(plan: Plan, visit: Visit, number: int) -> set[ReasonCode]:
    room = plan.rooms.get(number)
    if room is None or room.location != visit.location or room.id not in plan.services[visit.service].rooms:
        return {ReasonCode.NO_ROOM}
    zone = plan.locations[room.location].zone
    taken = [tick for tick in visit.room_ticks if tick < visit.stay.stop]  # turnover minds only other visits
    shut = [opening.absence(closure, zone) for closure in opening.room_closures(plan, room.id)]
    if any(overlap(closure, Window(tick, tick + 1)) for closure in shut for tick in taken):
        return {ReasonCode.ROOM_CLOSED}
    return set()


def _without_place(plan: Plan, visits: Sequence[Visit]) -> set[int]:
    """The visits that find their room full at some tick, if places go to the earliest booked."""
    taken: dict[tuple[int, int], int] = {}
    found = set()
    for visit in visits:
        room = plan.rooms.get(visit.room or 0)
        if room is None:
            continue
        for tick in visit.room_ticks:
            taken[room.id, tick] = taken.get((room.id, tick), 0) + 1
            if taken[room.id, tick] > room.places:
                found.add(visit.id)
    return found
