"""The audit's words: what was done, and by what kind of caller."""

from __future__ import annotations

from flask_babel import gettext as _

from booking.domain.audit import Action


def action_words(action: str) -> str:
    """What was done; a code without words as it is."""
    return WORDS[Action(action)]() if action in WORDS else action


WORDS = {
    Action.REQUESTED: lambda: _("Asked for a visit"),
    Action.BOOKED: lambda: _("Booked a visit"),
    Action.CONFIRMED: lambda: _("Confirmed a request"),
    Action.DECLINED: lambda: _("Declined a request"),
    Action.LAPSED: lambda: _("Ended a request that nobody answered"),
    Action.OFFERED: lambda: _("Offered another time"),
    Action.MOVED: lambda: _("Moved a visit"),
    Action.CHANGED: lambda: _("Changed a visit"),
    Action.SETTLED: lambda: _("Left a marked visit as it is"),
    Action.ANSWERED: lambda: _("Answered an invite from the calendar"),
    Action.ARRIVED: lambda: _("Marked a patient as arrived"),
    Action.CHECKED_IN: lambda: _("Checked a patient in"),
    Action.FULFILLED: lambda: _("Marked a visit as done"),
    Action.CANCELLED: lambda: _("Cancelled a visit"),
    Action.NOSHOW: lambda: _("Noted that a patient did not come"),
    Action.ENTERED_IN_ERROR: lambda: _("Marked a visit as entered in error"),
    Action.REOPENED: lambda: _("Took a step of a visit back"),
    Action.TOLD_BY_PHONE: lambda: _("Told a patient by phone"),
    Action.NOT_TOLD_BY_PHONE: lambda: _("Took back that a patient was told by phone"),
    Action.PATIENT_ADDED: lambda: _("Added a patient"),
    Action.PATIENT_CHANGED: lambda: _("Changed a patient’s record"),
    Action.PATIENT_MERGED: lambda: _("Merged two patient records"),
    Action.PATIENT_UNMERGED: lambda: _("Took a merge of two records back"),
    Action.PATIENTS_TOLD_APART: lambda: _("Said that two records are two people"),
    Action.NOTE_WRITTEN: lambda: _("Wrote a note about a patient"),
    Action.NOTE_REMOVED: lambda: _("Removed a note about a patient"),
    Action.SETTINGS_CHANGED: lambda: _("Changed the settings"),
    Action.CLINIC_LOADED: lambda: _("Loaded the clinic’s file"),
    Action.TIME_OFF_ADDED: lambda: _("Added time off"),
    Action.TIME_OFF_REMOVED: lambda: _("Took time off back"),
    Action.STAFF_INVITED: lambda: _("Invited somebody to the staff"),
    Action.STAFF_ROLE_CHANGED: lambda: _("Changed somebody’s role"),
    Action.STAFF_REMOVED: lambda: _("Dismissed somebody from the staff"),
    Action.SIGNED_IN: lambda: _("Signed in"),
    Action.SIGNED_OUT: lambda: _("Signed out"),
    Action.SIGN_IN_FAILED: lambda: _("Failed to sign in"),
    Action.PASSWORD_CHANGED: lambda: _("Changed a password"),
    Action.FACTOR_ADDED: lambda: _("Added a second factor"),
    Action.FACTOR_REMOVED: lambda: _("Removed a second factor"),
    Action.KEY_CREATED: lambda: _("Made an API key"),
    Action.KEY_REVOKED: lambda: _("Revoked an API key"),
    Action.FEED_MADE: lambda: _("Made a calendar feed"),
    Action.FEED_RENEWED: lambda: _("Gave a calendar feed a new address"),
    Action.FEED_CHANGED: lambda: _("Changed how much a calendar feed tells"),
    Action.FEED_ENDED: lambda: _("Ended a calendar feed"),
    Action.CALENDAR_ADDED: lambda: _("Let a practitioner’s own calendar block their time"),
    Action.CALENDAR_REMOVED: lambda: _("Removed a practitioner’s own calendar"),
    Action.SEEN: lambda: _("Looked at a record"),
    Action.AUDIT_EXPORTED: lambda: _("Exported the audit"),
    Action.CLINIC_EXPORTED: lambda: _("Exported all data of the clinic"),
    Action.PATIENT_EXPORTED: lambda: _("Exported a patient’s data"),
    Action.PATIENT_ERASED: lambda: _("Erased a patient’s data"),
}


def kind_words(kind: str) -> str:
    """Who did something, where it was nobody of the staff."""
    match kind:
        case "patient":
            return _("A patient")
        case "public":
            return _("Somebody online, not signed in")
        case "key":
            return _("A program with an API key")
        case "worker":
            return _("The booking system")
    return _("Somebody of the staff")
