"""A visit's time: booked, requested, confirmed, declined, offered another time, moved, cancelled, lapsed.

Each is one transaction that takes or frees the time, changes the row, records the change and queues what is to be
said. The desk says with `expected` which version of the visit it looked at; another one raises Changed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from booking.domain.access import WORKER, Caller, new_id, new_reference
from booking.domain.appointment import ASKED, OPEN, Status, Why, changeable_until, may_become, starts_as
from booking.domain.availability import Plan, Wish
from booking.domain.errors import BookingError, NotAllowed, PatientBusy, TooLate, TooManyVisits, WrongStatus
from booking.domain.message import Facts, Kind, Recipient, Tell
from booking.store import access, diary, news, outbox, patient, staff, transition
from booking.store import appointment as appointments
from booking.store import hold as holds
from booking.store.access import IdempotencyKey
from booking.store.appointment import Appointment, Change
from booking.store.base import Stale, db, settings, transaction
from booking.store.clinic import Policy, bump_board, policy
from booking.store.hold import Hold
from booking.store.patient import Patient, Person
from booking.store.sealed import seal


def book(
    clinic_id: int,
    wish: Wish,
    start: datetime,
    person: Person,
    *,
    by: Caller,
    now: datetime,
    note: str = "",
    remind: bool = True,
    session_key: str | None = None,
    key: IdempotencyKey | None = None,
    squeeze: str = "",
) -> Appointment:
    """Book the visit, or request it where the clinic confirms first. The same `key` again gives the same visit.

    The session's hold is used if it is for this time. `squeeze` is the desk's reason for a place over capacity.
    Raises SlotTaken, NotOffered, TooManyVisits, PatientBusy, KeyReused, NotAllowed.
    """
    try:
        return _book(clinic_id, wish, start, person, by, now, note, remind, session_key, key, squeeze)
    except BookingError as refusal:
        # Refused perhaps because the very same request, sent twice at once, was carried out a moment ago.
        if key and (before := access.earlier(clinic_id, key)):
            return db.session.get_one(Appointment, before)
        if isinstance(refusal, TooManyVisits):
            _tell_of_limit(clinic_id, person, now)
        raise


@transaction
def _book(
    clinic_id: int,
    wish: Wish,
    start: datetime,
    person: Person,
    by: Caller,
    now: datetime,
    note: str,
    remind: bool,
    session_key: str | None,
    key: IdempotencyKey | None,
    squeeze: str,
) -> Appointment:
    if squeeze and by.role not in ("owner", "front-desk"):
        raise NotAllowed
    if key and (before := access.earlier(clinic_id, key)):
        return db.session.get_one(Appointment, before)
    clinic = policy(clinic_id)
    plan = diary.plan(clinic_id, clinic.revision)
    made: list[tuple[Appointment, str | None]] = []

    def owner(hold: Hold) -> int:
        someone = patient.find_or_add(clinic_id, person, now)
        _check_patient(clinic, someone.records, wish, hold, by, now)
        visit = _new(clinic, plan, someone.id, person.language, hold, by, now, note=note, remind=remind)
        made.append((visit, someone.address))
        return visit.id

    held = holds.of_session(clinic_id, session_key, now) if session_key else None
    if held and holds.is_for(held, wish, start):
        holds.lock(clinic_id, holds.actors_of(held))
        holds.own(held, owner(held))
    else:
        diary.take(plan, wish, start, now=now, owner=owner, instead_of=held, squeeze=bool(squeeze))
    [(appointment, address)] = made
    appointments.record(appointment, None, by=by, now=now, reason=squeeze, squeezed=bool(squeeze))
    if key:
        access.remember(clinic_id, key, appointment.id, now)
    # The record's address, as every later mail has it: a merged record has another than was typed.
    transition.tell(clinic, appointment, address, None, by=by, now=now)
    return appointment


@transaction
def confirm(clinic_id: int, public_id: str, *, by: Caller, now: datetime, expected: int | None = None) -> Appointment:
    """The desk confirms a request: it is booked. Confirming it again is harmless.

    Raises WrongStatus if it was answered otherwise, or its time has come.
    """
    appointment, _ = transition.locked(clinic_id, public_id, expected=expected)
    if appointment.status == Status.BOOKED:
        return appointment
    return _booked(appointment, by, now)


@transaction
def accept(clinic_id: int, public_id: str, *, by: Caller, now: datetime) -> Appointment:
    """The patient accepts the time the desk offered instead. Accepting again is harmless. Raises WrongStatus."""
    appointment, _ = transition.locked(clinic_id, public_id)
    if appointment.status == Status.BOOKED:
        return appointment
    if appointment.waits_for != "patient":
        raise WrongStatus(appointment.status)
    return _booked(appointment, by, now)


@transaction
def decline(
    clinic_id: int, public_id: str, *, by: Caller, now: datetime, message: str = "", expected: int | None = None
) -> Appointment:
    """The desk declines a request, with words to the patient if it wants. Raises WrongStatus if it was answered."""
    appointment, hold = transition.locked(clinic_id, public_id, expected=expected)
    if appointment.status == Status.CANCELLED:
        return appointment
    if appointment.status != Status.PENDING:
        raise WrongStatus(appointment.status)
    return transition.ended(appointment, hold, Status.CANCELLED, by=by, now=now, reason=message, message=message)


@transaction
def cancel(
    clinic_id: int,
    public_id: str,
    *,
    by: Caller,
    now: datetime,
    reason: str = "",
    message: str = "",
    why: Why | None = None,
    expected: int | None = None,
) -> Appointment:
    """Cancel a visit or withdraw a request: its time is free at once, and whoever was invited gets the CANCEL.

    The desk says on whose account, its `reason` for the record, and a `message` that is mailed to the patient. It may
    also cancel a visit whose patient is here. Repeating it is harmless. Raises WrongStatus once it is over, and
    TooLate for a patient inside the clinic's notice; a request may be withdrawn until it is answered.
    """
    appointment, hold = transition.locked(clinic_id, public_id, expected=expected)
    old = Status(appointment.status)
    if old == Status.CANCELLED:
        return appointment
    if old not in OPEN and not (by.is_desk and may_become(old, Status.CANCELLED)):
        raise WrongStatus(old)
    if appointment.ends_at <= now:
        raise WrongStatus(old)
    if old == Status.BOOKED:
        _check_in_time(appointment, by, now)
    return transition.ended(
        appointment, hold, Status.CANCELLED, by=by, now=now, reason=reason, message=message, why=why
    )


@transaction
def reschedule(
    clinic_id: int,
    public_id: str,
    start: datetime,
    *,
    by: Caller,
    now: datetime,
    practitioner: int | None = None,
    location: int | None = None,
    room: int | None = None,
    squeeze: str = "",
    telling: Tell = Tell.LATER,
    expected: int | None = None,
) -> Appointment:
    """Move a visit to another time on offer, with anyone or with one practitioner or room; all or nothing.

    A pending request stays one, for the new time, and waits for the desk again. `squeeze` is the desk's reason for a
    place over capacity. What the desk moves is told after `transition.UNDO`, at once or not at all; the SEQUENCE
    grows in each case, so that whatever invite comes next replaces what stands in the patient's calendar.
    Raises SlotTaken, NotOffered, PatientBusy, WrongStatus, NotAllowed, and TooLate for a patient inside the clinic's
    notice; the old time is then kept.
    """
    if squeeze and by.role not in ("owner", "front-desk"):
        raise NotAllowed
    appointment = appointments.by_public_id(clinic_id, public_id, expected=expected)
    if appointment.status not in OPEN:
        raise WrongStatus(appointment.status)
    if appointment.status == Status.BOOKED:
        _check_in_time(appointment, by, now)
    same_actors = practitioner in (None, appointment.practitioner_id) and room in (None, appointment.room_id)
    if start == appointment.starts_at and same_actors and location in (None, appointment.location_id):
        return appointment
    return _moved(
        appointment,
        start,
        practitioner,
        location,
        by,
        now,
        room=room,
        squeeze=squeeze,
        telling=telling,
        expected=expected,
    )


@transaction
def undo_move(clinic_id: int, public_id: str, *, by: Caller, now: datetime, expected: int | None = None) -> Appointment:
    """Put a visit back exactly where it was before the desk's last move, over capacity if it was so there.

    While no mail of that move was tried, its mails are taken back and nobody hears of either; else the way back is
    told like any move, and so is the way back of a way back. Raises WrongStatus if the visit is over or was moved by
    somebody else since, SlotTaken and NotOffered if its old time went meanwhile.
    """
    appointment = appointments.by_public_id(clinic_id, public_id, expected=expected)
    if appointment.status not in OPEN:
        raise WrongStatus(appointment.status)
    before = holds.of_appointment(appointment.id)
    *earlier, move = appointments.placements(appointment.id)
    if before is None or not earlier or move.by_kind != "staff":
        raise WrongStatus(appointment.status)
    left = move.what["left"]
    plan, visit_id, squeezed = diary.current_plan(clinic_id), appointment.id, bool(earlier[-1].what.get("squeezed"))
    hold = diary.take_again(
        plan,
        Wish(appointment.service_id, appointment.new_patient, left["practitioner"], left["location"], staff=True),
        datetime.fromisoformat(left["start"]),
        datetime.fromisoformat(left["end"]) if "end" in left else None,  # earlier versions did not write it down
        room=left["room"],
        now=now,
        owner=lambda _: visit_id,
        instead_of=before,
        squeeze=squeezed,
    )
    return _stood(appointment, hold, plan, by, now, undone=move, squeezed=squeezed, expected=expected)


@transaction
def offer(
    clinic_id: int,
    public_id: str,
    start: datetime,
    *,
    by: Caller,
    now: datetime,
    practitioner: int | None = None,
    message: str = "",
    expected: int | None = None,
) -> Appointment:
    """The desk offers a request another time: it is held instead of the first, until the patient answers or it lapses.

    Raises WrongStatus if the request was answered meanwhile, SlotTaken and NotOffered.
    """
    appointment = appointments.by_public_id(clinic_id, public_id, expected=expected)
    if appointment.status != Status.PENDING:
        raise WrongStatus(appointment.status)
    return _moved(appointment, start, practitioner, None, by, now, message=message, offered=True, expected=expected)


@transaction
def settle(clinic_id: int, public_id: str, *, by: Caller, now: datetime, expected: int | None = None) -> Appointment:
    """The desk has looked at a marked visit and leaves it as it is: the mark goes. Harmless without one."""
    appointment, _ = transition.locked(clinic_id, public_id, expected=expected)
    if appointment.needs_desk is None:
        return appointment
    mark, appointment.needs_desk = appointment.needs_desk, None
    appointment.updated_at = now
    appointments.record(appointment, Status(appointment.status), by=by, now=now, settled=mark)
    bump_board(clinic_id)
    return appointment


def lapse(now: datetime) -> int:
    """End the requests that nobody answered in time, and tell their patients. Returns how many."""
    ended = 0
    for clinic_id, public_id in appointments.lapsed(now):
        ended += _lapse(clinic_id, public_id, now)
    return ended


@transaction
def _lapse(clinic_id: int, public_id: str, now: datetime) -> bool:
    appointment, hold = transition.locked(clinic_id, public_id)
    if appointment.status != Status.PENDING or appointment.lapses_at is None or appointment.lapses_at > now:
        return False  # answered meanwhile
    transition.ended(appointment, hold, Status.CANCELLED, by=WORKER, now=now)
    return True


def remind(now: datetime) -> int:
    """Queue the reminders of visits that start within a day. Returns how many.

    Nobody is reminded twice of the same time, nor of a visit they were told of just now.
    """
    return sum(_remind(clinic_id, public_id, now) for clinic_id, public_id in outbox.to_remind(now))


@transaction
def _remind(clinic_id: int, public_id: str, now: datetime) -> bool:
    appointment = appointments.by_public_id(clinic_id, public_id, lock=True)
    email = db.session.get_one(Patient, appointment.patient_id).email
    if appointment.status != Status.BOOKED or not email or not outbox.to_remind(now, only=public_id):
        return False  # changed meanwhile, or another worker was quicker
    outbox.put(
        clinic_id=clinic_id,
        appointment_id=appointment.id,
        kind=Kind.REMINDER,
        role=Recipient.PATIENT,
        method=None,
        address=email,
        language=appointment.language,
        now=now,
    )
    return True


@transaction
def sweep(now: datetime) -> None:
    """Throw away what has had its time: expired holds, the ticks of past visits, old counters, requests' keys and
    sign-in links."""
    holds.sweep(now)
    access.prune(now, idempotency_before=now - timedelta(days=2))
    staff.prune(now - timedelta(days=1))


def _check_patient(clinic: Policy, records: list[int], wish: Wish, hold: Hold, by: Caller, now: datetime) -> None:
    visits = appointments.open_visits(clinic.id, records, now)
    _check_not_busy(visits, hold.starts_at, hold.ends_at)
    limit = 1 if wish.new else clinic.open_visits_per_patient
    if len(visits) >= limit and not by.is_desk:
        raise TooManyVisits(limit)


def _check_not_busy(visits: Iterable[tuple[datetime, datetime]], starts_at: datetime, ends_at: datetime) -> None:
    if any(start < ends_at and starts_at < end for start, end in visits):
        raise PatientBusy(starts_at)


def _check_in_time(appointment: Appointment, by: Caller, now: datetime) -> None:
    if by.is_desk or appointment.needs_desk == ASKED:
        return
    clinic = policy(appointment.clinic_id)
    until = changeable_until(appointment.starts_at, clinic.cancellation_notice)
    if now > until:
        raise TooLate(until)


def _new(
    clinic: Policy,
    plan: Plan,
    patient_id: int,
    language: str,
    hold: Hold,
    by: Caller,
    now: datetime,
    *,
    note: str,
    remind: bool,
) -> Appointment:
    public_id = new_id()
    status = starts_as(clinic.confirmation, new_patient=hold.new_patient, by_desk=by.is_desk)
    appointment = Appointment(
        public_id=public_id,
        reference=new_reference(),
        clinic_id=clinic.id,
        patient_id=patient_id,
        service_id=hold.service_id,
        new_patient=hold.new_patient,
        status=status,
        language=language,
        note=seal(note, f"appointment.note:{public_id}") if note else None,
        remind=remind,
        uid=f"{uuid.uuid4()}@{settings().mail_domain}",
        sequence=0,
        version=1,
        link_version=1,
        stamped_at=now,
        created_at=now,
        updated_at=now,
    )
    transition.stand(appointment, hold, plan)
    if status == Status.PENDING:
        transition.wait(appointment, "desk", clinic, now)
    appointments.add(appointment)
    return appointment


def _booked(appointment: Appointment, by: Caller, now: datetime) -> Appointment:
    old = Status(appointment.status)
    if not may_become(old, Status.BOOKED) or appointment.starts_at <= now:
        raise WrongStatus(old)
    appointment.status = Status.BOOKED
    appointment.waits_for = appointment.lapses_at = None
    transition.changed(appointment, old, None, by=by, now=now)
    return appointment


def _moved(
    appointment: Appointment,
    start: datetime,
    practitioner: int | None,
    location: int | None,
    by: Caller,
    now: datetime,
    *,
    message: str = "",
    offered: bool = False,
    room: int | None = None,
    squeeze: str = "",
    telling: Tell = Tell.LATER,
    expected: int | None = None,
) -> Appointment:
    clinic_id, appointment_id = appointment.clinic_id, appointment.id
    wish = Wish(
        appointment.service_id,
        appointment.new_patient,
        practitioner,
        location,
        staff=by.is_desk,
        any_tick=by.is_desk,
    )
    before = holds.of_appointment(appointment_id)
    if before is None:
        raise WrongStatus(appointment.status)
    plan = diary.current_plan(clinic_id)
    hold = diary.take(
        plan,
        wish,
        start,
        now=now,
        owner=lambda _: appointment_id,
        instead_of=before,
        room=room,
        squeeze=bool(squeeze),
    )
    return _stood(
        appointment,
        hold,
        plan,
        by,
        now,
        message=message,
        offered=offered,
        reason=squeeze or message,
        squeezed=bool(squeeze),
        telling=telling,
        expected=expected,
    )


def _stood(
    appointment: Appointment,
    hold: Hold,
    plan: Plan,
    by: Caller,
    now: datetime,
    *,
    message: str = "",
    offered: bool = False,
    reason: str = "",
    squeezed: bool = False,
    telling: Tell = Tell.LATER,
    undone: Change | None = None,
    expected: int | None = None,
) -> Appointment:
    """Let a visit stand where its new hold is, and tell of it; `undone` is the move that this takes back."""
    clinic_id, appointment_id, old = appointment.clinic_id, appointment.id, Status(appointment.status)
    someone = db.session.get_one(Patient, appointment.patient_id)
    people = patient.same_person(someone)
    _check_not_busy(appointments.open_visits(clinic_id, people, now, but=appointment.id), hold.starts_at, hold.ends_at)
    appointment = appointments.by_public_id(clinic_id, appointment.public_id, lock=True, expected=expected)
    if appointment.status != old:
        raise Stale  # confirmed or ended while we waited for the actors
    # Of an undo nothing is left in the outbox either, but what it undid is news again.
    is_move = undone is not None and not undone.what.get("undone")
    if undone and is_move and news.take_back(appointment_id, after=undone.what["left"]["message"], at=undone.at):
        telling = Tell.NO
    was = transition.as_it_was(appointment)
    left = {
        "start": appointment.starts_at.isoformat(),
        "end": appointment.ends_at.isoformat(),
        "practitioner": appointment.practitioner_id,
        "room": appointment.room_id,
        "location": appointment.location_id,
        "message": news.newest(appointment_id),
    }
    transition.stand(appointment, hold, plan)
    appointment.needs_desk = None
    if old == Status.BOOKED:
        appointment.sequence += 1
    else:
        transition.wait(appointment, "patient" if offered else "desk", policy(clinic_id), now)
    transition.changed(
        appointment,
        old,
        was,
        by=by,
        now=now,
        reason=reason,
        message=message,
        offered=offered,
        telling=telling,
        squeezed=squeezed,
        left=left,
        undone=undone is not None,
    )
    return appointment


@transaction
def _tell_of_limit(clinic_id: int, person: Person, now: datetime) -> None:
    """Tell the address that already has visits that somebody tried to book one more; once a day at most."""
    if person.email and not outbox.was_told_lately(clinic_id, Kind.LIMIT, person.email, since=now - timedelta(days=1)):
        outbox.put(
            clinic_id=clinic_id,
            appointment_id=None,
            kind=Kind.LIMIT,
            role=Recipient.PATIENT,
            method=None,
            address=person.email,
            language=person.language,
            facts=Facts(name=person.name),
            now=now,
        )
