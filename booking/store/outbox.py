"""The outbox: messages to send, written in the transaction that causes them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.orm import Mapped, aliased, mapped_column

from booking.domain.appointment import ASKED, Status
from booking.domain.message import (
    Facts,
    Kind,
    Method,
    Recipient,
)
from booking.domain.reminder import BEFORE, QUIET
from booking.store.appointment import Appointment
from booking.store.base import Base, connection, db, settings, table
from booking.store.patient import Patient
from booking.store.sealed import seal, unseal

LEASE = timedelta(minutes=2)
NO_ADDRESS = "no address"
FACTS = TypeAdapter(Facts)


class Message(Base):
    """One mail to one address. Rendered on the first try; every retry sends the same bytes."""

    __tablename__ = "message"
    __table_args__ = (
        sa.Index(
            "ix_message_due",
            "due_at",
            sqlite_where=sa.text("state = 'queued'"),
            postgresql_where=sa.text("state = 'queued'"),
        ),
        sa.Index("ix_message_appointment", "appointment_id", "id"),
        sa.Index(
            "ix_message_failed",
            "clinic_id",
            sqlite_where=sa.text("state = 'failed' and phoned_at is null"),
            postgresql_where=sa.text("state = 'failed' and phoned_at is null"),
        ),
        sa.CheckConstraint("state in ('queued', 'sent', 'failed', 'superseded')", name="state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int | None] = mapped_column(sa.ForeignKey("clinic.id"))
    appointment_id: Mapped[int | None] = mapped_column(sa.ForeignKey("appointment.id"))
    kind: Mapped[str] = mapped_column(sa.String(30))
    role: Mapped[str] = mapped_column(sa.String(12))  # whom it is for: patient, practitioner, clinic, staff
    method: Mapped[str | None] = mapped_column(sa.String(10))  # REQUEST, CANCEL, or none
    address: Mapped[str] = mapped_column(sa.String(254))
    language: Mapped[str] = mapped_column(sa.String(10))
    facts: Mapped[bytes | None]  # sealed JSON of what the rows will not tell any more, or never did (a link)
    state: Mapped[str] = mapped_column(sa.String(12), default="queued")
    due_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)  # tries begun; also fences a worker that lost its lease
    message_id: Mapped[str] = mapped_column(sa.String(120), unique=True)
    content: Mapped[bytes | None]  # sealed bytes, from the first try until a week after the last
    details: Mapped[str | None] = mapped_column(sa.String(32))  # of an invite: a digest of what it says beside its time
    error: Mapped[str | None] = mapped_column(sa.String(300))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # sent, failed or superseded
    phoned_at: Mapped[datetime | None]  # when the desk said by phone what could not be mailed
    phoned_by: Mapped[int | None] = mapped_column(sa.ForeignKey("staff.id"))

    @property
    def may_be_known(self) -> bool:
        """Whether somebody may have got it. A try that found no server leaves neither contents nor a lease."""
        began = self.state != "queued" or self.content is not None or self.lease_until is not None
        return bool(self.attempts) and began


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this worker alone may send for two minutes."""

    id: int
    attempt: int  # this one; a worker that lost its lease holds an older number
    clinic_id: int | None
    appointment_id: int | None
    kind: str
    role: str
    method: str | None
    address: str
    language: str
    message_id: str
    facts: bytes | None  # sealed
    content: bytes | None  # sealed; the bytes of an earlier attempt
    created_at: datetime


PUT = sa.insert(table(Message)).returning(Message.id)


