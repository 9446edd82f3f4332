"""The desk's words for the codes that the program keeps: statuses, reasons, marks, how far a mail has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _
from flask_babel import ngettext

from booking.domain.appointment import ASKED, Status, Why
from booking.domain.availability import Reason, ReasonCode
from booking.domain.message import Kind, Recipient
from booking.domain.reply import HEARD, Answer, Doubt
from booking.store.appointment import Appointment
from booking.store.board import Told
from booking.store.history import Entry, Mail
from booking.store.patient import Patient
from booking.store.phone import Call
from booking.web import i18n

# Beside the word, never instead of it.
GLYPHS = {
    Status.PENDING: "?",
    Status.BOOKED: "",
    Status.ARRIVED: "✓",
    Status.CHECKED_IN: "▸",
    Status.FULFILLED: "●",
    Status.CANCELLED: "–",
    Status.NOSHOW: "✕",
    Status.ENTERED_IN_ERROR: "–",
}
INVITES = frozenset({Kind.BOOKED, Kind.CONFIRMED, Kind.MOVED, Kind.CHANGED})


def status_words(status: Status) -> str:
    match status:
        case Status.PENDING:
            return _("Requested")
        case Status.BOOKED:
            return _("Booked")
        case Status.ARRIVED:
            return _("Arrived")
        case Status.CHECKED_IN:
            return _("Checked in")
        case Status.FULFILLED:
            return _("Done")
        case Status.CANCELLED:
            return _("Cancelled")
        case Status.NOSHOW:
            return _("Did not come")
        case Status.ENTERED_IN_ERROR:
            return _("Entered in error")


def mail_words(told: Told | None, patient: Patient) -> str:
    """How far the newest mail to the patient has come."""
    if told is None:
        return _("No e-mail address") if patient.email is None else ""
    is_invite = told.kind in INVITES
    match told.state:
        case "phoned":
            return _("Told by phone")
        case "queued":
            return _("Invite waits to be sent") if is_invite else _("Mail waits to be sent")
        case "failed":
            return _("Invite could not be sent, please phone") if is_invite else _("Mail failed, please phone")
    return _("Invite sent") if is_invite else _("Mail sent")


def mark_words(mark: str) -> str:
    """Why a visit is marked for the desk."""
    if mark == "stranded":
        return _("The clinic's hours or rooms changed: this visit no longer fits them. Move it, or leave it as it is.")
    if mark == ASKED:
        return _("The patient was asked to choose another time, and has not yet.")
    if mark == Answer.DECLINED:
        return _("The invitation was declined. The visit still stands: keep it, move it or cancel it.")
    if mark == Answer.COUNTER:
        return _("Another time is proposed. The visit stands where it is until you answer.")
    return _("Please look at this visit.")


def answer_words(wants: Answer, start: datetime | None, zone: str) -> str:
    """What somebody answered from their calendar; `start` is the time that they propose, if it could be read."""
    match wants:
        case Answer.ACCEPTED:
            return _("accepted")
        case Answer.TENTATIVE:
            return _("maybe")
        case Answer.DECLINED:
            return _("declined")
        case Answer.COUNTER if start:
            return _("proposes %(when)s", when=_until(start, zone))
    return _("proposes another time, which could not be read")


def doubt_words(doubt: Doubt) -> str:
    """Why an answer does not count."""
    match doubt:
        case Doubt.ELSEWHERE:
            return _("It came from another address than the invite went to.")
        case Doubt.UNPROVEN:
            return _("It could not be proved that this address sent it.")
        case Doubt.MOVED:
            return _("It is about the time before the move.")
        case Doubt.UNFIT:
            return _("It does not fit the invite that was sent.")


def outcome_words(visit: Appointment, patient: Patient) -> str:
    """What was just done to a visit, told from how it stands now, and who hears of it how."""
    if patient.email is not None:
        return _by_mail(visit, patient)
    phone = i18n.phone(patient.phone or "")
    match _stand(visit):
        case "booked":
            return _("Confirmed. %(name)s has no e-mail: please phone %(phone)s.", name=patient.name, phone=phone)
        case "offered":
            return _("Offered. %(name)s has no e-mail: please phone %(phone)s.", name=patient.name, phone=phone)
        case "cancelled":
            return _("Cancelled. %(name)s has no e-mail: please phone %(phone)s.", name=patient.name, phone=phone)
    return _("The request of %(name)s waits for an answer.", name=patient.name)


def _by_mail(visit: Appointment, patient: Patient) -> str:
    match _stand(visit):
        case "booked":
            return _("Confirmed. %(name)s gets the invitation by e-mail.", name=patient.name)
        case "offered":
            return _("Offered. %(name)s gets the new time by e-mail, and can accept it there.", name=patient.name)
        case "cancelled":
            return _("Cancelled. %(name)s is told by e-mail.", name=patient.name)
    return _("The request of %(name)s waits for an answer.", name=patient.name)


def _stand(visit: Appointment) -> str:
    if visit.status == Status.PENDING:
        return "offered" if visit.waits_for == "patient" else "pending"
    return "cancelled" if visit.status == Status.CANCELLED else "booked"


def settled_words(_visit: Appointment, patient: Patient) -> str:
    """That a marked visit stays as it is."""
    return _("The visit of %(name)s stays as it is. Nobody is told.", name=patient.name)


def dealt_with_words(patient: Patient) -> str:
    """That answers which do not count are put away."""
    return _("What did not count about the visit of %(name)s is put away. The visit is as it was.", name=patient.name)


def not_moved_words(patient: Patient) -> str:
    """That a visit stays where it is, though another time was proposed."""
    return _("The visit of %(name)s stays as it is. Who proposed another time is told by e-mail.", name=patient.name)


def missed_words(visit: Appointment, patient: Patient) -> str:
    """Why a step did not happen: somebody else was first."""
    status = status_words(Status(visit.status))
    return _(
        "Nothing was changed: the visit of %(name)s was answered in the meantime. It is now: %(status)s.",
        name=patient.name,
        status=status,
    )


def reason_words(reason: Reason, who: str, zone: str) -> str:
    """Why a time is not on offer, as one sentence for the desk; `who` is the practitioner."""
    until = _until(reason.until, zone)
    match reason.code:
        case ReasonCode.NOT_OFFERED:
            return _("%(who)s does not give this service.", who=who)
        case ReasonCode.NOT_ONLINE:
            return _("This service is booked by phone only.")
        case ReasonCode.NEW_PATIENTS_ONLY:
            return _("This service is for new patients only.")
        case ReasonCode.FIRST_VISIT_FIRST:
            return _("New patients book %(service)s first.", service=i18n.text(reason.name))
        case ReasonCode.NO_ROOM:
            return _("None of the rooms for this service is at this location.")
        case ReasonCode.OFF_GRID:
            return _("This service does not start at that minute.")
        case ReasonCode.CLOSED:
            return _("%(who)s does not work there then.", who=who)
        case ReasonCode.TOO_LONG:
            return _("The visit would not end within the hours of %(who)s.", who=who)
        case ReasonCode.TIME_OFF if until:
            return _("%(who)s is off until %(until)s.", who=who, until=until)
        case ReasonCode.TIME_OFF:
            return _("%(who)s is off.", who=who)
        case ReasonCode.CLOSURE if until:
            return _("The clinic is closed until %(until)s: %(name)s.", until=until, name=reason.name or _("closure"))
        case ReasonCode.CLOSURE:
            return _("The clinic is closed.")
        case ReasonCode.PAST:
            return _("This time has passed.")
        case ReasonCode.TOO_SOON:
            return _("It is too soon for patients to book online; the desk still may.")
        case ReasonCode.TOO_FAR:
            return _("It is further ahead than patients may book online; the desk still may.")
        case ReasonCode.ROOM_CLOSED:
            return _("The room is closed then.")
        case ReasonCode.ROOM_FULL:
            return _("Every place in the room is taken.")
        case ReasonCode.TAKEN:
            return _("%(who)s has another visit then.", who=who)
        case ReasonCode.BUSY_OUTSIDE:
            return _("%(who)s’s own calendar says busy then.", who=who)


def _until(until: datetime | None, zone: str) -> str:
    if until is None:
        return ""
    return _("%(day)s, %(time)s", day=i18n.short_day(until, zone), time=i18n.clock(until, zone))


def noted_words(deed: str, visit: Appointment, patient: Patient) -> str:
    """What was just noted of a visit's day."""
    name = patient.name
    match deed:
        case "arrived":
            return _("%(name)s has arrived.", name=name)
        case "checked-in" if visit.place:
            return _("%(name)s is checked in, place %(place)s.", name=name, place=visit.place)
        case "checked-in":
            return _("%(name)s is checked in.", name=name)
        case "fulfilled":
            return _("The visit of %(name)s is done.", name=name)
        case "noshow":
            return _("%(name)s did not come.", name=name)
        case "mistake":
            return _("The visit of %(name)s is taken out as a mistake.", name=name)
        case "longer":
            return _("The visit now ends at %(time)s.", time=i18n.clock(visit.ends_at, visit.zone))
        case "again":
            return _("Booked again for %(name)s.", name=name)
    return _("Taken back. The visit of %(name)s is: %(status)s.", name=name, status=status_words(Status(visit.status)))


