"""The clinic's plan and its taken time, as the heart wants them: facts for `domain/availability`.

Both are cached in the process. The plan is kept under the clinic's revision, an actor's lasting bits under the
actor's; every reading asks the database for the revisions first, so a cache is never behind what it was asked for.
Provisional holds are few and short-lived and are read each time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache, reduce
from itertools import zip_longest
from operator import or_
from typing import Any

import sqlalchemy as sa

from booking.domain import availability as heart
from booking.domain import moving
from booking.domain.availability import (
    NewPatients,
    Plan,
    Reason,
    ReasonCode,
    Stage,
    Window,
    Wish,
    shape,
    stages_for,
)
from booking.domain.bits import span
from booking.domain.errors import NotFound, NotOffered, SlotTaken
from booking.domain.stranding import Visit, unfit
from booking.domain.time import instant_of, tick_of
from booking.store import base, hold, outside
from booking.store.base import Stale, connection, db, table
from booking.store.clinic import Clinic, Location, Text
from booking.store.hold import GRACE, Candidate, Hold, HoldTick, Owner, Touched, Wanted
from booking.store.practitioner import Actor, AvailableTime, ExtraTime, NotAvailable, Service, ServiceActor

clinic, actor, hold_tick, touched = table(Clinic), table(Actor), table(HoldTick), table(Touched)
REVISIONS = (
    sa.select(clinic.c.revision, actor.c.id, actor.c.revision)
    .outerjoin_from(clinic, actor, actor.c.clinic_id == clinic.c.id)
    .where(clinic.c.id == sa.bindparam("clinic"))
)
PROVISIONAL = sa.select(hold_tick.c.hold_id, hold_tick.c.actor_id, hold_tick.c.tick, hold_tick.c.expires_at).where(
    hold_tick.c.clinic_id == sa.bindparam("clinic"),
    hold_tick.c.expires_at.is_not(None),  # said again for the partial index
    hold_tick.c.expires_at > sa.bindparam("expired"),
    hold_tick.c.hold_id != sa.bindparam("without"),
)
# One row per seat, its ticks joined to a text: several times quicker than a row per tick.
LASTING = (
    sa.select(hold_tick.c.actor_id, sa.func.aggregate_strings(sa.cast(hold_tick.c.tick, sa.Text), " "))
    .where(
        hold_tick.c.clinic_id == sa.bindparam("clinic"),
        hold_tick.c.actor_id.in_(sa.bindparam("actors", expanding=True)),
        hold_tick.c.tick >= sa.bindparam("start"),
        hold_tick.c.tick < sa.bindparam("stop"),
        hold_tick.c.expires_at.is_(None),
    )
    .group_by(hold_tick.c.actor_id, hold_tick.c.seat)
)
PLAN_REVISION = sa.select(clinic.c.revision).where(clinic.c.id == sa.bindparam("clinic"))

MINUTE = timedelta(minutes=1)
MENDED = 50  # an actor that changed more often since is read anew


@lru_cache
def _touched(count: int) -> sa.Select[Any]:
    """What was touched of so many actors (`actor0`, …), each after a revision of its own (`revision0`, …).

    With the taken ticks in each touched stretch. SQLite finds pairs by OR in the index, but reads all for IN.
    """
    ticks = sa.and_(
        hold_tick.c.clinic_id == sa.bindparam("clinic"),
        hold_tick.c.actor_id == touched.c.actor_id,
        hold_tick.c.tick >= touched.c.start,
        hold_tick.c.tick < touched.c.stop,
        hold_tick.c.expires_at.is_(None),
    )
    later = [
        sa.and_(touched.c.actor_id == sa.bindparam(f"actor{n}"), touched.c.revision > sa.bindparam(f"revision{n}"))
        for n in range(count)
    ]
    columns = (touched.c.actor_id, touched.c.revision, touched.c.start, touched.c.stop)
    return (
        sa.select(*columns, hold_tick.c.seat, hold_tick.c.tick)
        .outerjoin_from(touched, hold_tick, ticks)
        .where(sa.or_(*later))
    )


PAGE = 2048  # ticks, about a week: what is read is rounded to this, so that the next question finds it


@dataclass(frozen=True, slots=True)
class Lasting:
    """An actor's lasting time as it was at a revision: `levels[k]` has the ticks with more than k visits."""

    revision: int
    window: Window
    levels: tuple[int, ...]
    outside: int  # the ticks at which a practitioner is busy by a calendar elsewhere


