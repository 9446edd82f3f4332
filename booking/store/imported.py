"""What was taken over from another program: which rows are here already, the book they come into, and their writing."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.access import WORKER
from booking.domain.appointment import OPEN, Status
from booking.domain.audit import Kind, of_visit, thing
from booking.domain.moving import FULL, TICK_SECONDS, Book
from booking.domain.time import instant_of, tick_of
from booking.store import audit
from booking.store.appointment import Appointment, Change
from booking.store.base import Base, connection, dialect, insert_or_ignore, settings, table
from booking.store.hold import GRACE, Hold, HoldTick
from booking.store.patient import Patient

ASKED = 500  # values in one question


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


def known(clinic_id: int, digests: Collection[str]) -> set[str]:
    """Those of the digests whose rows were taken over before."""
    query = sa.select(imported.c.digest).where(
        imported.c.clinic_id == clinic_id, imported.c.digest.in_(sa.bindparam("some", expanding=True))
    )
    wanted = list(digests)
    return {
        found
        for start in range(0, len(wanted), ASKED)
        for found in connection().execute(query, {"some": wanted[start : start + ASKED]}).scalars()
    }


class Same(NamedTuple):
    """What makes two visits one."""

    identity: str
    starts_at: datetime
    service: int
    practitioner: int


def visits(clinic_id: int, since: datetime, until: datetime) -> set[Same]:
    """The visits that start between two instants, both included."""
    query = (
        sa.select(patient.c.identity, appointment.c.starts_at, appointment.c.service_id, appointment.c.practitioner_id)
        .join(patient, patient.c.id == appointment.c.patient_id)
        .where(appointment.c.clinic_id == clinic_id, appointment.c.starts_at.between(since, until))
    )
    return {Same(*row) for row in connection().execute(query)}


def identities(clinic_id: int, wanted: Collection[str]) -> set[str]:
    """Those of the patients' identities that the clinic has."""
    query = sa.select(patient.c.identity).where(
        patient.c.clinic_id == clinic_id, patient.c.identity.in_(sa.bindparam("some", expanding=True))
    )
    asked = list(wanted)
    return {
        found
        for start in range(0, len(asked), ASKED)
        for found in connection().execute(query, {"some": asked[start : start + ASKED]}).scalars()
    }


def book(clinic_id: int, places: dict[int, int], now: datetime) -> Book:
    """The time that is taken from `now` on. Imported visits of odd length use their first and last tick in part."""
    held, ticks = table(Hold), table(HoldTick)
    query = (
        sa.select(ticks.c.actor_id, ticks.c.tick, held.c.starts_at, held.c.ends_at)
        .join(held, held.c.id == ticks.c.hold_id)
        .where(
            ticks.c.clinic_id == clinic_id,
            ticks.c.tick >= tick_of(now),
            sa.or_(ticks.c.expires_at.is_(None), ticks.c.expires_at > now - GRACE),
        )
    )
    found = Book(places)
    for actor, tick, starts_at, ends_at in connection().execute(query):
        at = instant_of(tick)
        since = max(int((starts_at - at).total_seconds()), 0)
        until = int((ends_at - at).total_seconds())
        # What lies after the patient's end is turnover, of whole ticks.
        found.take(actor, [(tick, since, until if 0 < until < TICK_SECONDS else FULL[1])])
    return found


def busy(clinic_id: int, now: datetime) -> dict[str, list[tuple[datetime, datetime]]]:
    """When patients, by identity, have visits that are still to come."""
    query = (
        sa.select(patient.c.identity, appointment.c.starts_at, appointment.c.ends_at)
        .join(patient, patient.c.id == appointment.c.patient_id)
        .where(appointment.c.clinic_id == clinic_id, appointment.c.status.in_(OPEN), appointment.c.ends_at > now)
    )
    found: dict[str, list[tuple[datetime, datetime]]] = {}
    for identity, starts_at, ends_at in connection().execute(query):
        found.setdefault(identity, []).append((starts_at, ends_at))
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


def forget(clinic_id: int, digest: str) -> None:
    """Let this row be taken over another time."""
    connection().execute(FORGET, {"clinic": clinic_id, "digest": digest})