def stands(visit: Appointment, patient: Patient) -> str:
    """How a visit stands now, and how its patient is reached if that is by phone alone."""
    facts = {"name": patient.name, "when": _until(visit.starts_at, visit.zone)}
    if visit.status == Status.CANCELLED:
        said = _("%(name)s, %(when)s: cancelled.", **facts)
    elif visit.needs_desk == ASKED:
        said = _("%(name)s, %(when)s: asked to choose another time.", **facts)
    elif visit.status == Status.PENDING and visit.waits_for == "patient":
        said = _("%(name)s was offered %(when)s.", **facts)
    else:
        said = _("%(name)s now comes on %(when)s.", **facts)
    if patient.email:
        return said
    return _("%(said)s Please phone %(phone)s.", said=said, phone=i18n.phone(patient.phone or ""))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a visit's history."""

    at: datetime
    said: str
    author: str
    reason: str


def told(entry: Entry, zone: str) -> Line:
    """A change of a visit as a line of its history; `zone` is the visit's."""
    author = _("Patient") if entry.by == "patient" and "answered" in entry.what else None
    return Line(entry.at, _change_words(entry, zone), author or author_words(entry.by, entry.author), entry.reason)


def author_words(by: str, name: str) -> str:
    """Who did it."""
    match by:
        case "staff" | "key" if name:
            return name
        case "patient":
            return _("Patient, by the link")
        case "practitioner":
            return _("Practitioner")
        case "public":
            return _("Patient, online")
        case "worker":
            return _("By itself")
    return _("Somebody who is gone")


