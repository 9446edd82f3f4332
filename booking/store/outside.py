"""Practitioners' calendars elsewhere: where they are, how their last reading went, and when they say busy.

Of their events nothing is kept but the time. A practitioner's revision grows with it, as it does with visits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from flask import g
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.appointment import OPEN
from booking.domain.bits import span
from booking.domain.errors import NotFound
from booking.domain.outside import Found, is_to_warn_of, merged
from booking.domain.time import Window, tick_after, tick_of
from booking.store.appointment import Appointment
from booking.store.base import Base, connection, db, table
from booking.store.patient import Patient
from booking.store.practitioner import Actor
from booking.store.sealed import seal, unseal

AT_ONCE = 500  # UIDs in one question


class OutsideCalendar(Base):
    """A calendar of a practitioner on somebody else's server; or an account there, until its calendars are chosen."""

    __tablename__ = "outside_calendar"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(26), unique=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), index=True)
    actor_id: Mapped[int] = mapped_column(sa.ForeignKey("actor.id"), index=True)
    host: Mapped[str] = mapped_column(sa.String(260))  # all that is shown of the address, which is a secret
    address: Mapped[bytes]  # sealed, with the name and the password that open it
    choices: Mapped[bytes | None]  # sealed: the calendars of an account among which nobody has chosen yet
    created_at: Mapped[datetime]
    next_at: Mapped[datetime] = mapped_column(index=True)  # when it is to be read; pushed on by whoever reads it
    # How the last reading went:
    read_at: Mapped[datetime | None]  # the last good one
    failing_since: Mapped[datetime | None]
    fault: Mapped[str | None] = mapped_column(sa.String(12))
    unread: Mapped[int] = mapped_column(default=0)  # events that could not be understood
    # What to ask the server by whether anything changed, good as long as it would be read for the same.
    etag: Mapped[str] = mapped_column(sa.String(200), default="")
    modified: Mapped[str] = mapped_column(sa.String(200), default="")
    read_for: Mapped[str | None] = mapped_column(sa.String(32))


