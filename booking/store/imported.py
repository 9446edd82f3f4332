"""What was taken over from another program: which rows are here already, the book they come into, and their writing."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.access import WORKER
from booking.domain.appointment import OPEN, Status
from booking.domain.audit import Kind, of_visit, thing
from booking.domain.moving import FULL, Book, stay
from booking.domain.plan import Plan, shape, stages_for
from booking.domain.time import Window, instant_of, tick_of
from booking.store import audit
from booking.store.appointment import Appointment, Change
from booking.store.base import Base, connection, dialect, insert_or_ignore, settings, table
from booking.store.hold import GRACE, Hold, HoldTick
from booking.store.patient import Mark, Patient, Person, marks, same_people


class Imported(Base):
    """A row of a file that was taken over. Its digest is keyed, so that nobody can find the person by guessing; it
    stays when a patient is erased, so that the same file does not bring them back."""

    __tablename__ = "imported"

    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    imported_at: Mapped[datetime]


imported, appointment, change, patient = table(Imported), table(Appointment), table(Change), table(Patient)
REMEMBER = {name: insert.returning(imported.c.digest) for name, insert in insert_or_ignore(imported).items()}
FORGET = sa.delete(imported).where(
    imported.c.clinic_id == sa.bindparam("clinic"), imported.c.digest == sa.bindparam("digest")
)
ADD = sa.insert(appointment).returning(appointment.c.id, sort_by_parameter_order=True)
RECORD = sa.insert(change)


def digest(*facts: object) -> str:
    """What tells a row from all others, made from its facts with the installation's key."""
    key = hmac.digest(settings().field_key_bytes, b"imported", "sha256")
    return hmac.digest(key, "\n".join(map(str, facts)).encode(), "sha256").hex()[:32]


def known(clinic_id: int) -> set[str]:
    """The digests of the rows that were taken over before: all of them, since asking for some thousand takes longer."""
    query = sa.select(imported.c.digest).where(imported.c.clinic_id == clinic_id)
    return set(connection().execute(query).scalars())


class Same(NamedTuple):
    """What makes two visits one."""

    identity: str
    starts_at: datetime
    service: int
    practitioner: int


def visits(clinic_id: int, since: datetime, until: datetime) -> set[Same]:
    """The visits that start between two instants, both included."""
    people = sa.select(patient.c.id, patient.c.identity).where(patient.c.clinic_id == clinic_id)
    identity = dict(connection().execute(people).all())
    query = sa.select(
        appointment.c.patient_id, appointment.c.starts_at, appointment.c.service_id, appointment.c.practitioner_id
    ).where(appointment.c.clinic_id == clinic_id, appointment.c.starts_at.between(since, until))
    # Joined here: a database that has not counted its rows since the last import joins them one by one.
    return {Same(identity[who], *rest) for who, *rest in connection().execute(query)}


def identities(clinic_id: int) -> set[str]:
    """The identities of the clinic's patients."""
    query = sa.select(patient.c.identity).where(patient.c.clinic_id == clinic_id)
    return set(connection().execute(query).scalars())


def book(plan: Plan, now: datetime, window: Window | None = None) -> Book:
    """The time that is taken from `now` on, or within a window of ticks. Imported visits that don't begin and end with
    a tick use some of theirs in part."""
    held, ticks = table(Hold), table(HoldTick)
    asked = [
        ticks.c.clinic_id == plan.clinic,
        ticks.c.tick >= (window.start if window else tick_of(now)),
        sa.or_(ticks.c.expires_at.is_(None), ticks.c.expires_at > now - GRACE),
    ]
    if window:
        asked += [ticks.c.actor_id.in_([*plan.practitioners, *plan.rooms]), ticks.c.tick < window.stop]
    columns = (held.c.service_id, held.c.new_patient, held.c.practitioner_id, held.c.room_id)
    visits = sa.select(held.c.id, held.c.starts_at, held.c.ends_at, *columns)
    in_part: dict[tuple[int, int, int], tuple[int, int]] = {}
    since = window.start if window else tick_of(now)
    for id, starts_at, ends_at, *what in connection().execute(
        visits.where(held.c.clinic_id == plan.clinic, held.c.last_tick >= since)
    ):
        if not _is_whole(starts_at) or not _is_whole(ends_at):
            in_part |= {(id, actor, tick): used for actor, tick, used in _parts(plan, starts_at, ends_at, *what)}
    found = Book({room.id: room.places for room in plan.rooms.values()})
    for actor, tick, hold in connection().execute(
        sa.select(ticks.c.actor_id, ticks.c.tick, ticks.c.hold_id).where(*asked)
    ):
        found.take(actor, ((tick, *in_part.get((hold, actor, tick), FULL)),))
    return found