def _change_words(entry: Entry, zone: str) -> str:
    old, new, what = entry.old, entry.new, entry.what
    if what.get("back"):
        return _("Taken back: %(status)s", status=status_words(new))
    if old == new:
        return _same_status_words(entry, zone)
    match old, new:
        case None, Status.BOOKED if what.get("squeezed"):
            return _("Booked over capacity")
        case Status.PENDING, Status.BOOKED:
            return _("Offer accepted") if entry.by in ("patient", "public") else _("Confirmed")
        case Status.PENDING, Status.CANCELLED if entry.by == "worker":
            return _("Lapsed without an answer")
        case Status.PENDING, Status.CANCELLED if entry.by == "staff":
            return _("Declined")
        case Status.PENDING, Status.CANCELLED:
            return _("Withdrawn")
        case _, Status.CANCELLED:
            return _cancelled_words(what.get("why"))
        case Status.NOSHOW, Status.ARRIVED:
            return _("Came after all")
        case _, Status.CHECKED_IN if what.get("place"):
            return _("Checked in, place %(place)s", place=what["place"])
    return status_words(new)


def _same_status_words(entry: Entry, zone: str) -> str:
    what = entry.what
    moved_from = datetime.fromisoformat(what["moved_from"]) if what.get("moved_from") else None
    before = _until(moved_from, zone)
    if what.get("offered"):
        return _("Offered another time, instead of %(when)s", when=before) if before else _("Offered another time")
    if before:
        return _("Moved, from %(when)s", when=before)
    if what.get("settled") == HEARD:
        return _("Dealt with an answer that does not count")
    if what.get("settled"):
        return _("Looked at and left as it is")
    if what.get("answered"):
        return _answered_words(what["answered"])
    if what.get("details"):
        return _("Told what the clinic changed in its settings")
    if what.get("asked"):
        return _("Asked the patient to choose another time")
    if what.get("extended"):
        return _("%(minutes)s minutes longer", minutes=what["extended"])
    if what.get("place"):
        return _("Moved to place %(place)s", place=what["place"])
    return _("Changed")


