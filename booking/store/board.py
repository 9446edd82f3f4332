"""What the desk's board asks: the visits and holds of a day, whether anything changed, and what all is called.

These are asked every few seconds by every desk, so the statements are prebuilt and answer with plain tuples.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from booking.domain.appointment import OPEN, Status
from booking.domain.plan import Shape, Stage, shape
from booking.store import base
from booking.store.answer import IS_UNHEARD, Received
from booking.store.appointment import Appointment
from booking.store.base import connection, db, table
from booking.store.clinic import Clinic, Location, Text
from booking.store.hold import GRACE, Hold, HoldTick
from booking.store.outbox import Message
from booking.store.patient import Patient
from booking.store.practitioner import Actor, Service


@dataclass(frozen=True, slots=True)
class Names:
    """Names by id, archived entries too: an old visit keeps its practitioner."""

    actors: dict[int, str]
    services: dict[int, Text]
    locations: dict[int, str]


def names(clinic_id: int) -> Names:
    """What everybody and everything of the clinic is called."""
    return Names(
        actors=_by_id(sa.select(Actor.id, Actor.name).where(Actor.clinic_id == clinic_id)),
        services=_by_id(sa.select(Service.id, Service.name).where(Service.clinic_id == clinic_id)),
        locations=_by_id(sa.select(Location.id, Location.name).where(Location.clinic_id == clinic_id)),
    )


def _by_id(query: sa.Select[int, Text]) -> dict[int, Text]:
    return {row.id: row.name for row in db.session.execute(query)}


@dataclass(frozen=True, slots=True)
class Told:
    """The newest mail to a visit's patient."""

    kind: str
    state: str  # queued, sent, failed or phoned


HOW_FAR = sa.case((Message.phoned_at.is_not(None), "phoned"), else_=Message.state)


def told(clinic_id: int, appointments: Collection[int]) -> dict[int, Told]:
    """The newest mail to the patient of each of these visits; those without one are left out."""
    query = (
        sa.select(Message.appointment_id, Message.kind, HOW_FAR)
        .where(
            Message.clinic_id == clinic_id,
            Message.appointment_id.in_(appointments),
            Message.role == "patient",
            Message.state != "superseded",
        )
        .order_by(Message.id)
    )
    return {visit: Told(kind, state) for visit, kind, state in db.session.execute(query) if visit is not None}


class Stamp(NamedTuple):
    """A board is the same as long as this is, and its minute."""

    settings: int  # revision
    board: int
    actors: int  # the sum of their revisions, which only grow
    held: tuple[tuple[int, datetime], ...]  # the live provisional holds


class Entry(NamedTuple):
    """A visit as it stands on the board."""

    id: int
    public_id: str
    version: int
    status: str
    waits_for: str | None
    needs_desk: str | None
    service: int
    practitioner: int
    room: int | None
    location: int
    new_patient: bool
    starts_at: datetime
    ends_at: datetime
    patient: str
    placed: int  # grows with each placing of a visit; 0 once its hold is swept away


class Held(NamedTuple):
    """Time that somebody holds while they fill in a form."""

    id: int
    service: int
    practitioner: int
    room: int | None
    location: int
    new_patient: bool
    starts_at: datetime
    ends_at: datetime
    expires_at: datetime


