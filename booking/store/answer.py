"""What came in by mail about visits: answers from calendars, bounces, and what was not taken and why."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.appointment import OPEN
from booking.domain.message import Method
from booking.domain.reply import Answer, Outcome, Unheard
from booking.store.appointment import Appointment
from booking.store.base import Base, db
from booking.store.outbox import Message
from booking.store.patient import Patient
from booking.store.sealed import seal, unseal

MOST_UNHEARD = 3  # of a visit: whoever knows its UID may write any number
UNHEARD = TypeAdapter(Unheard)


class Received(Base):
    """One mail that came in. It says what it wants if it was taken, or if it was not and the desk has to hear of it."""

    __tablename__ = "answer"
    __table_args__ = (
        sa.Index("ix_answer_appointment", "appointment_id", "id"),
        sa.Index(
            "ix_answer_unheard",
            "clinic_id",
            sqlite_where=sa.text("comment is not null and outcome != 'taken'"),
            postgresql_where=sa.text("comment is not null and outcome != 'taken'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int | None] = mapped_column(sa.ForeignKey("clinic.id"))  # None: it is about no visit of ours
    appointment_id: Mapped[int | None] = mapped_column(sa.ForeignKey("appointment.id"))
    received_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(sa.String(10))  # taken, stale, forged, foreign, bounced or ignored
    sender_role: Mapped[str | None] = mapped_column(sa.String(12))  # patient or practitioner
    wants: Mapped[str | None] = mapped_column(sa.String(10))  # accepted, tentative, declined, counter, refresh
    stamped_at: Mapped[datetime | None]  # its DTSTAMP
    sequence: Mapped[int | None]
    comment: Mapped[bytes | None]  # sealed; if it was not taken: an Unheard, until somebody has dealt with it
    starts_at: Mapped[datetime | None]  # proposed; None if it could not be read
    ends_at: Mapped[datetime | None]


# Said as it is for the partial index. Whatever of it was dealt with has no words any more.
IS_UNHEARD = sa.and_(Received.comment.is_not(None), Received.outcome != sa.literal_column("'taken'"))


def visit_of(uid: str) -> tuple[int, str] | None:
    """Clinic and public id of the visit whose invites have this UID."""
    row = db.session.execute(sa.select(Appointment.clinic_id, Appointment.public_id).where(Appointment.uid == uid))
    found = row.one_or_none()
    return (found[0], found[1]) if found else None


def add(outcome: Outcome, *, now: datetime, visit: Appointment | None = None) -> None:
    """Note what became of a mail that was not taken, in the caller's transaction."""
    clinic_id, visit_id = (visit.clinic_id, visit.id) if visit else (None, None)
    row = Received(clinic_id=clinic_id, appointment_id=visit_id, received_at=now, outcome=outcome.value)
    db.session.add(row)


