"""Invites (iTIP, RFC 5546): a visit asked of one recipient's calendar, changed there or taken out again.

The bytes depend on the visit and its addressee alone: SEQUENCE and DTSTAMP are the visit's, never the clock's.
"""

from __future__ import annotations

import re
from datetime import timedelta

import idna
from icalendar import Alarm, Calendar, Event, vCalAddress, vText

from booking.domain.message import Addressee, Method, Recipient, Visit
from booking.formats import ical, words

_ADDRESS = re.compile(r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64})@([\w.-]{1,255})")
ALARM = timedelta(days=-1)


class BadAddress(ValueError):
    """What should be one e-mail address is none, or more than one."""


def address(text: str) -> str:
    """The one bare e-mail address that the text is, in ASCII (a domain in another script as IDNA).

    Raises BadAddress for anything else: `a@x, b@y` would be two recipients to a mail library.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise BadAddress
    try:
        # Not Python's own codec: its older rules turn faß.example into fass.example, which is somebody else's.
        return f"{match[1]}@{idna.encode(match[2]).decode('ascii')}"
    except UnicodeError:
        raise BadAddress from None


def request(visit: Visit, to: Addressee) -> bytes:
    """Ask for the visit in the addressee's calendar; the same UID with a later DTSTAMP changes the event there."""
    event = _event(visit, to, status="CONFIRMED")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", ical.line(_title(visit, to)))
    alarm.add("trigger", ALARM)
    event.add_component(alarm)
    return _object(Method.REQUEST, visit, event)


def cancel(visit: Visit, to: Addressee) -> bytes:
    """Take the visit out of the addressee's calendar. Its SEQUENCE must be higher than the last REQUEST's.

    Without an alarm, as RFC 5546 (3.2.5) wants.
    """
    return _object(Method.CANCEL, visit, _event(visit, to, status="CANCELLED"))


def decline_counter(visit: Visit, to: Addressee) -> bytes:
    """Tell the addressee's calendar that the visit stays where it is, though they proposed another time."""
    return _object(Method.DECLINECOUNTER, visit, _event(visit, to, status="CONFIRMED"))


def _object(method: Method, visit: Visit, event: Event) -> bytes:
    calendar: Calendar = ical.empty(method)
    ical.add_zone(calendar, visit)
    calendar.add_component(event)
    return bytes(calendar.to_ical(sorted=False))


def _event(visit: Visit, to: Addressee, *, status: str) -> Event:
    event = ical.event(
        visit, summary=_title(visit, to), said=_description(visit, to), stamp=visit.stamped_at, status=status
    )
    # The same address as in From: receivers drop an organizer that did not send the mail (RFC 6047, 3).
    event.add("organizer", _person(visit.head.sender, visit.head.clinic))
    attendee = _person(to.address, to.name)
    attendee.params["CUTYPE"] = vText("INDIVIDUAL")
    attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
    attendee.params["PARTSTAT"] = vText("NEEDS-ACTION")
    attendee.params["RSVP"] = vText("TRUE")
    event.add("attendee", attendee)
    return event


def _title(visit: Visit, to: Addressee) -> str:
    """The event's title: the clinic for the patient; initials and reference for the practitioner, whose own
    calendar is copied to phones and shared with a household."""
    if to.role is not Recipient.PRACTITIONER:
        return ical.title(visit)
    _ = words.translations(visit.head.lang).gettext
    return _("Visit: %(initials)s, %(reference)s") % {
        "initials": words.initials(ical.line(visit.patient)),
        "reference": visit.reference,
    }


def _description(visit: Visit, to: Addressee) -> str:
    if to.role is not Recipient.PRACTITIONER:
        return ical.description(visit)
    _ = words.translations(visit.head.lang).gettext
    return ical.described(visit, link=_("Open at the desk: %(link)s") % {"link": visit.manage_url})


def _person(email: str, name: str) -> vCalAddress:
    person = vCalAddress(f"mailto:{address(email)}")
    person.params["CN"] = vText(ical.parameter(name) or email)
    return person