clinic, actor, appointment, patient = table(Clinic), table(Actor), table(Appointment), table(Patient)
hold, hold_tick = table(Hold), table(HoldTick)
STAMP = sa.select(
    clinic.c.revision,
    clinic.c.board_revision,
    sa.select(sa.func.sum(actor.c.revision)).where(actor.c.clinic_id == sa.bindparam("clinic")).scalar_subquery(),
).where(clinic.c.id == sa.bindparam("clinic"))
LIVE = (
    sa.select(hold_tick.c.hold_id, sa.func.max(hold_tick.c.expires_at, type_=hold_tick.c.expires_at.type))
    .where(
        hold_tick.c.clinic_id == sa.bindparam("clinic"),
        hold_tick.c.expires_at.is_not(None),  # said again for the partial index
        hold_tick.c.expires_at > sa.bindparam("expired"),
    )
    .group_by(hold_tick.c.hold_id)
    .order_by(hold_tick.c.hold_id)
)
VISITS = (
    sa.select(
        appointment.c.id,
        appointment.c.public_id,
        appointment.c.version,
        appointment.c.status,
        appointment.c.waits_for,
        appointment.c.needs_desk,
        appointment.c.service_id,
        appointment.c.practitioner_id,
        appointment.c.room_id,
        appointment.c.location_id,
        appointment.c.new_patient,
        appointment.c.starts_at,
        appointment.c.ends_at,
        patient.c.name,
        sa.func.coalesce(hold.c.id, 0),
    )
    .join(patient, patient.c.id == appointment.c.patient_id)
    .outerjoin(hold, hold.c.appointment_id == appointment.c.id)
    .where(
        appointment.c.clinic_id == sa.bindparam("clinic"),
        appointment.c.starts_at >= sa.bindparam("since"),
        appointment.c.starts_at < sa.bindparam("until"),
    )
    .order_by(appointment.c.starts_at, appointment.c.id)
)
HELD = sa.select(
    hold.c.id,
    hold.c.service_id,
    hold.c.practitioner_id,
    hold.c.room_id,
    hold.c.location_id,
    hold.c.new_patient,
    hold.c.starts_at,
    hold.c.ends_at,
    hold.c.expires_at,
).where(
    hold.c.id.in_(sa.bindparam("holds", expanding=True)),
    hold.c.clinic_id == sa.bindparam("clinic"),
    hold.c.starts_at >= sa.bindparam("since"),
    hold.c.starts_at < sa.bindparam("until"),
)
OF_CLINIC = sa.and_(appointment.c.clinic_id == sa.bindparam("clinic"), appointment.c.ends_at > sa.bindparam("now"))
WAITING = sa.union(
    sa.select(appointment.c.id).where(
        OF_CLINIC,
        appointment.c.status == sa.literal_column(f"'{Status.PENDING.value}'"),  # literally, for the partial index
        appointment.c.waits_for.is_distinct_from("patient"),
    ),
    sa.select(appointment.c.id).where(
        OF_CLINIC,
        appointment.c.needs_desk.is_not(None),
        appointment.c.status.in_(OPEN),
        appointment.c.waits_for.is_distinct_from("patient"),
    ),
    sa.select(appointment.c.id)
    .join(Received, Received.appointment_id == appointment.c.id)
    .where(OF_CLINIC, appointment.c.status.in_(OPEN), Received.clinic_id == sa.bindparam("clinic"), IS_UNHEARD),
)


def stamp(clinic_id: int, now: datetime) -> Stamp:
    """What tells whether any board of the clinic is still as it was."""
    settings, board, actors = connection().execute(STAMP, {"clinic": clinic_id}).one()
    live = connection().execute(LIVE, {"clinic": clinic_id, "expired": now - GRACE})
    return Stamp(settings, board, actors or 0, tuple((id, expires_at) for id, expires_at in live))


def visits(clinic_id: int, since: datetime, until: datetime) -> list[Entry]:
    """The visits that start between two instants, by start; cancelled ones too."""
    rows = connection().execute(VISITS, {"clinic": clinic_id, "since": since, "until": until})
    return [Entry._make(row) for row in rows]


def held(clinic_id: int, since: datetime, until: datetime, live: Stamp) -> list[Held]:
    """The provisional holds of the stamp that start between two instants."""
    if not live.held:
        return []
    where = {"clinic": clinic_id, "since": since, "until": until, "holds": [id for id, _expires_at in live.held]}
    return [Held._make(row) for row in connection().execute(HELD, where)]


def waiting(clinic_id: int, now: datetime) -> int:
    """How many visits to come wait for the desk: requested, marked, or with answers that do not count."""
    return len(connection().execute(WAITING, {"clinic": clinic_id, "now": now}).all())


@dataclass(frozen=True, slots=True)
class Furniture:
    """What stands in a clinic's rooms whoever comes: what all is called, and the course of each service."""

    revision: int
    names: Names
    shapes: dict[tuple[int, bool], Shape]  # by service, for new patients and others; archived services too


@dataclass(slots=True)
class Cache:
    """What this process remembers, under the revision of the settings that it was read under."""

    furniture: dict[int, Furniture] = field(default_factory=dict)  # by clinic


def furniture(clinic_id: int, revision: int) -> Furniture:
    """The clinic's furniture at this revision of its settings, from the process's cache if it is there."""
    known = base.cache(Cache).furniture
    found = known.get(clinic_id)
    if found is None or found.revision != revision:
        found = known[clinic_id] = Furniture(revision, names(clinic_id), _shapes(clinic_id))
    return found


def _shapes(clinic_id: int) -> dict[tuple[int, bool], Shape]:
    query = sa.select(Service.id, Service.stages, Service.new_patient_stages).where(Service.clinic_id == clinic_id)
    found = {}
    for id, stages, new_patient_stages in db.session.execute(query):
        found[id, False] = shape(tuple(Stage(**stage) for stage in stages))
        found[id, True] = shape(tuple(Stage(**stage) for stage in new_patient_stages or stages))
    return found