@dataclass(slots=True)
class Cache:
    """What one process remembers. Each entry is kept with the revision it was read under, so none is used too long."""

    plans: dict[int, Plan] = field(default_factory=dict)
    lasting: dict[int, Lasting] = field(default_factory=dict)  # by actor


@dataclass(slots=True)
class Diary:
    """Implements `availability.Taken` for one clinic at one moment."""

    plan: Plan
    now: datetime
    revisions: Mapping[int, int]  # of the actors
    held: Mapping[int, Mapping[int, list[int]]]  # actor -> provisional hold -> ticks
    freed: Mapping[int, list[int]]  # actor -> ticks of one lasting hold that are to count as free
    live: tuple[tuple[int, datetime], ...]  # provisional holds and when they expire

    def levels(self, actors: Collection[int], window: Window) -> dict[int, tuple[int, ...]]:
        """Per actor: the ticks of the window with at least 1, 2, … visits, up to its capacity at least."""
        keep = (1 << (window.stop - window.start)) - 1
        found = {}
        for actor, lasting in self._lasting(actors, window).items():
            skip = window.start - lasting.window.start
            counts = [level >> skip & keep for level in lasting.levels]
            if actor in self.freed:
                freed = _bits([t - window.start for t in self.freed[actor] if window.start <= t < window.stop])
                above = counts[1:]
                counts = [level & ~freed | more & freed for level, more in zip_longest(counts, above, fillvalue=0)]
            for ticks in self.held.get(actor, {}).values():
                _count(counts, _bits([t - window.start for t in ticks if window.start <= t < window.stop]))
            room = self.plan.rooms.get(actor)
            found[actor] = tuple(counts + [0] * ((room.places if room else 1) - len(counts)))
        return found

    def outside(self, practitioners: Collection[int], window: Window) -> dict[int, int]:
        """Per practitioner: the ticks of the window that their own calendars elsewhere say are busy."""
        keep = (1 << (window.stop - window.start)) - 1
        return {
            practitioner: lasting.outside >> window.start - lasting.window.start & keep
            for practitioner, lasting in self._lasting(practitioners, window).items()
        }

    def stamp(self) -> str:
        """A text that changes whenever an answer about free time may."""
        tick = int(self.now.timestamp()) // 300
        return repr((self.plan.clinic, self.plan.revision, sorted(self.revisions.items()), self.live, tick))

    def _lasting(self, actors: Collection[int], window: Window) -> dict[int, Lasting]:
        """Each actor's lasting time over the window at least: remembered, mended where it was touched, or read."""
        cache = _cache().lasting
        known = {a: entry for a in actors if (entry := cache.get(a)) and _covers(entry.window, window)}
        behind = {a: entry for a, entry in known.items() if entry.revision < self.revisions.get(a, 0)}
        mended = self._mended(behind) if behind else {}
        known = {a: entry for a, entry in known.items() if a not in behind} | mended
        unknown = [a for a in actors if a not in known]
        read = self._read(unknown, window) if unknown else {}
        cache |= mended | read
        return known | read

    def _mended(self, behind: Mapping[int, Lasting]) -> dict[int, Lasting]:
        """These entries with what was touched since read anew; those whose every change is not on record left out."""
        since = {
            actor: entry.revision for actor, entry in behind.items() if self.revisions[actor] - entry.revision <= MENDED
        }
        if not since:
            return {}
        where = {"clinic": self.plan.clinic}
        for n, (actor, revision) in enumerate(since.items()):
            where |= {f"actor{n}": actor, f"revision{n}": revision}
        changes: dict[int, set[int]] = {actor: set() for actor in since}
        stretches: dict[int, set[tuple[int, int]]] = {actor: set() for actor in since}
        taken: dict[int, set[tuple[int, int]]] = {actor: set() for actor in since}
        for actor, revision, start, stop, seat, tick in connection().execute(_touched(len(since)), where):
            changes[actor].add(revision)
            stretches[actor].add((start, stop))
            if tick is not None:
                taken[actor].add((seat, tick))
        return {
            actor: replace(entry, revision=self.revisions[actor], levels=_mend(entry, stretches[actor], taken[actor]))
            for actor, entry in behind.items()
            if actor in since and changes[actor].issuperset(range(entry.revision + 1, self.revisions[actor] + 1))
        }

    def _read(self, actors: Collection[int], window: Window) -> dict[int, Lasting]:
        """The actors' lasting time over the window and what was known of them before, in whole pages."""
        windows = [window, *(entry.window for a in actors if (entry := _cache().lasting.get(a)))]
        start = min(w.start for w in windows) // PAGE * PAGE
        stop = -(-max(w.stop for w in windows) // PAGE) * PAGE
        counts: dict[int, list[int]] = {actor: [] for actor in actors}
        where = {"clinic": self.plan.clinic, "actors": list(actors), "start": start, "stop": stop}
        for actor, ticks in connection().execute(LASTING, where):
            _count(counts[actor], _many_bits([int(tick) - start for tick in ticks.split()], stop - start))
        whole = Window(start, stop)
        busy = {
            actor: reduce(or_, (span(whole, away.start, away.stop) for away in windows))
            for actor, windows in outside.busy(self.plan.clinic, actors, whole).items()
        }
        return {
            actor: Lasting(self.revisions.get(actor, 0), whole, tuple(levels), busy.get(actor, 0))
            for actor, levels in counts.items()
        }


def read(clinic_id: int, now: datetime, *, without: int | None = None) -> Diary:
    """The diary of a clinic at `now`; the time of the hold `without` counts as free (its own visit is moving).

    Raises NotFound for an unknown clinic.
    """
    rows = connection().execute(REVISIONS, {"clinic": clinic_id}).all()
    if not rows:
        raise NotFound
    revision, revisions = rows[0][0], {actor: own for _, actor, own in rows}
    held: dict[int, dict[int, list[int]]] = {}
    live: dict[int, datetime] = {}
    where = {"clinic": clinic_id, "expired": now - GRACE, "without": without or 0}
    for holder, actor, tick, expires_at in connection().execute(PROVISIONAL, where):
        held.setdefault(actor, {}).setdefault(holder, []).append(tick)
        live[holder] = expires_at
    return Diary(plan(clinic_id, revision), now, revisions, held, _lasting_ticks(without), tuple(sorted(live.items())))


def take(
    known: Plan,
    wish: Wish,
    start: datetime,
    *,
    now: datetime,
    expires_at: datetime | None = None,
    session_key: str | None = None,
    owner: Owner | None = None,
    instead_of: Hold | None = None,
    squeeze: bool = False,
    room: int | None = None,
) -> Hold:
    """Take a time that is on offer, provisionally or for an appointment, giving up the hold `instead_of` for it.

    `known` is the clinic's plan as it was at the transaction's start. With a `room` only that one will do. With
    `squeeze` the time may be taken or full already, but nothing else may speak against it. Raises SlotTaken or
    NotOffered, with the nearest other times. Nothing may have been read for the decision before this is called: it
    locks first.
    """
    clinic_id = known.clinic
    service = known.services.get(wish.service)
    if service is None:
        raise NotFound
    people = [p for p in known.practitioners.values() if service.id in p.services and wish.practitioner in (None, p.id)]
    given_up = hold.actors_of(instead_of) if instead_of else set()
    locked = hold.lock(clinic_id, {p.id for p in people}.union(service.rooms, given_up))
    diary = read(clinic_id, now, without=instead_of.id if instead_of else None)
    if diary.plan.revision != known.revision:
        raise Stale  # the settings changed while we waited: others may have to be locked
    if instead_of and not hold.is_there(instead_of):
        raise Stale  # it was moved, ended or swept away while we waited
    wanted = Wanted(
        clinic=clinic_id,
        service=service.id,
        new_patient=wish.new,
        start=tick_of(start),
        shape=shape(stages_for(service, wish.new)),
        candidates=_in_room(room, _candidates(diary, wish, start, squeeze=squeeze), start),
        squeeze=squeeze,
    )
    try:
        return hold.place(
            wanted,
            locked,
            now=now,
            expires_at=expires_at,
            session_key=session_key,
            owner=owner,
            instead_of=instead_of,
        )
    except SlotTaken:
        raise SlotTaken(start, heart.nearest(diary.plan, diary, wish, start, now)) from None


def take_again(
    known: Plan,
    wish: Wish,
    start: datetime,
    end: datetime | None,
    *,
    room: int | None,
    now: datetime,
    owner: Owner,
    instead_of: Hold,
    squeeze: bool,
) -> Hold:
    """Take the very place that a visit had before it was moved: a practitioner in a location, that room or none.

    `end` is the patient's (None: as the service says); it and the start need not be a tick's if the visit was
    imported. It was good once, so only what is taken or busy elsewhere and when its people and rooms are there counts,
    not the grid. Raises SlotTaken or NotOffered. Like `take` it locks first.
    """
    assert wish.practitioner is not None
    assert wish.location is not None
    rooms = (room,) if room else ()
    locked = hold.lock(known.clinic, {wish.practitioner, *rooms, *hold.actors_of(instead_of)})
    if not hold.is_there(instead_of):
        raise Stale  # it was moved, ended or swept away while we waited
    service = known.services.get(wish.service)
    if service is None:
        raise NotOffered(start, [Reason(ReasonCode.NOT_OFFERED)])
    length = moving.stay(start, shape(stages_for(service, wish.new)), (end - start) // MINUTE if end else None)
    form, tick = length.shape(), tick_of(start)
    stay = Window(tick, tick + form.stay)
    if instant_of(stay.stop) <= now:
        raise NotOffered(start, [Reason(ReasonCode.PAST)])
    visit = Visit(instead_of.id, service.id, wish.practitioner, wish.location, room, stay)
    for codes in unfit(known, [visit]).values():
        raise NotOffered(start, [Reason(code) for code in sorted(codes)])
    if not squeeze and any(read(known.clinic, now, without=instead_of.id).outside([wish.practitioner], stay).values()):
        raise SlotTaken(start)
    candidate = Candidate(wish.practitioner, wish.location, rooms)
    exact = (length.starts_at, length.ends_at)
    wanted = Wanted(known.clinic, service.id, wish.new, tick, form, (candidate,), exact, squeeze)
    return hold.place(wanted, locked, now=now, owner=owner, instead_of=instead_of)


FULL = frozenset({ReasonCode.TAKEN, ReasonCode.ROOM_FULL, ReasonCode.BUSY_OUTSIDE})


def _candidates(diary: Diary, wish: Wish, start: datetime, *, squeeze: bool) -> tuple[Candidate, ...]:
    """Who could give the visit, where and in which rooms. Raises SlotTaken or NotOffered if nobody can."""
    plan, now, tick = diary.plan, diary.now, tick_of(start)
    if instant_of(tick) == start and not squeeze:
        found = heart.slots(plan, diary, wish, Window(tick, tick + 1), now)
        if found:
            return tuple(
                Candidate(s.practitioner, s.location, heart.rooms_for(plan, diary, wish, s.location, tick))
                for s in found
            )
    asked = [wish.practitioner] if wish.practitioner else list(plan.practitioners)
    places = [wish.location] if wish.location else list(plan.locations)
    why = {(p, place): heart.why_not(plan, diary, wish, p, start, now, place) for p in asked for place in places}
    full = [pair for pair, reasons in why.items() if {reason.code for reason in reasons} <= FULL]
    if full and squeeze:
        return tuple(
            Candidate(p, place, heart.rooms_over_capacity(plan, diary, wish, place, tick)) for p, place in full
        )
    others = heart.nearest(plan, diary, wish, start, now) if plan.services.get(wish.service) else []
    if full:
        raise SlotTaken(start, others)
    raise NotOffered(start, min(why.values(), key=len, default=[Reason(ReasonCode.NOT_OFFERED)]), others)


def _in_room(room: int | None, candidates: tuple[Candidate, ...], start: datetime) -> tuple[Candidate, ...]:
    """Those candidates who could use the room, with that one alone. Raises SlotTaken if nobody could."""
    if room is None:
        return candidates
    found = tuple(replace(candidate, rooms=(room,)) for candidate in candidates if room in candidate.rooms)
    if not found:
        raise SlotTaken(start)
    return found


def current_plan(clinic_id: int) -> Plan:
    """The clinic's plan as its settings are now. Raises NotFound."""
    revision = db.session.scalar(PLAN_REVISION, {"clinic": clinic_id})
    if revision is None:
        raise NotFound
    return plan(clinic_id, revision)


def plan(clinic_id: int, revision: int) -> Plan:
    """The clinic's plan at this revision of its settings, from the process's cache if it is there."""
    cache = _cache()
    known = cache.plans.get(clinic_id)
    if known is None or known.revision != revision:
        known = cache.plans[clinic_id] = fresh_plan(clinic_id, revision)
    return known


def _cache() -> Cache:
    return base.cache(Cache)


def _lasting_ticks(hold_id: int | None) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    if hold_id is not None:
        own = sa.select(HoldTick.actor_id, HoldTick.tick).where(HoldTick.hold_id == hold_id)
        for actor, tick in db.session.execute(own.where(HoldTick.expires_at.is_(None))):
            found.setdefault(actor, []).append(tick)
    return found


def _bits(positions: list[int]) -> int:
    bits = 0
    for position in positions:
        bits |= 1 << position
    return bits


def _covers(known: Window, asked: Window) -> bool:
    return known.start <= asked.start and asked.stop <= known.stop


def _mend(entry: Lasting, stretches: Iterable[tuple[int, int]], taken: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """The entry's levels with these stretches of ticks forgotten and (seat, tick) pairs put in their place."""
    base, whole = entry.window.start, (1 << (entry.window.stop - entry.window.start)) - 1
    forgotten = 0
    for start, stop in stretches:
        forgotten |= (1 << max(stop - base, 0)) - (1 << max(start - base, 0))
    levels = [level & ~forgotten for level in entry.levels]
    seats: dict[int, list[int]] = {}
    for seat, tick in taken:
        if tick >= base:
            seats.setdefault(seat, []).append(tick - base)
    for positions in seats.values():
        _count(levels, _bits(positions) & whole)
    while levels and not levels[-1]:
        levels.pop()
    return tuple(levels)


def _many_bits(positions: list[int], size: int) -> int:
    """The same as `_bits` for thousands of positions below `size`: a byte array is not copied at each."""
    octets = bytearray(size // 8 + 1)
    for position in positions:
        octets[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(octets, "little")


def _count(levels: list[int], more: int) -> None:
    """Add one visit's ticks to the counts: level k then has the ticks with more than k visits."""
    for k, level in enumerate(levels):
        levels[k] = level | more
        more &= level
        if not more:
            return
    levels.append(more)


def _plain(text: Text) -> str:
    """A text in the clinic's first language: enough for the plan, whose names only staff see."""
    return str(next(iter(text.values()), "")) if isinstance(text, dict) else str(text or "")


def fresh_plan(clinic_id: int, revision: int) -> Plan:
    """The plan that the rows make now, read and not kept: they may yet be rolled back."""

    def rows(model: Any, *order: Any) -> list[Any]:
        query = sa.select(model).where(model.clinic_id == clinic_id)
        if hasattr(model, "archived_at"):
            query = query.where(model.archived_at.is_(None))
        return list(db.session.scalars(query.order_by(*order)))

    clinic = db.session.get_one(Clinic, clinic_id)
    locations = rows(Location, Location.position, Location.id)
    actors = rows(Actor, Actor.position, Actor.id)
    services = rows(Service, Service.position, Service.id)
    links = rows(ServiceActor, ServiceActor.position, ServiceActor.actor_id)
    off = rows(NotAvailable, NotAvailable.from_time, NotAvailable.id)
    hours: dict[int, list[heart.Hours]] = {}
    for h in rows(AvailableTime, AvailableTime.id):
        days = frozenset(day for day in range(7) if h.days >> day & 1)
        hours.setdefault(h.actor_id, []).append(
            heart.Hours(days, h.opens, h.closes, h.location_id, h.weeks, h.since_on, h.until_on)
        )
    extra: dict[int, list[heart.ExtraHours]] = {}
    for e in rows(ExtraTime, ExtraTime.id):
        extra.setdefault(e.actor_id, []).append(heart.ExtraHours(e.opens_on, e.opens, e.closes, e.location_id))

    rooms = {
        a.id: heart.Room(a.id, a.slug, a.name, a.location_id, a.capacity)
        for a in actors
        if a.kind == "room" and a.location_id is not None
    }
    people = [a for a in actors if a.kind == "practitioner"]
    gives = {a.id: frozenset(link.service_id for link in links if link.actor_id == a.id) for a in people}
    return Plan(
        clinic=clinic_id,
        revision=revision,
        minimum_notice=clinic.minimum_notice,
        horizon=clinic.horizon,
        locations={place.id: heart.Location(place.id, place.slug, place.name, place.zone) for place in locations},
        rooms=rooms,
        practitioners={
            a.id: heart.Practitioner(
                a.id,
                a.slug,
                a.name,
                gives[a.id],
                tuple(hours.get(a.id, ())),
                tuple(extra.get(a.id, ())),
                tuple(_not_available(n, None) for n in off if n.actor_id == a.id),
            )
            for a in people
        },
        services={
            s.id: heart.Service(
                s.id,
                s.slug,
                _plain(s.name),
                _stages(s.stages),
                _stages(s.new_patient_stages) if s.new_patient_stages else None,
                s.every,
                tuple(link.actor_id for link in links if link.service_id == s.id and link.actor_id in rooms),
                s.online,
                NewPatients(s.new_patients),
                s.first_visit_id,
            )
            for s in services
        },
        closures=tuple(_not_available(n, n.actor_id) for n in off if n.actor_id is None or n.actor_id in rooms),
    )


def _not_available(row: NotAvailable, room: int | None) -> heart.NotAvailable:
    return heart.NotAvailable(row.from_time, row.to_time, row.name, row.location_id, room)


def _stages(rows: list[Any]) -> tuple[Stage, ...]:
    return tuple(Stage(**row) for row in rows)
