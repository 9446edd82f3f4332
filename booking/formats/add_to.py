"""Ways to put one visit into somebody's calendar by hand: links that open its form filled in.

They leave our house in the address, and stand in the browser's history: title, time, place, whom with and the phone,
as the invite has them, but not the link that may change the visit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from booking.domain.message import Visit
from booking.formats import ical, words

LONGEST = 700  # characters of text: some browsers and servers cut addresses off at 2,000


@dataclass(frozen=True, slots=True)
class AddTo:
    """A calendar's name, and where it takes the visit."""

    name: str
    url: str


def links(visit: Visit) -> tuple[AddTo, ...]:
    """The calendars that take a visit by an address."""
    return (
        AddTo("Google Calendar", _google(visit)),
        AddTo("Outlook.com", _outlook("outlook.live.com", visit)),
        AddTo("Microsoft 365", _outlook("outlook.office.com", visit)),
    )


def _google(visit: Visit) -> str:
    return "https://calendar.google.com/calendar/render?" + _query(
        action="TEMPLATE",
        text=ical.title(visit),
        dates=f"{visit.starts_at.astimezone(UTC):%Y%m%dT%H%M%SZ}/{visit.ends_at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        details=_said(visit),
        location=ical.where(visit),
    )


def _outlook(host: str, visit: Visit) -> str:
    return f"https://{host}/calendar/0/deeplink/compose?" + _query(
        path="/calendar/action/compose",
        rru="addevent",
        subject=ical.title(visit),
        startdt=_instant(visit.starts_at),
        enddt=_instant(visit.ends_at),
        body=_said(visit),
        location=ical.where(visit),
    )


def _query(**values: str) -> str:
    # Outlook shows a plus sign where others read a space.
    return urlencode(values, quote_via=quote)


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _said(visit: Visit) -> str:
    _ = words.translations(visit.head.lang).gettext
    who = _("With %(practitioner)s.") % {"practitioner": ical.line(visit.practitioner)} if visit.practitioner else ""
    reference = _("Reference: %(reference)s") % {"reference": visit.reference}
    said = ical.described(visit, who=who, link=reference)
    return said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"
