"""The desk's words for the codes that the program keeps: statuses, reasons, marks, how far a mail has come."""

from __future__ import annotations

from datetime import datetime

from flask_babel import gettext as _

from booking.domain.appointment import Status
from booking.domain.availability import Reason, ReasonCode
from booking.domain.message import Kind
from booking.store.appointment import Appointment
from booking.store.board import Told
from booking.store.patient import Patient
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
        case "queued":
            return _("Invite waits to be sent") if is_invite else _("Mail waits to be sent")
        case "failed":
            return _("Invite could not be sent, please phone") if is_invite else _("Mail failed, please phone")
    return _("Invite sent") if is_invite else _("Mail sent")


def mark_words(mark: str) -> str:
    """Why a visit is marked for the desk."""
    if mark == "stranded":
        return _("The clinic's hours or rooms changed: this visit no longer fits them. Move it, or leave it as it is.")
    return _("Please look at this visit.")


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


def _until(until: datetime | None, zone: str) -> str:
    if until is None:
        return ""
    return _("%(day)s, %(time)s", day=i18n.short_day(until, zone), time=i18n.clock(until, zone))
