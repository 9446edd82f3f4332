"""Sending what waits in the outbox: claimed, written once, sent outside of any transaction, noted.

A mail may be sent twice (the server took it and we died before noting that), never with another Message-ID or other
bytes; it is never lost, and what can't be written or is refused for good stands aside.
"""

from __future__ import annotations

import hashlib
import logging
import random
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy.exc import DBAPIError

from booking import mail
from booking.domain.access import Caller, token
from booking.domain.appointment import NOTED, Status, changeable_until
from booking.domain.message import Addressee, Facts, Kind, Letterhead, Method, Recipient, Tell, Visit, details, settled
from booking.domain.reminder import BEFORE
from booking.domain.time import day_bounds
from booking.formats import itip, letter, mime
from booking.formats.words import text_in
from booking.store import clinic as clinics
from booking.store import news, outbox, paper, transition
from booking.store.appointment import Appointment
from booking.store.base import db, settings, transaction
from booking.store.clinic import Clinic, Location
from booking.store.news import Invite
from booking.store.outbox import Claim
from booking.store.patient import Patient
from booking.store.practitioner import Actor, Service

log = logging.getLogger(__name__)

DELAYS = (1, 5, 15, 60, 180)  # minutes until the next try; the last one again and again
GIVEN_UP_AFTER = timedelta(hours=24)
SERVER_DOWN = timedelta(minutes=1)  # until the next try, if the fault is not the message's
KEPT = timedelta(days=7)


def deliver(now: datetime, *, limit: int = 200) -> int:
    """Send the messages that are due, one after another, at most `limit`. Returns how many were taken.

    Ends early when the mail server can't be reached. Never raises for a message: it is tried again, or it fails.
    """
    began, taken = time.monotonic(), 0
    for _ in range(limit):
        instant = now + timedelta(seconds=time.monotonic() - began)
        claim = _claim(instant)
        if claim is None:
            break
        try:
            taken += _deliver(claim, instant)
        except mail.Unreachable as error:
            _postpone(claim, str(error), instant + SERVER_DOWN)
            log.warning("mail server can't be reached: %s", error)
            break
    return taken


@transaction
def wipe(now: datetime) -> int:
    """Throw away the contents of messages a week after they were sent or given up. Returns of how many."""
    return outbox.wipe(now - KEPT)


def visit(appointment: Appointment, language: str, now: datetime) -> Visit:
    """What a mail or a calendar file may say of a visit to its patient, in a language."""
    clinic = db.session.get_one(Clinic, appointment.clinic_id)
    location = db.session.get_one(Location, appointment.location_id)
    service = db.session.get_one(Service, appointment.service_id)
    until = changeable_until(appointment.starts_at, clinic.cancellation_notice)
    link = token(settings().secret_key, "manage", clinic.id, appointment.public_id, appointment.link_version)
    fallback = str(clinic.languages[0])

    def said(text: object) -> str:
        return text_in(text, language, fallback) if isinstance(text, str | dict) else ""

    return Visit(
        head=_letterhead(clinic, language, phone=location.phone),
        location=location.name,
        address=tuple(location.address),
        zone=appointment.zone,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        practitioner=db.session.get_one(Actor, appointment.practitioner_id).name,
        patient=db.session.get_one(Patient, appointment.patient_id).name,
        manage_url=f"{settings().public_url}/a/{link}",
        reference=appointment.reference,
        uid=appointment.uid,
        sequence=appointment.sequence,
        stamped_at=appointment.stamped_at,
        created_at=appointment.created_at,
        updated_at=appointment.updated_at,
        public_name=said(service.public_name),
        directions=said(location.directions),
        transit=said(location.transit),
        parking=said(location.parking),
        access=said(location.access),
        map_url=location.map_url or "",
        latitude=location.latitude,
        longitude=location.longitude,
        before_you_come=tuple(said(text) for text in clinic.before_you_come),
        change_until=until if until > now else None,
        answer_by=appointment.lapses_at if appointment.status == Status.PENDING else None,
    )


def outdated(clinic_id: int, now: datetime, *, only: str | None = None) -> list[str]:
    """The public ids of the visits to come, or of one of them, by start, with an invite out there that says something
    else than the settings now: another address, phone number, directions or name."""
    invites = news.invites(clinic_id, now, only=only)
    current = _current(invites, now)
    return list(dict.fromkeys(one.public_id for one in invites if one.details not in (None, current[_by(one)])))


@transaction
def settle(clinic_id: int, now: datetime) -> None:
    """Count what waits about the clinic's visits as sent, saying what the settings say now. For visits of no real
    people."""
    outbox.settle(clinic_id, now)
    invites = news.invites(clinic_id, now)
    current = _current(invites, now)
    for invite in invites:
        news.write_details(invite, current[_by(invite)])


def _by(invite: Invite) -> tuple[int, int, int, str]:
    """What decides about all that an invite says beside its time."""
    return invite.location, invite.practitioner, invite.service, invite.language


