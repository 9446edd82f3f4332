"""The audit's codes: what was done, and to what. Words for them are the desk's.

An entry names its object as `kind:id`: `appointment:` with the public id, `patient:`, `staff:` and `key:` with the
row's; without one it is about the clinic. Facts hold field names, ids and codes, never anything that a person said,
is called or has.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from booking.domain.appointment import Status


class Action(StrEnum):
    """What an entry says was done. A code that is missing here is kept and shown as it is."""

    REQUESTED = "appointment.requested"
    BOOKED = "appointment.booked"
    CONFIRMED = "appointment.confirmed"
    DECLINED = "appointment.declined"
    LAPSED = "appointment.lapsed"
    OFFERED = "appointment.offered"
    MOVED = "appointment.moved"
    CHANGED = "appointment.changed"
    SETTLED = "appointment.settled"
    ANSWERED = "appointment.answered"  # from a calendar
    ARRIVED = "appointment.arrived"
    CHECKED_IN = "appointment.checked-in"
    FULFILLED = "appointment.fulfilled"
    CANCELLED = "appointment.cancelled"
    NOSHOW = "appointment.noshow"
    ENTERED_IN_ERROR = "appointment.entered-in-error"
    REOPENED = "appointment.reopened"  # a step of the visit's life was taken back
    TOLD_BY_PHONE = "appointment.told-by-phone"
    NOT_TOLD_BY_PHONE = "appointment.not-told-by-phone"
    PATIENT_ADDED = "patient.added"
    PATIENT_CHANGED = "patient.changed"
    PATIENT_MERGED = "patient.merged"
    PATIENT_UNMERGED = "patient.unmerged"
    PATIENTS_TOLD_APART = "patient.told-apart"
    NOTE_WRITTEN = "patient.note-written"
    NOTE_REMOVED = "patient.note-removed"
    SETTINGS_CHANGED = "settings.changed"
    CLINIC_LOADED = "settings.loaded"  # from a clinic file
    TIME_OFF_ADDED = "settings.time-off-added"
    TIME_OFF_REMOVED = "settings.time-off-removed"
    STAFF_INVITED = "staff.invited"
    STAFF_ROLE_CHANGED = "staff.role-changed"
    STAFF_REMOVED = "staff.removed"
    SIGNED_IN = "staff.signed_in"
    SIGNED_OUT = "staff.signed_out"
    SIGN_IN_FAILED = "staff.sign-in-failed"
    PASSWORD_CHANGED = "staff.password-changed"
    FACTOR_ADDED = "staff.factor-added"
    FACTOR_REMOVED = "staff.factor-removed"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    FEED_MADE = "feed.made"
    FEED_RENEWED = "feed.renewed"
    FEED_CHANGED = "feed.changed"  # how much it tells
    FEED_ENDED = "feed.ended"
    CALENDAR_ADDED = "calendar.added"  # a practitioner's own, elsewhere
    CALENDAR_REMOVED = "calendar.removed"
    SEEN = "record.seen"
    AUDIT_EXPORTED = "audit.exported"
    CLINIC_EXPORTED = "clinic.exported"
    PATIENT_EXPORTED = "patient.exported"
    PATIENT_ERASED = "patient.erased"


class Kind(StrEnum):
    """What an entry's object is."""

    APPOINTMENT = "appointment"
    PATIENT = "patient"
    STAFF = "staff"
    DAY = "day"  # a day sheet, by its date


def thing(kind: Kind, id: int | str) -> str:
    """The object of an entry: "appointment:7k4m…"."""
    return f"{kind.value}:{id}"


S = Status
STEPS: dict[Status, Action] = {
    S.PENDING: Action.REQUESTED,
    S.BOOKED: Action.BOOKED,
    S.ARRIVED: Action.ARRIVED,
    S.CHECKED_IN: Action.CHECKED_IN,
    S.FULFILLED: Action.FULFILLED,
    S.CANCELLED: Action.CANCELLED,
    S.NOSHOW: Action.NOSHOW,
    S.ENTERED_IN_ERROR: Action.ENTERED_IN_ERROR,
}
ONWARD = (S.PENDING, S.BOOKED, S.ARRIVED, S.CHECKED_IN, S.FULFILLED)


def of_visit(old: Status | None, new: Status, by: str, what: Collection[str]) -> Action:
    """What happened to a visit that went from `old` (None: it is new) to `new`, by a kind of caller.

    `what` names what is known of the change beside its statuses: offered, settled, answered, moved_from.
    """
    if old is None:
        return STEPS[new]
    if old == new:
        named = {
            "offered": Action.OFFERED,
            "settled": Action.SETTLED,
            "answered": Action.ANSWERED,
            "moved_from": Action.MOVED,
        }
        return next((action for name, action in named.items() if name in what), Action.CHANGED)
    if old == S.PENDING:
        ended = {"worker": Action.LAPSED, "staff": Action.DECLINED}
        return {S.BOOKED: Action.CONFIRMED, S.CANCELLED: ended.get(by, Action.CANCELLED)}.get(new, STEPS[new])
    goes_back = new in ONWARD and (old not in ONWARD or ONWARD.index(new) < ONWARD.index(old))
    is_late = old == S.NOSHOW and new == S.ARRIVED
    return Action.REOPENED if goes_back and not is_late else STEPS[new]