class OutsideBusy(Base):
    """A stretch of ticks at which a practitioner is busy by an event of one of their calendars."""

    __tablename__ = "outside_busy"
    __table_args__ = (sa.Index("ix_outside_busy_calendar", "calendar_id"),)

    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), primary_key=True, autoincrement=False)
    actor_id: Mapped[int] = mapped_column(sa.ForeignKey("actor.id"), primary_key=True, autoincrement=False)
    calendar_id: Mapped[int] = mapped_column(
        sa.ForeignKey("outside_calendar.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    event: Mapped[str] = mapped_column(sa.String(32), primary_key=True)  # digest of its UID
    start: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stop: Mapped[int]


class Place(NamedTuple):
    """Where a calendar is, and what opens it."""

    url: str
    user: str = ""
    password: str = ""
    name: str = ""  # of a calendar that was chosen from an account


class State(NamedTuple):
    """How it stands with a calendar."""

    practitioner: str
    created_at: datetime
    read_at: datetime | None
    failing_since: datetime | None
    unread: int
    is_waiting: bool  # for somebody to choose

    def is_to_warn_of(self, now: datetime) -> bool:
        """Whether its busy times may be old or missing as a whole."""
        return not self.is_waiting and is_to_warn_of(
            now, created_at=self.created_at, read_at=self.read_at, failing_since=self.failing_since
        )


class Clash(NamedTuple):
    """A visit to come at a time that its practitioner's own calendar says is busy."""

    visit: Appointment
    patient: str
    practitioner: str


calendar, outside_busy, actor = table(OutsideCalendar), table(OutsideBusy), table(Actor)
BUSY = sa.select(outside_busy.c.actor_id, outside_busy.c.start, outside_busy.c.stop).where(
    outside_busy.c.clinic_id == sa.bindparam("clinic"),
    outside_busy.c.actor_id.in_(sa.bindparam("actors", expanding=True)),
    outside_busy.c.start < sa.bindparam("stop"),
    outside_busy.c.stop > sa.bindparam("start"),
)
DUE = (
    sa.select(OutsideCalendar)
    .join(Actor, Actor.id == OutsideCalendar.actor_id)
    .where(
        OutsideCalendar.next_at <= sa.bindparam("now"), OutsideCalendar.choices.is_(None), Actor.archived_at.is_(None)
    )
)
STATES = (
    sa.select(actor.c.name, *(calendar.c[name] for name in State._fields[1:-1]), calendar.c.choices.is_not(None))
    .join(actor, actor.c.id == calendar.c.actor_id)
    .where(calendar.c.clinic_id == sa.bindparam("clinic"), actor.c.archived_at.is_(None))
    .order_by(actor.c.position, actor.c.id, calendar.c.id)
)
BUMP = sa.update(actor).where(actor.c.id == sa.bindparam("actor")).values(revision=actor.c.revision + 1)


def sealed(place: Place, public_id: str) -> bytes:
    """The place as the row of that public id keeps it."""
    return seal(json.dumps(place), f"outside_calendar.address:{public_id}")


def place_of(calendar: OutsideCalendar) -> Place:
    """Where the calendar is."""
    return Place(*json.loads(unseal(calendar.address, f"outside_calendar.address:{calendar.public_id}")))


def opened(calendar: OutsideCalendar) -> Place | None:
    """The same, None if this process's key does not open it."""
    try:
        return place_of(calendar)
    except (InvalidTag, ValueError):
        return None


def sealed_choices(found: Iterable[Found], public_id: str) -> bytes:
    """An account's calendars as the row of that public id keeps them."""
    return seal(json.dumps(list(found)), f"outside_calendar.choices:{public_id}")


def choices_of(account: OutsideCalendar) -> list[Found]:
    """The calendars among which somebody is to choose; none if this process's key does not open them."""
    try:
        kept = unseal(account.choices or b"", f"outside_calendar.choices:{account.public_id}")
    except (InvalidTag, ValueError):
        return []
    return [Found(*one) for one in json.loads(kept)]


def of_practitioner(clinic_id: int, practitioner_id: int) -> list[OutsideCalendar]:
    """A practitioner's calendars, the oldest first."""
    query = sa.select(OutsideCalendar).where(
        OutsideCalendar.clinic_id == clinic_id, OutsideCalendar.actor_id == practitioner_id
    )
    return list(db.session.scalars(query.order_by(OutsideCalendar.id)))


def of_clinic(clinic_id: int) -> list[OutsideCalendar]:
    """The calendars of the practitioners who work in the clinic, in the file's order of practitioners."""
    query = (
        sa.select(OutsideCalendar)
        .join(Actor, Actor.id == OutsideCalendar.actor_id)
        .where(OutsideCalendar.clinic_id == clinic_id, Actor.archived_at.is_(None))
        .order_by(Actor.position, Actor.id, OutsideCalendar.id)
    )
    return list(db.session.scalars(query))


def states(clinic_id: int) -> list[State]:
    """How it stands with each of those calendars: one small question, for boards ask it often."""
    return list(map(State._make, connection().execute(STATES, {"clinic": clinic_id}).all()))


def of_those_who_left(clinic_id: int) -> list[tuple[Actor, OutsideCalendar]]:
    """The calendars of practitioners who work in the clinic no more, by name. Nobody reads them."""
    query = (
        sa.select(Actor, OutsideCalendar)
        .join(Actor, Actor.id == OutsideCalendar.actor_id)
        .where(OutsideCalendar.clinic_id == clinic_id, Actor.archived_at.is_not(None))
        .order_by(Actor.name, Actor.id, OutsideCalendar.id)
    )
    return [(who, calendar) for who, calendar in db.session.execute(query)]


def get(clinic_id: int, public_id: str, *, lock: bool = False) -> OutsideCalendar:
    """The clinic's calendar of that public id. Raises NotFound."""
    query = sa.select(OutsideCalendar).where(
        OutsideCalendar.clinic_id == clinic_id, OutsideCalendar.public_id == public_id
    )
    found = db.session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise NotFound
    return found


def is_any_due(now: datetime) -> bool:
    """Whether a calendar is to be read: a look without a lock, for the many times when none is."""
    return connection().execute(DUE.limit(1), {"now": now}).first() is not None


def due(now: datetime) -> OutsideCalendar | None:
    """The calendar that has waited longest to be read, for the caller alone; None if none is due."""
    longest = DUE.order_by(OutsideCalendar.next_at).limit(1)
    return db.session.scalar(longest.with_for_update(skip_locked=True, of=OutsideCalendar), {"now": now})


def own_visits(clinic_id: int, email: str, uids: Collection[str]) -> set[str]:
    """Which of these UIDs are invites to the clinic's visits, other than those as whose patient this address is known.

    Somebody's own calendar may have them from our mails. They take time by their holds already.
    """
    found: set[str] = set()
    wanted = list(uids)
    for first in range(0, len(wanted), AT_ONCE):
        query = (
            sa.select(Appointment.uid)
            .join(Patient, Patient.id == Appointment.patient_id)
            .where(
                Appointment.clinic_id == clinic_id,
                Appointment.uid.in_(wanted[first : first + AT_ONCE]),
                sa.func.coalesce(sa.func.lower(Patient.email), "") != (email.lower() or "-"),
            )
        )
        found.update(db.session.scalars(query))
    return found


def key_of(uid: str) -> str:
    """An event's UID as its times are kept under it: telling which it is, and nothing of it."""
    return hashlib.sha256(uid.encode()).hexdigest()[:32]


def put(
    calendar: OutsideCalendar,
    windows: Mapping[str, Iterable[Window]],
    *,
    since: datetime,
    keep: Collection[str] = (),
) -> bool:
    """Let these be the calendar's busy times, by event, in the caller's transaction; whether anything is different now.

    The events `keep` keep the times after `since` that they had, beside those: they could not be understood now.
    """
    whose = {"clinic_id": calendar.clinic_id, "actor_id": calendar.actor_id, "calendar_id": calendar.id}
    own = sa.select(*(outside_busy.c[name] for name in ("event", "start", "stop")))
    old = {(*row,) for row in connection().execute(own.where(outside_busy.c.calendar_id == calendar.id))}
    now_there = {event: list(found) for event, found in windows.items()}
    for event, start, stop in old:
        if event in keep and stop > tick_of(since):
            now_there.setdefault(event, []).append(Window(start, stop))
    new = {(event, one.start, one.stop) for event, found in now_there.items() for one in merged(found)}
    if old == new:
        return False
    if gone := [{"gone": event, "from": start} for event, start, _ in old - new]:
        mine = [outside_busy.c[name] == value for name, value in whose.items()]
        row = (outside_busy.c.event == sa.bindparam("gone"), outside_busy.c.start == sa.bindparam("from"))
        connection().execute(sa.delete(outside_busy).where(*mine, *row), gone)
    if come := [whose | {"event": event, "start": start, "stop": stop} for event, start, stop in new - old]:
        connection().execute(sa.insert(outside_busy), come)
    # No stretch is put on record as touched: whoever remembers the practitioner's time reads all of it again.
    g.changed_revisions = True
    connection().execute(BUMP, {"actor": calendar.actor_id})
    return True


def busy(clinic_id: int, practitioners: Collection[int], window: Window) -> dict[int, list[Window]]:
    """When the clinic's practitioners are busy elsewhere around a window, by practitioner; without any no entry.

    Each one's windows are sorted and disjoint.
    """
    where = {"clinic": clinic_id, "actors": list(practitioners), "start": window.start, "stop": window.stop}
    found: dict[int, list[Window]] = {}
    for practitioner, start, stop in connection().execute(BUSY, where):
        found.setdefault(practitioner, []).append(Window(start, stop))
    return {practitioner: merged(windows) for practitioner, windows in found.items()}


def clashes(clinic_id: int, now: datetime) -> list[Clash]:
    """The visits to come that lie at times at which their practitioners are busy elsewhere, by start."""
    people = {calendar.actor_id for calendar in of_clinic(clinic_id)}
    if not people:
        return []
    query = (
        sa.select(Appointment, Patient.name, Actor.name)
        .join(Patient, Patient.id == Appointment.patient_id)
        .join(Actor, Actor.id == Appointment.practitioner_id)
        .where(
            Appointment.clinic_id == clinic_id,
            Appointment.practitioner_id.in_(people),
            Appointment.status.in_(OPEN),
            Appointment.ends_at > now,
        )
        .order_by(Appointment.starts_at, Appointment.id)
    )
    visits = [Clash(*row) for row in db.session.execute(query)]
    if not visits:
        return []
    ahead = Window(tick_of(now), max(tick_after(visit.ends_at) for visit, _, _ in visits))
    taken = dict.fromkeys(people, 0)
    for practitioner, windows in busy(clinic_id, people, ahead).items():
        for window in windows:
            taken[practitioner] |= span(ahead, window.start, window.stop)
    return [
        clash
        for clash in visits
        if taken[clash.visit.practitioner_id]
        & span(ahead, tick_of(clash.visit.starts_at), tick_after(clash.visit.ends_at))
    ]