def _current(invites: Iterable[Invite], now: datetime) -> dict[tuple[int, int, int, str], str]:
    """The digests of what such invites would say now."""
    found = {}
    for invite in invites:
        if _by(invite) not in found:
            one = db.session.get_one(Appointment, invite.visit)
            found[_by(invite)] = details(visit(one, invite.language, now))
    return found


@transaction
def update(clinic_id: int, public_id: str, *, by: Caller, now: datetime, message: str = "") -> bool:
    """Send who was invited to a visit what its invite has to say by now, with the clinic's own words if there are any.

    False, and nothing is sent, if that is no news to anybody.
    """
    appointment, _ = transition.locked(clinic_id, public_id)
    if not outdated(clinic_id, now, only=public_id):
        return False
    was = transition.as_it_was(appointment)
    transition.changed(appointment, Status.BOOKED, was, by=by, now=now, message=message, details=True, telling=Tell.NOW)
    return True


def _deliver(claim: Claim, now: datetime) -> bool:
    beside = None
    try:
        if claim.kind == Kind.REMINDER and not _is_still_to_come(claim, now):
            content = None  # also where it was written for an earlier try
        else:
            content = outbox.content_of(claim)
            if content is None:
                content, beside = _written(claim, now)
    except DBAPIError:
        raise  # the database's fault; the lease runs out, and the message is claimed again
    except Exception as error:  # whatever is wrong with one message must not stop the others
        log.error("message %d can't be written: %s", claim.id, type(error).__name__)
        return _failed(claim, type(error).__name__, now)
    if content is None:
        _dropped(claim, now)
        return False
    if claim.content is None and not _rendered(claim, content, beside):
        return False  # another worker has it by now
    # No transaction is open from here on: the server may take half a minute to answer.
    try:
        _send(claim, content)
    except mail.Transient as error:
        if now - claim.created_at >= GIVEN_UP_AFTER and claim.attempt > len(DELAYS):
            return _failed(claim, str(error), now)
        _retry(claim, str(error), now + _delay(claim.attempt))
        return False
    except mail.Permanent as error:
        return _failed(claim, str(error), now)
    _sent(claim, now)
    return True


def _send(claim: Claim, content: bytes) -> None:
    if settings().smtp_url:
        by = mail.server(settings().smtp_url)
        mail.send(content, sender=settings().sender, to=itip.address(claim.address), by=by)
    else:
        name = f"{claim.id:08d}-{hashlib.sha256(claim.message_id.encode()).hexdigest()[:8]}"
        mail.keep(content, settings().instance / "mail", name)


def _delay(attempt: int) -> timedelta:
    minutes = DELAYS[min(attempt, len(DELAYS)) - 1]
    return timedelta(minutes=minutes * random.uniform(0.9, 1.1))


def _written(claim: Claim, now: datetime) -> tuple[bytes | None, str | None]:
    """The mail's bytes, from the rows as they are now, None if there is nothing left to say; and the digest of what
    its invite says beside its time, if it has one."""
    kind, facts = Kind(claim.kind), outbox.facts_of(claim)
    method = _method(claim)
    invite, beside = None, None
    if kind in letter.ABOUT_NO_VISIT:
        head, text = _about_no_visit(claim, kind, facts)
    else:
        role = Recipient(claim.role)
        if kind is Kind.REPLACED and _is_still_theirs(claim):
            kind = Kind.ELSEWHERE
        told = _as_told(claim, kind, role, facts, now)
        said = settled(kind, told, facts.was)
        if said is None:
            return None, None
        head = told.head
        text = letter.about_visit(said, role, told, facts=facts, method=method)
        to = Addressee(itip.address(claim.address), _name(role, told), role)
        if method is not None:
            invite = INVITES[method](told, to)
            beside = details(told) if method is Method.REQUEST else None
    envelope = mime.Envelope(
        sender=head.sender,
        sender_name=head.clinic,
        reply_to=head.email,
        to=claim.address,
        message_id=claim.message_id,
        first_id=outbox.first_id(claim),
        date=now,
    )
    return mime.build(text, envelope, invite=invite, method=method), beside


INVITES = {
    Method.REQUEST: itip.request,
    Method.CANCEL: itip.cancel,
    Method.DECLINECOUNTER: itip.decline_counter,
}


def _method(claim: Claim) -> Method | None:
    # That a proposal is declined puts nothing into a calendar and takes nothing out, so the outbox counts it as a
    # mail without an invite.
    if claim.kind == Kind.NOT_MOVED:
        return Method.DECLINECOUNTER
    return Method(claim.method) if claim.method else None


