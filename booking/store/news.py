"""What is said of a visit's change, to each of its people, given what they know already; and what they have by now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from booking.domain.appointment import NOTED, Status
from booking.domain.message import (
    UPDATES,
    Facts,
    Kind,
    Method,
    Notice,
    Recipient,
    Told,
    Transition,
    Was,
    as_sent,
    by_phone,
    joined,
    notices,
)
from booking.store.appointment import Appointment
from booking.store.base import connection, db, table
from booking.store.outbox import Message, facts_of, is_free, is_to, put

FORMER = {Recipient.PATIENT: Kind.ELSEWHERE, Recipient.PRACTITIONER: Kind.REPLACED}


def tell(
    appointment: Appointment,
    transition: Transition,
    addresses: Mapping[Recipient, str],
    *,
    language: str,
    facts: Facts,
    now: datetime,
    due_at: datetime | None = None,
) -> None:
    """Queue what a transition gives to say, in the caller's transaction. `facts.was` tells of former recipients.

    What an earlier message, not yet sent, would have said to the same recipient is dropped or goes into the new one.
    The appointment's row has its new status, times, SEQUENCE and stamp already. The patient is written to in the
    visit's language, everybody else in `language`.
    """
    was, said = facts.was, notices(transition)
    if transition.address_changed and was and not any(n.former and n.to is Recipient.PATIENT for n in said):
        # What waits for the old address is written from the rows of now, the new link among them.
        _superseded(appointment, Recipient.PATIENT, was.patient_address, now)
    is_first, due = transition.old is None, due_at or now
    for notice in said:
        address = _address(notice, addresses, was)
        _tell(appointment, notice, address, language, facts, now, due, is_first=is_first)
    if was and transition.old in NOTED:
        # The events of who once was told and is not by now: moved from without a word, another address, no invites.
        for role, ended in FORMER.items():
            gone = Notice(ended, role, Method.CANCEL, former=True)
            for address in _invited_before(appointment, role, but=addresses.get(role, "")):
                if _told(appointment, role, address) is Told.EVENT:
                    _tell(appointment, gone, address, language, facts, now, due, is_first=False)
                else:
                    _superseded(appointment, role, address, now)
    if kind := by_phone(transition):
        put(
            clinic_id=appointment.clinic_id,
            appointment_id=appointment.id,
            kind=kind,
            role=Recipient.PATIENT,
            method=None,
            address="",
            language=appointment.language,
            facts=facts,
            now=now,
        )


def newest(appointment: int) -> int:
    """The id of the newest message about a visit, 0 without one."""
    return db.session.scalar(sa.select(sa.func.max(Message.id)).where(Message.appointment_id == appointment)) or 0


def take_back(appointment: int, *, after: int, at: datetime) -> bool:
    """Undo what a change at that instant put into the outbox: every message about the visit that is newer than
    `after`. Those that it made superfluous wait again.

    False, and nothing is done, if one of them may have been heard of, or if something else was said since.
    """
    of_visit = sa.select(Message).where(Message.appointment_id == appointment).order_by(Message.id)
    query = of_visit.where(sa.or_(Message.id > after, Message.state == "superseded"))
    found = list(db.session.scalars(query.with_for_update().execution_options(populate_existing=True)))
    newer = [message for message in found if message.id > after]
    if any(message.may_be_known or message.phoned_at for message in newer):
        return False
    if any(message.created_at != at or message.state == "superseded" for message in newer):
        return False
    for message in newer:
        db.session.delete(message)
    for message in found:
        if message.id <= after and message.ended_at == at:
            message.state, message.ended_at = "queued", None
    db.session.flush()
    return True


class Invite(NamedTuple):
    """What somebody has in their calendar of a visit that is still to come."""

    visit: int
    public_id: str
    location: int
    practitioner: int
    service: int
    language: str
    details: str | None  # None: it was not written down what it says


def invites(clinic_id: int, now: datetime, *, only: str | None = None) -> list[Invite]:
    """The invites that stand for the visits to come, or for one of them, by start: of each recipient the last one.

    Without those that an update which waits will replace.
    """
    visit, message = table(Appointment), table(Message)
    query = (
        sa.select(
            *(visit.c.id, visit.c.public_id, visit.c.location_id, visit.c.practitioner_id, visit.c.service_id),
            *(message.c.language, message.c.details, message.c.role, message.c.state, message.c.method),
        )
        .join(message, message.c.appointment_id == visit.c.id)
        .where(
            visit.c.clinic_id == clinic_id,
            visit.c.status == Status.BOOKED,
            visit.c.starts_at > now,
            message.c.method.is_not(None),
            message.c.state.in_(("queued", "sent")),
        )
        .order_by(visit.c.starts_at, visit.c.id, message.c.id)
    )
    if only is not None:
        query = query.where(visit.c.public_id == only)
    last = {(row.id, row.role): row for row in connection().execute(query)}
    return [Invite(*row[:7]) for row in last.values() if (row.state, row.method) == ("sent", Method.REQUEST.value)]


def write_details(invite: Invite, details: str) -> None:
    """Write down what the invites to a visit say beside its time, where that was not done."""
    of_visit = (Message.appointment_id == invite.visit, Message.language == invite.language, Message.details.is_(None))
    query = sa.update(Message).where(*of_visit, Message.method == Method.REQUEST.value)
    db.session.execute(query.values(details=details))


def _tell(
    appointment: Appointment,
    notice: Notice,
    address: str,
    language: str,
    facts: Facts,
    now: datetime,
    due_at: datetime,
    *,
    is_first: bool,
) -> None:
    if not address:
        return
    was = facts.was
    uid, sequence = appointment.uid, appointment.sequence
    if notice.former and was and was.uid != uid:
        # The old event has a life of its own; its end counts on from there.
        uid, sequence = was.uid, was.sequence + 1
    unsent = [] if is_first else _superseded(appointment, notice.to, address, now)
    said = as_sent(notice, told=Told.NOTHING if is_first else _told(appointment, notice.to, address))
    if said is None:
        return
    kind = said.kind
    for earlier in unsent:
        kind = joined(Kind(earlier.kind), kind)
        if kind is Kind.MOVED or (said.method is Method.CANCEL and earlier.kind in UPDATES):
            # Nobody heard of the time between: what is told starts where the visit stood before the first move.
            facts = replace(facts, was=facts_of(earlier).was or facts.was)
    put(
        clinic_id=appointment.clinic_id,
        appointment_id=appointment.id,
        kind=kind,
        role=said.to,
        method=said.method,
        address=address,
        language=appointment.language if said.to is Recipient.PATIENT else language,
        facts=replace(facts, uid=uid, sequence=sequence, stamped_at=appointment.stamped_at),
        now=now,
        due_at=due_at,
    )


def _address(notice: Notice, addresses: Mapping[Recipient, str], was: Was | None) -> str:
    if not notice.former:
        return addresses.get(notice.to, "")
    if was is None:
        return ""
    return was.patient_address if notice.to is Recipient.PATIENT else was.practitioner_address


def _invited_before(appointment: Appointment, role: Recipient, *, but: str) -> list[str]:
    """The other addresses that an invite of this role was ever written for."""
    query = sa.select(Message.address).where(
        Message.appointment_id == appointment.id,
        Message.role == role.value,
        Message.method == Method.REQUEST.value,
        sa.func.lower(Message.address) != but.lower(),
    )
    return list({address.lower(): address for address in db.session.scalars(query.order_by(Message.id))}.values())


def _superseded(appointment: Appointment, role: Recipient, address: str, now: datetime) -> list[Message]:
    """Drop the messages to this recipient that a new one makes superfluous; a CANCEL never is.

    Returns those that nobody can have heard of, oldest first.
    """
    query = (
        sa.select(Message)
        .where(
            Message.appointment_id == appointment.id,
            Message.role == role.value,
            is_to(address),
            Message.state == "queued",
            sa.or_(Message.method.is_(None), Message.method != Method.CANCEL.value),
            is_free(now),
        )
        .order_by(Message.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    messages = list(db.session.scalars(query))
    for message in messages:
        message.attempts = message.attempts if message.may_be_known else 0
        message.state = "superseded"
        message.ended_at = now
        message.lease_until = None
    db.session.flush()
    return [message for message in messages if message.attempts == 0]


def _told(appointment: Appointment, role: Recipient, address: str) -> Told:
    """What may have reached this recipient. A mail that was tried once may have been taken, whatever was said."""
    query = (
        sa.select(Message)
        .where(
            Message.appointment_id == appointment.id,
            Message.role == role.value,
            is_to(address),
            Message.state != "failed",
        )
        .order_by(Message.id)
        .execution_options(populate_existing=True)
    )
    told = Told.NOTHING
    for message in db.session.scalars(query):
        if message.method == Method.CANCEL.value:
            told = Told.MAIL
        elif message.may_be_known and message.method == Method.REQUEST.value:
            told = Told.EVENT
        elif message.may_be_known and told is Told.NOTHING:
            told = Told.MAIL
    return told