def _answered_words(wants: str) -> str:
    match wants:
        case Answer.ACCEPTED:
            return _("Accepted in the calendar")
        case Answer.TENTATIVE:
            return _("Answered maybe in the calendar")
        case Answer.DECLINED:
            return _("Declined in the calendar")
    return _("Another time proposed from the calendar")


def _cancelled_words(why: str | None) -> str:
    match why:
        case Why.PATIENT:
            return _("Cancelled: the patient phoned")
        case Why.CLINIC:
            return _("Cancelled by the clinic")
    return _("Cancelled")


@dataclass(frozen=True, slots=True)
class Post:
    """A message about a visit as a line of what was told to whom."""

    at: datetime | None  # when it was sent, is to be sent, or was told
    to: str
    what: str
    state: str
    has_failed: bool


def mailed(mail: Mail, zone: str) -> Post:
    """A message about a visit: to whom, what, and how far it has come."""
    to = {
        Recipient.PATIENT.value: mail.address or _("Patient"),
        Recipient.PRACTITIONER.value: _("Practitioner"),
        Recipient.CLINIC.value: _("Clinic"),
    }.get(mail.role, mail.address)
    has_failed = mail.state == "failed" and mail.phoned_at is None
    at = mail.phoned_at or mail.ended_at or mail.due_at
    return Post(at, to, kind_words(Kind(mail.kind)), _state_words(mail, zone), has_failed)


def _state_words(mail: Mail, zone: str) -> str:
    if mail.phoned_at is not None:
        return _("Told by phone by %(name)s", name=mail.phoned_by or _("the desk"))
    match mail.state:
        case "queued":
            return _("Waits to be sent, at %(time)s", time=i18n.clock(mail.due_at, zone))
        case "sent":
            return _("Sent")
        case "superseded":
            return _("Not sent: a later one says it")
    if mail.role != Recipient.PATIENT:
        return _("Could not be sent")
    return _("Could not be sent, please phone") if mail.address else _("No e-mail address, please phone")


def kind_words(kind: Kind) -> str:
    """What a message says, in a word or two."""
    match kind:
        case Kind.REQUESTED:
            return _("Request received")
        case Kind.BOOKED:
            return _("Invite")
        case Kind.CONFIRMED:
            return _("Confirmed, with invite")
        case Kind.OFFERED:
            return _("Another time offered")
        case Kind.MOVED:
            return _("Moved")
        case Kind.CHANGED:
            return _("Changed")
        case Kind.CANCELLED | Kind.CALLED_OFF:
            return _("Cancelled")
        case Kind.MISTAKE:
            return _("Entered by mistake")
        case Kind.DECLINED:
            return _("Declined")
        case Kind.LAPSED:
            return _("Not answered in time")
        case Kind.NOT_MOVED:
            return _("Stays where it is")
        case Kind.CHOOSE:
            return _("Please choose another time")
        case Kind.REMINDER:
            return _("Reminder")
        case Kind.REPLACED:
            return _("Somebody else's visit now")
        case Kind.ELSEWHERE:
            return _("Goes to another address now")
    return _("Mail")


