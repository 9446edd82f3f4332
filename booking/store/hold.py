"""Holds: the only thing that takes time, and the guard that no time is ever given twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import g
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.availability import Shape, Wish
from booking.domain.errors import SlotTaken
from booking.domain.time import TICK_MINUTES, instant_of, tick_of
from booking.store.base import Base, Stale, connection, db, dialect, insert_or_ignore, table
from booking.store.practitioner import Actor


class Hold(Base):
    """Time that is taken: provisional (it expires) or owned by an appointment (it lasts)."""

    __tablename__ = "hold"
    __table_args__ = (
        sa.CheckConstraint("(expires_at is null) = (appointment_id is not null)", name="owner"),
        sa.Index("ix_hold_clinic_session", "clinic_id", "session_key"),
        sa.Index("ix_hold_last_tick", "last_tick"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"))
    appointment_id: Mapped[int | None] = mapped_column(sa.ForeignKey("appointment.id"), unique=True)
    session_key: Mapped[str | None] = mapped_column(sa.String(64))  # digest of the browser session that holds it
    service_id: Mapped[int] = mapped_column(sa.ForeignKey("service.id"))
    practitioner_id: Mapped[int] = mapped_column(sa.ForeignKey("actor.id"))
    room_id: Mapped[int | None] = mapped_column(sa.ForeignKey("actor.id"))
    location_id: Mapped[int] = mapped_column(sa.ForeignKey("location.id"))
    new_patient: Mapped[bool]  # the answer whose stages it holds
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]  # the patient's end
    last_tick: Mapped[int]  # of any actor; for pruning
    expires_at: Mapped[datetime | None]


class HoldTick(Base):
    """One tick of one actor's time, taken. The primary key makes a double booking impossible to keep."""

    __tablename__ = "hold_tick"
    __table_args__ = (
        sa.Index("ix_hold_tick_hold", "hold_id"),
        sa.Index(
            "ix_hold_tick_provisional",
            "clinic_id",
            "expires_at",
            sqlite_where=sa.text("expires_at is not null"),
            postgresql_where=sa.text("expires_at is not null"),
        ),
        {"sqlite_with_rowid": False},
    )

    clinic_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    actor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tick: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seat: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hold_id: Mapped[int] = mapped_column(sa.ForeignKey("hold.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime | None]


class Touched(Base):
    """Which ticks of an actor's lasting time changed with a revision: so much, and no more, has to be read again."""

    __tablename__ = "touched"

    actor_id: Mapped[int] = mapped_column(sa.ForeignKey("actor.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    start: Mapped[int]  # tick
    stop: Mapped[int]


GRACE = timedelta(seconds=60)  # a hold guards its time a little longer than the patient is told


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way in which a visit could take place: a practitioner, where, and the rooms that would do (none: empty)."""

    practitioner: int
    location: int
    rooms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The time a visit takes: whose, from which tick on, in which stretches."""

    clinic: int
    service: int
    new_patient: bool
    start: int  # tick
    shape: Shape
    candidates: tuple[Candidate, ...]  # in order of preference
    exact: tuple[datetime, datetime] | None = None  # start and patient's end of an imported visit that has odd ones
    squeeze: bool = False  # the first candidate gets it even over capacity


@dataclass(frozen=True, slots=True)
class Locked:
    """Proof that these actors' time is ours until the transaction ends; and how many visits each takes at once."""

    capacity: Mapping[int, int]


actor, hold, hold_tick, touched = table(Actor), table(Hold), table(HoldTick), table(Touched)
LOCK = (
    sa.select(actor.c.id, actor.c.capacity)
    .where(actor.c.clinic_id == sa.bindparam("clinic"), actor.c.id.in_(sa.bindparam("actors", expanding=True)))
    .order_by(actor.c.id)
    .with_for_update()
)
WANTED_TICKS = sa.and_(
    hold_tick.c.clinic_id == sa.bindparam("clinic"),
    hold_tick.c.actor_id.in_(sa.bindparam("actors", expanding=True)),
    hold_tick.c.tick >= sa.bindparam("start"),
    hold_tick.c.tick < sa.bindparam("stop"),
)
EXPIRED = sa.select(hold_tick.c.hold_id).where(WANTED_TICKS, hold_tick.c.expires_at <= sa.bindparam("expired"))
DROP_EXPIRED = sa.delete(hold).where(hold.c.id.in_(EXPIRED))
SEATS = sa.select(hold_tick.c.actor_id, hold_tick.c.tick, hold_tick.c.seat, hold_tick.c.expires_at).where(
    WANTED_TICKS, hold_tick.c.hold_id != sa.bindparam("but")
)
PLACE = sa.insert(hold).returning(hold.c.id, sort_by_parameter_order=True)


def _take() -> dict[str, sa.Insert]:
    """Per database: write ticks that nobody has. They come as one value, or a list for each column, however many."""
    columns = ["actor_id", "tick", "seat", "hold_id"]
    each = sa.func.json_each(sa.bindparam("ticks", type_=sa.Text)).table_valued("value")
    listed = [sa.bindparam(name, type_=postgresql.ARRAY(sa.Integer)) for name in columns]
    unnested = sa.func.unnest(*listed).table_valued(*columns).render_derived()
    given = {
        "sqlite": [sa.func.json_extract(each.c.value, f"$[{n}]") for n in range(len(columns))],
        "postgresql": [*unnested.c],
    }
    # One clinic and one expiry for all. SQLite takes ON CONFLICT for a join's ON without a WHERE before it.
    same = [sa.bindparam(name, type_=hold_tick.c[name].type) for name in ("clinic_id", "expires_at")]
    return {
        name: insert.from_select(["clinic_id", "expires_at", *columns], sa.select(*same, *given[name]).where(sa.true()))
        for name, insert in insert_or_ignore(hold_tick).items()
    }


TAKE = _take()
HAVE = (
    sa.select(hold_tick.c.hold_id, sa.func.count())
    .where(hold_tick.c.hold_id.in_(sa.bindparam("holds", expanding=True)))
    .group_by(hold_tick.c.hold_id)
)
OWN = (
    sa.update(hold)
    .where(hold.c.id == sa.bindparam("hold"), hold.c.expires_at.is_not(None))
    .values(appointment_id=sa.bindparam("appointment"), expires_at=None, session_key=None)
)
OWN_TICKS = sa.update(hold_tick).where(hold_tick.c.hold_id == sa.bindparam("hold")).values(expires_at=None)
USED = actor.c.id.in_((sa.bindparam("practitioner"), sa.bindparam("room")))  # a room that is null is none
BUMP = sa.update(actor).where(USED).values(revision=actor.c.revision + 1)
TOUCH = sa.insert(touched).from_select(
    ["actor_id", "revision", "start", "stop"],
    sa.select(
        actor.c.id,
        actor.c.revision,
        sa.bindparam("start", type_=sa.Integer),
        sa.bindparam("stop", type_=sa.Integer),
    ).where(USED),
)
KEPT_TOUCHED = 500  # revisions of each actor; a cache that is farther behind reads everything
RELEASE = sa.delete(hold).where(
    hold.c.id == sa.bindparam("hold"), hold.c.appointment_id.is_not_distinct_from(sa.bindparam("appointment"))
)


Owner = Callable[[Hold], int]  # makes the appointment of a hold that is about to be written; its id
Owners = Callable[[Mapping[int, Hold]], Sequence[int]]  # of some, by their place among the wanted; the ids in order


def lock(clinic_id: int, actors: Iterable[int]) -> Locked:
    """Make every other transaction that wants these actors' time wait. The first statement of a transaction.

    In order of id, so that two transactions can't wait for each other. On SQLite BEGIN IMMEDIATE has done it already.
    """
    rows = connection().execute(LOCK, {"clinic": clinic_id, "actors": sorted(set(actors))})
    return Locked(dict(rows.all()))


def place(
    wanted: Wanted,
    locked: Locked,
    *,
    now: datetime,
    expires_at: datetime | None = None,
    session_key: str | None = None,
    owner: Owner | None = None,
    instead_of: Hold | None = None,
) -> Hold:
    """Take the time of the first candidate that is free, provisionally or for an appointment.

    `owner` is told what was found and gives the id of the appointment whose it is. The ticks of the hold
    `instead_of` count as free and are given up.
    Raises SlotTaken if there is none; the caller's transaction is then still usable.
    """
    [placed] = place_all(
        [wanted],
        locked,
        now=now,
        expires_at=expires_at,
        session_key=session_key,
        owners=(lambda found: [owner(one) for one in found.values()]) if owner else None,
        instead_of=instead_of,
    )
    if placed is None:
        raise SlotTaken(instant_of(wanted.start))
    return placed


def place_all(
    wanted: Sequence[Wanted],
    locked: Locked,
    *,
    now: datetime,
    expires_at: datetime | None = None,
    session_key: str | None = None,
    owners: Owners | None = None,
    instead_of: Hold | None = None,
) -> list[Hold | None]:
    """Take the times of some visits of one clinic, one after the other: the only way to do so. None: it was taken.

    Each is decided as if the ones before it stood in the book already; all are written at once. For the rest see
    `place`, which is the case of one. A visit whose `owners` made an appointment can still lose, to somebody who took
    the time without asking here: the caller then takes the appointment back.
    """
    seats = _seats(wanted, locked, now, but=instead_of.id if instead_of else 0)
    found = [_found(one, seats, locked, expires_at, session_key) for one in wanted]
    placed = [one for one in found if one]
    if not placed:
        return [None] * len(found)
    if instead_of:
        release(instead_of)
    if owners:
        made = owners({n: one.hold for n, one in enumerate(found) if one})
        for one, id in zip(placed, made, strict=True):
            one.hold.appointment_id = id
    _write(placed)
    lost = _insert(placed)
    for one in placed:
        if one.hold.id in lost:
            _delete(one.hold)
    if expires_at is None:
        _bump([one.hold for one in placed if one.hold.id not in lost])
    return [one.hold if one and one.hold.id not in lost else None for one in found]


def own(provisional: Hold, appointment_id: int) -> None:
    """Make a provisional hold last: it is the appointment's from now on.

    Raises Stale if it is provisional no more: swept away, or made another visit's in another tab.
    """
    done = connection().execute(OWN, {"hold": provisional.id, "appointment": appointment_id})
    if not done.rowcount:
        raise Stale
    connection().execute(OWN_TICKS, {"hold": provisional.id})
    _bump([provisional])


def release(held: Hold) -> None:
    """Give the time back. Raises Stale if it is no more what was read: swept away, or made a visit's meanwhile."""
    if held.expires_at is None:
        _bump([held])
    _delete(held)


def _delete(held: Hold) -> None:
    # Its ticks go with it.
    done = connection().execute(RELEASE, {"hold": held.id, "appointment": held.appointment_id})
    if not done.rowcount:
        raise Stale
    if held in db.session:
        db.session.expunge(held)


def actors_of(held: Hold) -> set[int]:
    """Whose time it takes."""
    return {actor for actor in (held.practitioner_id, held.room_id) if actor is not None}


def is_for(held: Hold, wish: Wish, start: datetime) -> bool:
    """Whether this is the time, and the stages, that the wish is about."""
    return (
        (held.service_id, held.new_patient, held.starts_at) == (wish.service, wish.new, start)
        and wish.practitioner in (None, held.practitioner_id)
        and wish.location in (None, held.location_id)
    )


def is_there(held: Hold) -> bool:
    """Whether the hold still stands in the database, and is still whose it was."""
    query = sa.select(hold.c.appointment_id).where(hold.c.id == held.id)
    return [held.appointment_id] == list(db.session.scalars(query))


def of_session(clinic_id: int, session_key: str, now: datetime) -> Hold | None:
    """The provisional hold of a browser session that still guards its time."""
    query = sa.select(Hold).where(
        Hold.clinic_id == clinic_id, Hold.session_key == session_key, Hold.expires_at > now - GRACE
    )
    return db.session.scalar(query.order_by(Hold.id.desc()).limit(1))


def of_appointment(appointment_id: int) -> Hold | None:
    """The hold an appointment owns; none once it is over."""
    return db.session.scalar(sa.select(Hold).where(Hold.appointment_id == appointment_id))


def sweep(now: datetime) -> None:
    """Delete the holds that expired, and those of visits that ended more than a day ago. History is in `change`."""
    over = Hold.last_tick < tick_of(now - timedelta(days=1))
    connection().execute(sa.delete(Hold).where(sa.or_(Hold.expires_at <= now - GRACE, over)))
    newest = sa.select(Actor.revision).where(Actor.id == Touched.actor_id).scalar_subquery()
    connection().execute(sa.delete(Touched).where(Touched.revision <= newest - KEPT_TOUCHED))


Seats = dict[tuple[int, int], set[int]]  # which are taken, per actor and tick
NEAR = 24 * 60 // TICK_MINUTES  # ticks: visits no farther apart are looked at together


@dataclass(slots=True)
class _Found:
    """What a visit gets: its hold, and (actor, tick, seat) of the ticks."""

    hold: Hold
    ticks: list[tuple[int, int, int]]


def _seats(wanted: Sequence[Wanted], locked: Locked, now: datetime, *, but: int) -> Seats:
    """Which seats are taken, `but` by one hold, at the ticks of these visits at least; what expired is dropped."""
    seats: Seats = {}
    expired = now - GRACE
    for start, stop in _merged(((one.start, one.start + one.shape.total) for one in wanted), NEAR):
        where = {"clinic": wanted[0].clinic, "actors": list(locked.capacity), "start": start, "stop": stop}
        has_expired = False
        for actor_id, tick, seat, expires_at in connection().execute(SEATS, where | {"but": but}):
            if expires_at is not None and expires_at <= expired:
                has_expired = True
            else:
                seats.setdefault((actor_id, tick), set()).add(seat)
        if has_expired:
            connection().execute(DROP_EXPIRED, where | {"expired": expired})
    return seats


def _merged(stretches: Iterable[tuple[int, int]], near: int) -> list[tuple[int, int]]:
    """Stretches of ticks that cover all of these, those made one that are no farther apart than `near`."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted(stretches):
        if found and start <= found[-1][1] + near:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found


def _found(
    wanted: Wanted, seats: Seats, locked: Locked, expires_at: datetime | None, session_key: str | None
) -> _Found | None:
    """The first candidate's place, each tick on the lowest free seat, which is then taken in `seats`; None: all full.

    The lock and the count decide here.
    """
    for candidate in wanted.candidates:
        needs = _fitting(wanted, candidate, seats, locked)
        if needs is not None:
            break
    else:
        return None
    room, ticks = needs
    starts_at, ends_at = wanted.exact or (instant_of(wanted.start), instant_of(wanted.start + wanted.shape.stay))
    hold = Hold(
        clinic_id=wanted.clinic,
        session_key=session_key,
        service_id=wanted.service,
        practitioner_id=candidate.practitioner,
        room_id=room,
        location_id=candidate.location,
        new_patient=wanted.new_patient,
        starts_at=starts_at,
        ends_at=ends_at,
        last_tick=max((tick for _, tick in ticks), default=wanted.start),
        expires_at=expires_at,
    )
    seated = []
    for need in ticks:
        taken = seats.setdefault(need, set())
        seat = next(n for n in range(len(taken) + 1) if n not in taken)
        taken.add(seat)
        seated.append((*need, seat))
    return _Found(hold, seated)


def _fitting(
    wanted: Wanted, candidate: Candidate, seats: Seats, locked: Locked
) -> tuple[int | None, list[tuple[int, int]]] | None:
    """The room and the (actor, tick) pairs the candidate would use, None if any of them is full."""

    def ticks(actor_id: int, stretches: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
        return [(actor_id, wanted.start + offset + n) for offset, length in stretches for n in range(length)]

    def is_free(needs: list[tuple[int, int]]) -> bool:
        return wanted.squeeze or all(len(seats.get(need, ())) < locked.capacity[need[0]] for need in needs)

    own_ticks = ticks(candidate.practitioner, wanted.shape.practitioner)
    if not is_free(own_ticks):
        return None
    if not candidate.rooms:
        return None, own_ticks
    for room in candidate.rooms:
        room_ticks = ticks(room, wanted.shape.room)
        if is_free(room_ticks):
            return room, own_ticks + room_ticks
    return None


COLUMNS = [column.name for column in hold.c if column.name != "id"]


def _write(placed: Sequence[_Found]) -> None:
    """Write the holds, which then know their ids."""
    rows = [{name: getattr(one.hold, name) for name in COLUMNS} for one in placed]
    for one, id in zip(placed, connection().execute(PLACE, rows).scalars(), strict=True):
        one.hold.id = id


def _insert(placed: Sequence[_Found]) -> set[int]:
    """Write the ticks; the ids of the holds that did not get all of theirs, since another process was there first.

    The lock and the count have decided; this can only happen where somebody takes time without asking `place_all`.
    """
    rows = [(actor, tick, seat, one.hold.id) for one in placed for actor, tick, seat in one.ticks]
    if not rows:
        return set()
    first = placed[0].hold
    values: dict[str, Any] = {"clinic_id": first.clinic_id, "expires_at": first.expires_at}
    if dialect() == "sqlite":
        values["ticks"] = json.dumps(rows)
    else:
        values |= zip(("actor_id", "tick", "seat", "hold_id"), map(list, zip(*rows, strict=True)), strict=True)
    if connection().execute(TAKE[dialect()], values).rowcount == len(rows):
        return set()
    counted = connection().execute(HAVE, {"holds": [one.hold.id for one in placed]}).all()
    have = {row[0]: row[1] for row in counted}
    return {one.hold.id for one in placed if have.get(one.hold.id, 0) != len(one.ticks)}


def _bump(held: Iterable[Hold]) -> None:
    """Raise the revisions of whoever's lasting time changed, once for each stretch of it, and say which stretch."""
    g.changed_revisions = True
    touched: dict[tuple[int, int | None], list[tuple[int, int]]] = {}
    for one in held:
        stretch = (tick_of(one.starts_at), one.last_tick + 1)
        touched.setdefault((one.practitioner_id, one.room_id), []).append(stretch)
    for (practitioner, room), stretches in touched.items():
        used = {"practitioner": practitioner, "room": room}
        for start, stop in _merged(stretches, NEAR):
            connection().execute(BUMP, used)
            connection().execute(TOUCH, used | {"start": start, "stop": stop})
