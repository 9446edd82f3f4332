"""Mail that comes in: answers from calendars, and mails of ours that came back.

Whoever hands a mail over need not know what it is. What it can do to a visit is in `domain/reply`.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from booking.domain.access import PATIENT, Caller
from booking.domain.appointment import ASKED, Status, changeable_until
from booking.domain.message import Facts, Kind, Method, Recipient
from booking.domain.reply import ASKING, HEARD, Answer, Invited, Outcome, Reply, Unheard, answer, doubts, judge, mailbox
from booking.formats import itip, reply
from booking.formats.reply import Bounce
from booking.store import answer as answers
from booking.store import appointment as appointments
from booking.store import outbox, transition
from booking.store.appointment import Appointment
from booking.store.base import Stale, db, settings, transaction
from booking.store.clinic import Policy, bump_board, policy
from booking.store.hold import Hold
from booking.store.patient import Patient
from booking.store.practitioner import invited

log = logging.getLogger(__name__)

REFRESHED_EVERY = timedelta(minutes=10)
KEPT = timedelta(days=90)  # what was about no visit, or did not count and its visit is over


def receive(content: bytes, now: datetime) -> Outcome:
    """Deal with one mail as it came in; what became of it is kept. Raises only what the database raises.

    The same mail again is stale, so it may be handed over twice.
    """
    try:
        mail = reply.read(content)
    except Exception as error:  # whatever a stranger's bytes do to a parser, it is no answer
        log.warning("a mail of %d bytes can't be read: %s", len(content), type(error).__name__)
        return _noted(Outcome.IGNORED, now)
    if mail.bounce is not None:
        return _bounced(mail.bounce, now)
    # Google's calendar marks all that it sends for its people; only what would make us answer might go in circles.
    if mail.reply is None or (mail.is_automatic and answer(mail.reply) is Answer.REFRESH):
        return _noted(Outcome.IGNORED, now)
    authserv = settings().mail_authserv
    is_proven = not authserv or reply.is_proven(mail.results, mail.sender, authserv)
    return _answered(mail.reply, mail.sender, is_proven=is_proven, now=now)


@transaction
def decline_counter(
    clinic_id: int, public_id: str, *, by: Caller, now: datetime, expected: int | None = None
) -> Appointment:
    """The desk keeps a visit's time though another one was proposed, and says so by mail to who proposed it.

    Harmless if nothing is proposed any more. Raises NotFound, and Changed for another version than the expected one.
    """
    visit, _ = transition.locked(clinic_id, public_id, expected=expected)
    if visit.needs_desk != Answer.COUNTER:
        return visit
    visit.needs_desk = None
    visit.stamped_at = max(now, visit.stamped_at + timedelta(seconds=1))
    people, clinic = _people(visit), policy(clinic_id)
    for said in answers.standing(visit):
        role = Recipient(said.sender_role or Recipient.PATIENT)
        if said.wants == Answer.COUNTER and role in people:
            _put(visit, Kind.NOT_MOVED, role, None, people[role], clinic, now)
    appointments.record(visit, Status(visit.status), by=by, now=now, settled=Answer.COUNTER.value)
    bump_board(clinic_id)
    return visit


@transaction
def put_away(clinic_id: int, public_id: str, until: int, *, by: Caller, now: datetime) -> Appointment:
    """The desk has dealt with the answers to a visit that do not count, up to the newest that it saw (by id).

    What they said is forgotten; the visit is as it was. Repeating it is harmless. Raises NotFound.
    """
    visit = appointments.by_public_id(clinic_id, public_id, lock=True)
    if answers.put_away(visit, until):
        appointments.record(visit, Status(visit.status), by=by, now=now, settled=HEARD)
    return visit


@transaction
def prune(now: datetime) -> None:
    """Forget what came in long ago and was about no visit, and what did not count about visits long over."""
    answers.prune(now - KEPT)


@transaction
def _noted(outcome: Outcome, now: datetime) -> Outcome:
    answers.add(outcome, now=now)
    return outcome


@transaction
def _bounced(bounce: Bounce, now: datetime) -> Outcome:
    """A mail of ours did not arrive: it has failed, and the desk sees whom to phone."""
    message = answers.bounced(bounce.message_id, f"bounced {bounce.status}".strip(), now)
    if message is None:
        answers.add(Outcome.FOREIGN, now=now)
        return Outcome.FOREIGN
    visit = db.session.get_one(Appointment, message.appointment_id) if message.appointment_id else None
    answers.add(Outcome.BOUNCED, now=now, visit=visit)
    if message.clinic_id is not None:
        bump_board(message.clinic_id)
    return Outcome.BOUNCED


@transaction
def _answered(said: Reply, sender: str, *, is_proven: bool, now: datetime) -> Outcome:
    """Judge an answer and keep it; one that counts is heeded. Two at once about a visit come one after the other."""
    by = sender if is_proven else ""
    known = answers.visit_of(said.uid)
    if known is None:
        outcome = judge(said, by, None, now)
        answers.add(outcome, now=now)
        return outcome
    visit, hold = transition.locked(*known)
    if visit.uid != said.uid:
        raise Stale  # its patient's address changed while we waited
    people = _people(visit)
    role = _role(said, people)
    invitation = _invited(visit, role, people)
    outcome = judge(said, by, invitation, now)
    wants = answer(said)
    if outcome is not Outcome.TAKEN or wants is None or said.stamped_at is None:
        why = doubts(said, sender, invitation, is_proven=is_proven)
        _not_counted(visit, said, outcome, Unheard(sender, why, said.comment), now)
        return outcome
    is_proposal = wants is Answer.COUNTER
    answers.take(
        visit,
        role,
        wants,
        stamped_at=said.stamped_at,
        sequence=visit.sequence,
        now=now,
        comment=said.comment,
        starts_at=said.starts_at if is_proposal else None,
        ends_at=said.ends_at if is_proposal else None,
    )
    if wants is Answer.REFRESH:
        _invite_again(visit, role, people[role], now)
    else:
        _heed(visit, hold, role, wants, now)
    return outcome


def _not_counted(visit: Appointment, said: Reply, outcome: Outcome, unheard: Unheard, now: datetime) -> None:
    """Note an answer that changes nothing. The desk hears of it if its sender may think that they need not come."""
    wants = answer(said)
    is_lost = outcome in (Outcome.FORGED, Outcome.STALE) and wants is not Answer.REFRESH and bool(unheard.doubts)
    is_to_come = visit.status == Status.BOOKED and visit.ends_at > now
    if wants is None or said.stamped_at is None or not (is_lost and is_to_come):
        answers.add(outcome, now=now, visit=visit)
        return
    is_proposal = wants is Answer.COUNTER
    answers.keep(
        visit,
        outcome,
        wants,
        unheard,
        stamped_at=said.stamped_at,
        now=now,
        starts_at=said.starts_at if is_proposal else None,
        ends_at=said.ends_at if is_proposal else None,
    )


def _people(visit: Appointment) -> dict[Recipient, str]:
    """Who is invited to the visit, with the address that their invites go to."""
    patient = db.session.get_one(Patient, visit.patient_id)
    _name, practitioner = invited(visit.practitioner_id)
    found = {Recipient.PATIENT: patient.email or "", Recipient.PRACTITIONER: practitioner}
    return {role: address for role, address in found.items() if address}


def _role(said: Reply, people: dict[Recipient, str]) -> Recipient:
    """For whom the answer is: who was invited at just that address, or else at another one of the same mailbox."""
    attendee = said.attendees[0] if said.attendees else ""
    plain = {role: _plain(address) for role, address in people.items()}
    exact = [role for role, address in plain.items() if address == attendee]
    same = [role for role, address in plain.items() if mailbox(address) == mailbox(attendee)]
    return [*exact, *same, Recipient.PATIENT][0]


def _invited(visit: Appointment, role: Recipient, people: dict[Recipient, str]) -> Invited:
    return Invited(
        organizer=_plain(settings().sender),
        addresses=tuple(map(_plain, people.values())),
        status=Status(visit.status),
        sequence=visit.sequence,
        same=appointments.same_sequences(visit),
        last_at=answers.last_stamp(visit, role),
    )


def _plain(address: str) -> str:
    """The address as answers carry it."""
    try:
        return itip.address(address).lower()
    except itip.BadAddress:
        return address  # nobody was invited there, and nobody answers from there


def _heed(visit: Appointment, hold: Hold | None, role: Recipient, wants: Answer, now: datetime) -> None:
    """Let the desk see the answer; cancel for the patient where the clinic wants that of those who decline in time."""
    by = PATIENT if role is Recipient.PATIENT else Caller(role.value)
    appointments.record(visit, Status(visit.status), by=by, now=now, answered=wants.value)
    bump_board(visit.clinic_id)
    if visit.status != Status.BOOKED or visit.ends_at <= now:
        return
    clinic = policy(visit.clinic_id)
    if wants is Answer.DECLINED and role is Recipient.PATIENT and _may_cancel(visit, clinic, now):
        transition.ended(visit, hold, Status.CANCELLED, by=PATIENT, now=now)
    elif visit.needs_desk != ASKED:
        # Of two who ask for something the newest is named; that one of them has come round is no end of it.
        db.session.flush()
        asking = [said.wants for said in answers.standing(visit) if said.wants in ASKING]
        if asking or visit.needs_desk in ASKING:
            visit.needs_desk = asking[0] if asking else None


def _may_cancel(visit: Appointment, clinic: Policy, now: datetime) -> bool:
    in_time = now <= changeable_until(visit.starts_at, clinic.cancellation_notice)
    return clinic.declines == "cancel" and (in_time or visit.needs_desk == ASKED)


def _invite_again(visit: Appointment, role: Recipient, address: str, now: datetime) -> None:
    if answers.was_invited_lately(visit, address, since=now - REFRESHED_EVERY):
        return
    visit.stamped_at = max(now, visit.stamped_at + timedelta(seconds=1))
    _put(visit, Kind.BOOKED, role, Method.REQUEST, address, policy(visit.clinic_id), now)


def _put(
    visit: Appointment,
    kind: Kind,
    role: Recipient,
    method: Method | None,
    address: str,
    clinic: Policy,
    now: datetime,
) -> None:
    outbox.put(
        clinic_id=visit.clinic_id,
        appointment_id=visit.id,
        kind=kind,
        role=role,
        method=method,
        address=address,
        language=visit.language if role is Recipient.PATIENT else clinic.language,
        facts=Facts(uid=visit.uid, sequence=visit.sequence, stamped_at=visit.stamped_at),
        now=now,
    )