def call_words(call: Call, service: str) -> str:
    """What a patient is to be told by phone."""
    visit = call.visit
    facts = {"when": _until(visit.starts_at, visit.zone), "who": call.practitioner, "service": service}
    match call.kind:
        case Kind.CONFIRMED:
            return _("Their request is confirmed: %(service)s on %(when)s with %(who)s.", **facts)
        case Kind.OFFERED:
            facts["until"] = _until(visit.lapses_at, visit.zone)
            return _(
                "The time they asked for is not possible. %(when)s with %(who)s is held for them until %(until)s: "
                "do they take it?",
                **facts,
            )
        case Kind.MOVED:
            facts["was"] = _until(call.was.starts_at, visit.zone) if call.was else ""
            if facts["was"]:
                return _("Their visit has moved from %(was)s to %(when)s with %(who)s.", **facts)
            return _("Their visit has moved to %(when)s with %(who)s.", **facts)
        case Kind.CHANGED:
            return _("Their visit on %(when)s stays, and is with %(who)s.", **facts)
        case Kind.CALLED_OFF:
            return _("The clinic has to cancel their visit on %(when)s with %(who)s.", **facts)
        case Kind.MISTAKE:
            return _("Their visit on %(when)s was entered by mistake and is not booked.", **facts)
        case Kind.DECLINED:
            return _("Their request for %(when)s is declined.", **facts)
        case Kind.LAPSED:
            return _("Their request for %(when)s was not answered in time. Nothing is booked.", **facts)
        case Kind.NOT_MOVED:
            return _("The time they proposed is not possible. Their visit stays on %(when)s with %(who)s.", **facts)
        case Kind.CHOOSE:
            return _("Their visit on %(when)s with %(who)s can't take place. Which other time do they want?", **facts)
        case Kind.REQUESTED:
            return _("Their request for %(when)s has arrived and waits for an answer.", **facts)
    return _("Their visit is on %(when)s with %(who)s. The mail about it did not arrive: ask for the address.", **facts)


def moved_words(visit: Appointment, patient: Patient, told: Told | None, *, is_back: bool) -> str:
    """Where a moved visit stands now, and whether a mail about it waits."""
    facts = {
        "name": patient.name,
        "day": i18n.short_day(visit.starts_at, visit.zone),
        "time": i18n.clock(visit.starts_at, visit.zone),
    }
    if is_back:
        return _("The visit of %(name)s is back at %(day)s, %(time)s.", **facts)
    said = _("%(name)s now comes on %(day)s, %(time)s.", **facts)
    if patient.email is None:
        phone = i18n.phone(patient.phone) if patient.phone else ""
        return f"{said} {_('They have no e-mail: please phone %(phone)s.', phone=phone)}" if phone else said
    if told and told.state == "queued":
        return f"{said} {_('They are told by e-mail in a moment, unless you undo it.')}"
    return said


def stands_words(visit: Appointment, patient: Patient, practitioner: str) -> str:
    """That somebody else changed a visit first, and how it stands now."""
    return _(
        "Nothing was changed: somebody else changed the visit of %(name)s. It is now %(status)s, %(day)s, %(time)s "
        "with %(who)s.",
        name=patient.name,
        status=status_words(Status(visit.status)),
        day=i18n.short_day(visit.starts_at, visit.zone),
        time=i18n.clock(visit.starts_at, visit.zone),
        who=practitioner,
    )


def counts(statuses: Iterable[str], late: int) -> list[str]:
    """A day in a line: how many visits have which status, how many are late; only what there is."""
    by_status = Counter(statuses)
    came = by_status[Status.ARRIVED] + by_status[Status.CHECKED_IN]
    pairs = [
        (by_status[Status.BOOKED], _("%(count)s booked", count=by_status[Status.BOOKED])),
        (late, _("%(count)s late", count=late)),
        (came, _("%(count)s here", count=came)),
        (by_status[Status.FULFILLED], _("%(count)s done", count=by_status[Status.FULFILLED])),
        (by_status[Status.PENDING], ngettext("%(num)s request", "%(num)s requests", by_status[Status.PENDING])),
        (by_status[Status.NOSHOW], _("%(count)s did not come", count=by_status[Status.NOSHOW])),
        (by_status[Status.CANCELLED], _("%(count)s cancelled", count=by_status[Status.CANCELLED])),
    ]
    return [said for count, said in pairs if count]


def closure_words(name: str) -> str:
    """What stands over closed time on the board."""
    return _("Closed: %(name)s", name=name) if name else _("Closed")


def time_off_words(name: str) -> str:
    """What stands over a practitioner's time off on the board."""
    return _("Off: %(name)s", name=name) if name else _("Off")