def _is_whole(instant: datetime) -> bool:
    return instant == instant_of(tick_of(instant))


def _parts(
    plan: Plan, starts_at: datetime, ends_at: datetime, service: int, new: bool, practitioner: int, room: int | None
) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Actor, tick and from which to which second of it, as the import of a visit counted it."""
    if known := plan.services.get(service):
        length = round((ends_at - starts_at).total_seconds() / 60)
        when = stay(starts_at, shape(stages_for(known, new)), length)
        for actor, stretches in ((practitioner, when.practitioner), (room, when.room)):
            if actor is not None:
                yield from ((actor, tick, (since, until)) for tick, since, until in when.pieces(stretches))


Stretches = list[tuple[datetime, datetime]]


def busy(clinic_id: int, now: datetime) -> dict[Mark, Stretches]:
    """When patients, by each of their marks, have visits that are still to come."""
    of_patient = _open_visits(clinic_id, appointment.c.ends_at > now)
    columns = (patient.c.id, patient.c.merged_into_id, patient.c.name, patient.c.email, patient.c.phone)
    people = sa.select(*columns, patient.c.identity).where(patient.c.clinic_id == clinic_id)
    found: dict[Mark, Stretches] = {}
    for row in connection().execute(people):
        if visits := of_patient.get(row.merged_into_id or row.id):
            for mark in marks(row.name, row.email, row.phone, row.identity):
                found.setdefault(mark, []).extend(visits)
    return found


def busy_again(clinic_id: int, people: Mapping[str, Person], since: datetime, until: datetime) -> dict[Mark, Stretches]:
    """When these people, given by identity, have visits between two instants, by each of their marks. Their records
    are locked until the transaction ends, so that nobody books another visit for them."""
    records = same_people(clinic_id, people)
    ids = set().union(*records.values())
    of_patient = _open_visits(
        clinic_id,
        appointment.c.patient_id.in_(ids),
        appointment.c.starts_at < until,
        appointment.c.ends_at > since,
    )
    return {mark: [visit for id in ids for visit in of_patient.get(id, ())] for mark, ids in records.items()}


def _open_visits(clinic_id: int, *which: sa.ColumnElement[bool]) -> dict[int, Stretches]:
    columns = (appointment.c.patient_id, appointment.c.starts_at, appointment.c.ends_at)
    query = sa.select(*columns).where(appointment.c.clinic_id == clinic_id, appointment.c.status.in_(OPEN), *which)
    found: dict[int, Stretches] = {}
    for id, starts_at, ends_at in connection().execute(query):
        found.setdefault(id, []).append((starts_at, ends_at))
    return found


def add(rows: list[dict[str, Any]]) -> list[int]:
    """Write new visits; their ids in the same order."""
    return list(connection().execute(ADD, rows).scalars()) if rows else []


def record(visits: Iterable[tuple[int, dict[str, Any], dict[str, Any]]], now: datetime) -> None:
    """Write the first entry of the history of new visits (id, row, and what is known of how it came about), and the
    audit's."""
    changes = []
    for id, row, known in visits:
        what = {"imported": True, **known}
        changes.append(
            {
                "clinic_id": row["clinic_id"],
                "appointment_id": id,
                "at": now,
                "by_kind": WORKER.kind,
                "by_id": None,
                "old_status": None,
                "new_status": row["status"],
                "what": what,
                "reason": None,
            }
        )
        action = of_visit(None, Status(row["status"]), WORKER.kind, what)
        facts = {name: str(value) for name, value in what.items()}
        object = thing(Kind.APPOINTMENT, row["public_id"])
        audit.record(row["clinic_id"], action, by=WORKER, now=now, object=object, **facts)
    if changes:
        connection().execute(RECORD, changes)


def remember(clinic_id: int, digests: Iterable[str], now: datetime) -> set[str]:
    """Keep that these rows are here now; those of them that were not. Whoever takes over the same rows at the same
    time waits here, and gets none of them."""
    rows = [{"clinic_id": clinic_id, "digest": digest, "imported_at": now} for digest in sorted(digests)]
    return set(connection().execute(REMEMBER[dialect()], rows).scalars()) if rows else set()


def forget(clinic_id: int, digests: Collection[str]) -> None:
    """Let these rows be taken over another time."""
    if digests:
        connection().execute(FORGET, [{"clinic": clinic_id, "digest": digest} for digest in digests])


def take_back(ids: Collection[int]) -> None:
    """Delete visits that were added a moment ago, in this transaction, and got no time."""
    if ids:
        connection().execute(sa.delete(appointment).where(appointment.c.id.in_(ids)))