def put(
    *,
    clinic_id: int | None,
    appointment_id: int | None,
    kind: Kind,
    role: Recipient,
    method: Method | None,
    address: str,
    language: str,
    now: datetime,
    facts: Facts | None = None,
    due_at: datetime | None = None,
) -> int:
    """Add one message to the outbox, in the caller's transaction; its id.

    Without an address it has failed from the start: the desk has to say it by phone.
    """
    message_id = f"<{uuid.uuid4()}@{settings().mail_domain}>"
    row = {
        "clinic_id": clinic_id,
        "appointment_id": appointment_id,
        "kind": kind.value,
        "role": role.value,
        "method": method.value if method else None,
        "address": address,
        "language": language,
        "facts": seal(FACTS.dump_json(facts), _place("facts", message_id)) if facts else None,
        "state": "queued" if address else "failed",
        "due_at": due_at or now,
        "attempts": 0,
        "message_id": message_id,
        "error": None if address else NO_ADDRESS,
        "created_at": now,
        "ended_at": None if address else now,
    }
    return connection().execute(PUT, row).scalar_one()


def to_staff(kind: Kind, address: str, facts: Facts, *, clinic_id: int | None, language: str, now: datetime) -> int:
    """Add a message about their account to a staff user, in the caller's transaction; its id."""
    return put(
        clinic_id=clinic_id,
        appointment_id=None,
        kind=kind,
        role=Recipient.STAFF,
        method=None,
        address=address,
        language=language,
        now=now,
        facts=facts,
    )


def forget(message: int) -> None:
    """Take a message back that nobody can have seen yet: it was added in this very transaction."""
    db.session.execute(sa.delete(Message).where(Message.id == message))


def was_told_lately(clinic_id: int, kind: Kind, address: str, *, since: datetime) -> bool:
    """Whether a message of this kind was queued for the address since then."""
    query = sa.select(Message.id).where(
        Message.clinic_id == clinic_id,
        Message.kind == kind.value,
        sa.func.lower(Message.address) == address.lower(),
        Message.created_at >= since,
    )
    return db.session.scalar(query.limit(1)) is not None


def to_remind(now: datetime, *, only: str | None = None) -> list[tuple[int, str]]:
    """Clinic and public id of the visits whose patients are to be reminded and were not since the last change.

    At most a hundred, the soonest first; or one of them, to see whether it still is.
    """
    told = sa.exists().where(
        Message.appointment_id == Appointment.id,
        Message.kind == Kind.REMINDER.value,
        Message.created_at >= Appointment.updated_at,
    )
    query = (
        sa.select(Appointment.clinic_id, Appointment.public_id)
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(
            Appointment.status == Status.BOOKED,
            Appointment.remind,
            sa.func.coalesce(Appointment.needs_desk, "") != ASKED,
            Appointment.starts_at > now,
            Appointment.starts_at <= now + BEFORE,
            Appointment.updated_at <= now - QUIET,
            Patient.email.is_not(None),
            ~told,
        )
    )
    if only is not None:
        query = query.where(Appointment.public_id == only)
    rows = db.session.execute(query.order_by(Appointment.starts_at, Appointment.id).limit(100))
    return [(clinic, public_id) for clinic, public_id in rows]