def _about_no_visit(claim: Claim, kind: Kind, facts: Facts) -> tuple[Letterhead, mime.Letter]:
    clinic = db.session.get_one(Clinic, claim.clinic_id) if claim.clinic_id else None
    head = _letterhead(clinic, claim.language)
    if kind is Kind.LIMIT:
        return head, letter.limit(head)
    if kind is Kind.LOST_LINK:
        return head, letter.lost_link(head, facts)
    if kind is Kind.FEED:
        return head, letter.feed(head, facts)
    zone = clinics.zone(clinic.id) if clinic else "UTC"
    if kind is Kind.DAY_SHEET and clinic:
        return head, _day_sheet(clinic, head, paper.tomorrow(claim.created_at, zone), zone)
    if kind in letter.SECURITY:
        return head, letter.security(kind, head, facts, at=claim.created_at, zone=zone)
    return head, letter.sign_in(head, facts, zone=zone)


def _day_sheet(clinic: Clinic, head: Letterhead, on: date, zone: str) -> mime.Letter:
    url = f"{settings().public_url}/desk/{clinic.slug}/day-sheet?on={on.isoformat()}"
    noon = day_bounds(on, zone)[0] + timedelta(hours=12)
    return letter.day_sheet(head, paper.sheets(clinic.id, on), noon=noon, zone=zone, url=url)


def _as_told(claim: Claim, kind: Kind, role: Recipient, facts: Facts, now: datetime) -> Visit:
    """The visit as this message's reader is to see it."""
    appointment = db.session.get_one(Appointment, claim.appointment_id)
    found = visit(appointment, claim.language, now)
    if role is not Recipient.PATIENT:
        slug = db.session.get_one(Clinic, appointment.clinic_id).slug
        page = "requests" if appointment.status == Status.PENDING else f"?on={appointment.start_time:%Y-%m-%d}"
        found = replace(found, manage_url=f"{settings().public_url}/desk/{slug}/{page}")
    if facts.stamped_at is not None:
        is_as_now = claim.method == Method.REQUEST and facts.uid == found.uid and appointment.status in NOTED
        # The times are those of now, so the SEQUENCE is too: a move of which nobody was told counts as well.
        sequence = found.sequence if is_as_now else facts.sequence
        found = replace(found, uid=facts.uid, sequence=sequence, stamped_at=facts.stamped_at)
    if facts.was is not None and (claim.method == Method.CANCEL or kind in (Kind.REPLACED, Kind.ELSEWHERE)):
        was = facts.was
        found = replace(
            found,
            starts_at=was.starts_at,
            ends_at=was.ends_at,
            location=was.location,
            practitioner=was.practitioner,
        )
    if kind is Kind.ELSEWHERE and role is Recipient.PATIENT:
        found = replace(found, manage_url="")  # whoever reads there has no say in the visit any more
    return found


def _is_still_to_come(claim: Claim, now: datetime) -> bool:
    """Whether a reminder that waited, perhaps for hours, still has something to remind of: the visit as it was when
    it was queued. After a change another one is queued in its time (`store/outbox.to_remind`)."""
    visit = db.session.get_one(Appointment, claim.appointment_id)
    is_the_same = visit.updated_at <= claim.created_at
    return is_the_same and visit.status == Status.BOOKED and now < visit.starts_at <= now + BEFORE


def _is_still_theirs(claim: Claim) -> bool:
    """Whether the practitioner whose event goes keeps the visit, and merely wants no more invites."""
    visit = db.session.get_one(Appointment, claim.appointment_id)
    address = db.session.get_one(Actor, visit.practitioner_id).email or ""
    return visit.status in NOTED and address.casefold() == claim.address.casefold()


def _name(role: Recipient, told: Visit) -> str:
    return {Recipient.PATIENT: told.patient, Recipient.PRACTITIONER: told.practitioner}.get(role, "")


def _letterhead(clinic: Clinic | None, language: str, *, phone: str | None = None) -> Letterhead:
    """The clinic's letterhead, or that of the whole installation."""
    sender = settings().sender
    if clinic is None:
        return Letterhead(clinic=settings().host, phone="", region="", email="", sender=sender, lang=language)
    return Letterhead(
        clinic=clinic.name,
        phone=phone or clinic.phone,
        region=clinic.region,
        email=clinic.email,
        sender=sender,
        lang=language,
    )


@transaction
def _claim(now: datetime) -> Claim | None:
    return outbox.claim(now)


@transaction
def _rendered(claim: Claim, content: bytes, beside: str | None) -> bool:
    return outbox.rendered(claim, content, details=beside)


@transaction
def _sent(claim: Claim, now: datetime) -> None:
    outbox.sent(claim, now)
    _show(claim)


@transaction
def _failed(claim: Claim, error: str, now: datetime) -> bool:
    outbox.failed(claim, error, now)
    _show(claim)
    return False


@transaction
def _dropped(claim: Claim, now: datetime) -> None:
    outbox.dropped(claim, now)


@transaction
def _retry(claim: Claim, error: str, due_at: datetime) -> None:
    outbox.retry(claim, error, due_at)


@transaction
def _postpone(claim: Claim, error: str, due_at: datetime) -> None:
    outbox.postpone(claim, error, due_at)


def _show(claim: Claim) -> None:
    """Tell the boards that show what became of messages."""
    if claim.clinic_id is not None:
        clinics.bump_board(claim.clinic_id)
