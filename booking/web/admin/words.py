"""The settings' words for what the file's reader finds wrong, for why a visit would be stranded, and for values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from babel.dates import format_date, format_datetime
from flask_babel import gettext as _

from booking.domain.availability import ReasonCode
from booking.formats.clinic_file import Fault
from booking.web import i18n

SHOWN = 80  # characters of a value


def fault_words(fault: Fault) -> str:
    """What is wrong with an entry, as one sentence. What a file would be told is put as a form needs it."""
    key = next((part for part in reversed(fault.path) if isinstance(part, str)), "")
    if key == "days":
        return _("Tick at least one day.")
    if fault.expected.startswith("days such as"):
        return _("Tick at least one day.")
    match key, fault.expected:
        case "slug", "a slug of its own":
            return _("Something else has this name in its address. Choose another one.")
        case "since", _words if "weeks" in fault.expected:
            return _("Give a day since when: the weeks are counted from its week.")
        case "until", _words if "since" in fault.expected:
            return _("The last day can't be before the first.")
        case "to", "an end after the beginning":
            return _("The end has to come after the beginning.")
        case (("from" | "to" | "on"), _words) if "2026-" in fault.expected:
            return _("Choose a day. Times are in whole five minutes.")
        case (("from" | "to"), _words):
            return _("Give a time in whole five minutes, such as 09:00.")
        case (("since" | "until"), _words):
            return _("Choose a day.")
        case "email", _words if "invites" in fault.expected:
            return _("Give an e-mail address for the invites.")
        case (("stages" | "new_patient_stages"), _words) if "nobody" in fault.found:
            return _("Let the practitioner be busy in one stage at least, or choose a room.")
        case (("stages" | "new_patient_stages"), _words) if fault.found == "nothing":
            return _("Give at least one stage.")
        case "first_visit", _words if fault.found == "nothing":
            return _("Choose what new patients book first.")
    if fault.found == "nothing":
        return _("Fill this in: %(expected)s.", expected=fault.expected)
    if fault.nearest:
        return _("Expected %(expected)s. Did you mean “%(nearest)s”?", expected=fault.expected, nearest=fault.nearest)
    return _("Expected %(expected)s.", expected=fault.expected)


def stranding_words(code: ReasonCode) -> str:
    """Why a visit would have no room in the new settings."""
    match code:
        case ReasonCode.NOT_OFFERED:
            return _("its practitioner would not give this service there any more")
        case ReasonCode.CLOSED:
            return _("outside the practitioner's hours")
        case ReasonCode.TIME_OFF:
            return _("in the practitioner's time off")
        case ReasonCode.CLOSURE:
            return _("the clinic would be closed")
        case ReasonCode.ROOM_CLOSED:
            return _("its room would be closed")
        case ReasonCode.ROOM_FULL:
            return _("its room would have too few places")
    return _("its room would not be for this service any more")


def value_words(value: Any) -> str:
    """A value of the file, short, so that what others changed can be told."""
    said = _value(value)
    return said if len(said) <= SHOWN else said[: SHOWN - 1] + "…"


def _value(value: Any) -> str:
    match value:
        case None | [] | "":
            return _("nothing")
        case bool():
            return _("yes") if value else _("no")
        case datetime():
            return str(format_datetime(value, "short", locale=i18n.locale()))
        case date():
            return str(format_date(value, "medium", locale=i18n.locale()))
        case list():
            return "; ".join(map(_value, value))
        case Mapping():
            return ", ".join(_value(part) for key, part in value.items() if key != "slug" or "name" not in value)
    return str(value)
