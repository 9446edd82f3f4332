"""What is left of an erased patient: that somebody came, when and for what, and nothing of who."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime

import sqlalchemy as sa

from booking.domain.access import digest, new_id
from booking.domain.feed import Kind as FeedOf
from booking.store import patient as patients
from booking.store.access import Idempotency
from booking.store.answer import Received
from booking.store.appointment import Appointment, Change
from booking.store.base import db
from booking.store.feed import Feed
from booking.store.outbox import Message
from booking.store.patient import Patient
from booking.store.record import PatientNote

NAME = "Erased patient"
TABLES = ("patient", "patient_key", "appointment", "change", "message", "patient_note", "idempotency", "answer")


def forget(clinic_id: int, records: Sequence[int], now: datetime) -> int:
    """Take who they are, and all that was said by or about them, out of these patients' rows; of how many visits.

    In the caller's transaction. Nobody is mailed any more, and the links that were mailed open nothing.
    """
    visits = sa.select(Appointment.id).where(Appointment.clinic_id == clinic_id, Appointment.patient_id.in_(records))
    now_theirs = sa.select(Patient.email).where(Patient.id.in_(records), Patient.email.is_not(None))
    were_theirs = sa.select(Message.address).where(Message.appointment_id.in_(visits), Message.role == "patient")
    emails = {str(email).lower() for email in db.session.scalars(now_theirs.union(were_theirs)) if email}
    theirs = sa.or_(
        Message.appointment_id.in_(visits),
        sa.and_(
            Message.clinic_id == clinic_id,
            Message.appointment_id.is_(None),
            sa.func.lower(Message.address).in_(emails),
        ),
    )
    _run(sa.update(Message).where(theirs).values(content=None, facts=None))
    waiting = Message.state == "queued"
    unsaid = sa.and_(Message.state == "failed", Message.phoned_at.is_(None))
    _run(sa.update(Message).where(theirs, sa.or_(waiting, unsaid)).values(state="superseded", ended_at=now))
    _run(sa.update(Message).where(theirs, Message.role == "patient").values(address="", error=None))
    _run(sa.update(Change).where(Change.appointment_id.in_(visits)).values(reason=None))
    _run(sa.update(Received).where(Received.appointment_id.in_(visits)).values(comment=None))
    own_feeds = (Feed.clinic_id == clinic_id, Feed.kind == FeedOf.PATIENT.value, Feed.subject_id.in_(records))
    _run(sa.delete(Feed).where(*own_feeds))
    _run(sa.delete(Idempotency).where(Idempotency.appointment_id.in_(visits)))
    _run(sa.delete(PatientNote).where(PatientNote.clinic_id == clinic_id, PatientNote.patient_id.in_(records)))
    count = _run(
        sa.update(Appointment)
        .where(Appointment.id.in_(visits))
        .values(
            note=None,
            needs_desk=None,
            remind=False,
            link_version=Appointment.link_version + 1,
            version=Appointment.version + 1,
            updated_at=now,
        )
    )
    for id in records:
        values = {"name": NAME, "email": None, "phone": None, "identity": digest(new_id())}
        _run(sa.update(Patient).where(Patient.id == id).values(**values, version=Patient.version + 1))
    patients.rekey(list(records))
    return count


def _run(statement: sa.Update | sa.Delete) -> int:
    done = db.session.execute(statement.execution_options(synchronize_session=False))
    return int(done.rowcount)  # type: ignore[attr-defined]


def scrub() -> bool:
    """Write the database's files anew without what was deleted from them; not in a transaction. False if somebody was
    reading, so that older pages are still there: it can be done again.

    Backups keep what they have, and so does PostgreSQL's archive of its log.
    """
    db.session.rollback()
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in TABLES:
                connection.exec_driver_sql(f"vacuum {table}")
        return True
    with closing(sqlite3.connect(str(db.engine.url.database), timeout=15, isolation_level=None)) as file:
        try:
            file.execute("vacuum")
            busy, *_ = file.execute("pragma wal_checkpoint(truncate)").fetchone()
        except sqlite3.OperationalError:
            return False
    return not busy