def take(
    visit: Appointment,
    role: str,
    wants: Answer,
    *,
    stamped_at: datetime,
    sequence: int,
    now: datetime,
    comment: str = "",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> None:
    """Keep an answer about a visit, in the caller's transaction. What its sender said before stands no more."""
    row = Received(
        clinic_id=visit.clinic_id,
        appointment_id=visit.id,
        received_at=now,
        outcome=Outcome.TAKEN.value,
        sender_role=role,
        wants=wants.value,
        stamped_at=stamped_at,
        sequence=sequence,
        comment=seal(comment, comment_place(visit.public_id)) if comment else None,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    db.session.add(row)


def keep(
    visit: Appointment,
    outcome: Outcome,
    wants: Answer,
    said: Unheard,
    *,
    stamped_at: datetime,
    now: datetime,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> None:
    """Note an answer that does not count, for somebody at the desk to look at; in the caller's transaction.

    Of each sender the newest stands, and of all senders the newest few. A yes is only worth a look where it takes
    back what its sender said before. The same answer again is no news, also after it was dealt with.
    """
    before = unheard(visit)
    theirs = [row for row, earlier in before if earlier.sender == said.sender]
    if (wants is Answer.ACCEPTED and not theirs) or _was_kept(visit, wants, stamped_at):
        add(outcome, now=now, visit=visit)
        return
    others = [row for row, _ in before if row not in theirs]
    for row in [*theirs, *others[MOST_UNHEARD - 1 :]]:
        row.comment = None
    row = Received(
        clinic_id=visit.clinic_id,
        appointment_id=visit.id,
        received_at=now,
        outcome=outcome.value,
        wants=wants.value,
        stamped_at=stamped_at,
        comment=seal(UNHEARD.dump_json(said), comment_place(visit.public_id)),
        starts_at=starts_at,
        ends_at=ends_at,
    )
    db.session.add(row)


def _was_kept(visit: Appointment, wants: Answer, stamped_at: datetime) -> bool:
    query = sa.select(Received.id).where(
        Received.appointment_id == visit.id,
        Received.outcome != Outcome.TAKEN.value,
        Received.wants == wants.value,
        Received.stamped_at == stamped_at,
    )
    return db.session.scalar(query.limit(1)) is not None


def unheard(visit: Appointment) -> list[tuple[Received, Unheard]]:
    """The answers about a visit that do not count and that nobody has dealt with, the newest first."""
    query = sa.select(Received).where(
        Received.clinic_id == visit.clinic_id, Received.appointment_id == visit.id, IS_UNHEARD
    )
    rows = db.session.scalars(query.order_by(Received.id.desc()))
    return [(row, opened(row.comment or b"", visit.public_id)) for row in rows]


def opened(sealed: bytes, visit: str) -> Unheard:
    """What is known of an answer, about the visit of that public id, that does not count."""
    return UNHEARD.validate_json(unseal(sealed, comment_place(visit)))


def visits_unheard(clinic_id: int, now: datetime) -> list[tuple[Appointment, Patient]]:
    """The visits to come about which there are such answers, with their patients, by start."""
    query = (
        sa.select(Appointment, Patient)
        .join(Patient, Patient.id == Appointment.patient_id)
        .join(Received, Received.appointment_id == Appointment.id)
        .where(
            Received.clinic_id == clinic_id,
            IS_UNHEARD,
            Appointment.clinic_id == clinic_id,
            Appointment.status.in_(OPEN),
            Appointment.ends_at > now,
        )
        .order_by(Appointment.starts_at, Appointment.id)
    )
    return list(dict.fromkeys((visit, patient) for visit, patient in db.session.execute(query)))


def put_away(visit: Appointment, until: int) -> bool:
    """Forget what such answers about the visit say, up to the one with this id; whether there were any."""
    rows = [row for row, _ in unheard(visit) if row.id <= until]
    for row in rows:
        row.comment = None
    return bool(rows)


def last_stamp(visit: Appointment, role: str) -> datetime | None:
    """The DTSTAMP of the last answer about the visit that was taken from its patient or practitioner."""
    query = sa.select(sa.func.max(Received.stamped_at)).where(
        Received.clinic_id == visit.clinic_id,
        Received.appointment_id == visit.id,
        Received.sender_role == role,
        Received.outcome == Outcome.TAKEN.value,
        Received.wants != Answer.REFRESH.value,
    )
    return db.session.scalar(query)


def standing(visit: Appointment) -> list[Received]:
    """What the visit's patient and practitioner last said of it as it stands now; the newest first."""
    query = sa.select(Received).where(
        Received.clinic_id == visit.clinic_id,
        Received.appointment_id == visit.id,
        Received.outcome == Outcome.TAKEN.value,
        Received.wants != Answer.REFRESH.value,
        Received.sequence == visit.sequence,
    )
    last: dict[str | None, Received] = {}
    for row in db.session.scalars(query.order_by(Received.id.desc())):
        last.setdefault(row.sender_role, row)
    return list(last.values())


def comment_of(answer: Received, visit: Appointment) -> str:
    """What somebody wrote beside their answer; empty if nothing."""
    return unseal(answer.comment, comment_place(visit.public_id)).decode() if answer.comment else ""


def was_invited_lately(visit: Appointment, address: str, *, since: datetime) -> bool:
    """Whether an invite for the address waits to be sent, or was queued since then."""
    query = sa.select(Message.id).where(
        Message.clinic_id == visit.clinic_id,
        Message.appointment_id == visit.id,
        Message.method == Method.REQUEST.value,
        sa.func.lower(Message.address) == address.lower(),
        sa.or_(Message.created_at > since, Message.state == "queued"),
    )
    return db.session.scalar(query.limit(1)) is not None


def bounced(message_id: str, error: str, now: datetime) -> Message | None:
    """Mark the mail of this Message-ID as failed; None if it is none of ours."""
    query = sa.select(Message).where(Message.message_id == message_id).with_for_update()
    message = db.session.scalar(query.execution_options(populate_existing=True))
    if message is None:
        return None
    # It may come back before whoever sent it could note that it was taken.
    if message.state == "sent" or (message.state == "queued" and message.attempts):
        message.state, message.ended_at, message.lease_until, message.error = "failed", now, None, error
    return message


def prune(before: datetime) -> None:
    """Delete what says nothing about a visit and came in before then, and the words of what did not count about a
    visit that was over by then."""
    db.session.execute(sa.delete(Received).where(Received.appointment_id.is_(None), Received.received_at < before))
    is_over = sa.exists().where(Appointment.id == Received.appointment_id, Appointment.ends_at < before)
    forget = sa.update(Received).where(IS_UNHEARD, is_over).values(comment=None)
    db.session.execute(forget.execution_options(synchronize_session=False))


def comment_place(visit: str) -> str:
    """Where the comments on the visit of that public id are sealed."""
    return f"answer.comment:{visit}"