def claim(now: datetime) -> Claim | None:
    """Lease the message that is due longest, None if nothing is; in the caller's transaction.

    Nothing is claimed while an earlier message about the same visit waits for the same recipient.
    """
    earlier = aliased(Message)
    waits = sa.exists().where(
        earlier.appointment_id == Message.appointment_id,
        earlier.role == Message.role,
        sa.func.lower(earlier.address) == sa.func.lower(Message.address),
        earlier.state == "queued",
        earlier.id < Message.id,
    )
    query = (
        sa.select(Message)
        .where(Message.state == "queued", Message.due_at <= now, is_free(now), ~waits)
        .order_by(Message.due_at, Message.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    message = db.session.scalar(query)
    if message is None:
        return None
    message.attempts += 1
    message.lease_until = now + LEASE
    return Claim(
        id=message.id,
        attempt=message.attempts,
        clinic_id=message.clinic_id,
        appointment_id=message.appointment_id,
        kind=message.kind,
        role=message.role,
        method=message.method,
        address=message.address,
        language=message.language,
        message_id=message.message_id,
        facts=message.facts,
        content=message.content,
        created_at=message.created_at,
    )


def facts_of(message: Claim | Message) -> Facts:
    """What the message knows beyond the rows. Raises InvalidTag if it was sealed with another key."""
    if message.facts is None:
        return Facts()
    return FACTS.validate_json(unseal(message.facts, _place("facts", message.message_id)))


def content_of(claim: Claim) -> bytes | None:
    """The mail's bytes, None before the first try. Raises InvalidTag if they were sealed with another key."""
    return unseal(claim.content, _place("content", claim.message_id)) if claim.content else None


def first_id(claim: Claim) -> str:
    """The Message-ID of the first mail that this recipient got about the visit; empty if there is none."""
    query = (
        sa.select(Message.message_id)
        .where(
            Message.appointment_id == claim.appointment_id,
            Message.role == claim.role,
            is_to(claim.address),
            Message.state == "sent",
            Message.id < claim.id,
        )
        .order_by(Message.id)
    )
    return db.session.scalar(query.limit(1)) or ""


def rendered(claim: Claim, content: bytes, *, details: str | None) -> bool:
    """Keep the mail's bytes for every retry, and the digest of what its invite says beside its time, if it has one.

    False if the lease was lost, and nothing is kept.
    """
    return _update(claim, content=seal(content, _place("content", claim.message_id)), details=details)


def sent(claim: Claim, now: datetime) -> bool:
    """Note that the mail was taken. False if the lease was lost."""
    return _update(claim, state="sent", ended_at=now, lease_until=None, error=None)


def failed(claim: Claim, error: str, now: datetime) -> bool:
    """Note that the mail will never be sent, and why in a word or an SMTP code. False if the lease was lost."""
    return _update(claim, state="failed", ended_at=now, lease_until=None, error=error)


def dropped(claim: Claim, now: datetime) -> bool:
    """Note that there is nothing left to say. False if the lease was lost."""
    never_seen = {"attempts": 0} if claim.content is None else {}
    return _update(claim, state="superseded", ended_at=now, lease_until=None, **never_seen)


def retry(claim: Claim, error: str, due_at: datetime) -> bool:
    """Give the lease back; the next try is at `due_at`. False if the lease was lost."""
    return _update(claim, due_at=due_at, lease_until=None, error=error)


def postpone(claim: Claim, error: str, due_at: datetime) -> bool:
    """Like `retry` after a try that got nowhere near a server: what was written for it, nobody has seen."""
    unseen = {"content": None} if claim.content is None else {}
    return _update(claim, due_at=due_at, lease_until=None, error=error, **unseen)


def settle(clinic_id: int, now: datetime) -> None:
    """Count every message that waits about a visit of the clinic as sent, though it never was.

    For visits that are not real: the demonstration's month, or a book to measure on.
    """
    waiting = (Message.clinic_id == clinic_id, Message.appointment_id.is_not(None), Message.state == "queued")
    db.session.execute(sa.update(Message).where(*waiting).values(state="sent", ended_at=now, attempts=1))


def wipe(ended_before: datetime) -> int:
    """Throw away what was in messages that ended before then. Returns of how many."""
    query = (
        sa.update(Message)
        .where(Message.ended_at <= ended_before, sa.or_(Message.content.is_not(None), Message.facts.is_not(None)))
        .values(content=None, facts=None)
    )
    return int(db.session.execute(query).rowcount)  # type: ignore[attr-defined]


def is_to(address: str) -> sa.ColumnElement[bool]:
    """The same mailbox: nobody tells theirs from one in capitals, which phones' keyboards write."""
    return sa.func.lower(Message.address) == address.lower()


def is_free(now: datetime) -> sa.ColumnElement[bool]:
    """Nobody is sending it."""
    return sa.or_(Message.lease_until.is_(None), Message.lease_until <= now)


def _update(claim: Claim, **values: object) -> bool:
    query = (
        sa.update(Message)
        .where(Message.id == claim.id, Message.state == "queued", Message.attempts == claim.attempt)
        .values(**values)
    )
    return bool(db.session.execute(query).rowcount == 1)  # type: ignore[attr-defined]


def _place(column: str, message_id: str) -> str:
    return f"message.{column}:{message_id}"
