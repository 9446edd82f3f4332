"""Ways to put one visit into somebody's calendar by hand: links that open its form filled in.

They leave our house in the address, and stand in the browser's history: title, time, place, whom with and the phone,
as the invite has them, but not the link that may change the visit.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from urllib.parse import quote, urlencode

from booking.domain.message import Visit
from booking.formats import ical, words

LONGEST = 2000  # characters of an address: some browsers and servers cut off or refuse longer ones


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
    return _address(
        "https://calendar.google.com/calendar/render?",
        action="TEMPLATE",
        text=ical.title(visit),
        dates=f"{visit.starts_at.astimezone(UTC):%Y%m%dT%H%M%SZ}/{visit.ends_at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        location=ical.where(visit),
        details=_said(visit),
    )


def _outlook(host: str, visit: Visit) -> str:
    return _address(
        f"https://{host}/calendar/0/deeplink/compose?",
        path="/calendar/action/compose",
        rru="addevent",
        subject=ical.title(visit),
        startdt=_instant(visit.starts_at),
        enddt=_instant(visit.ends_at),
        location=ical.where(visit),
        body=_said(visit),
    )


def _address(form: str, **values: str) -> str:
    """The form filled in. The last value is a text that is cut where the address would become too long.

    A letter of another alphabet takes six or nine characters of an address.
    """
    text = values.popitem()
    found = form + _query(**values)
    return found + "&" + _query(**{text[0]: _cut(text[1], LONGEST - len(found) - len(f"&{text[0]}="))})


def _cut(text: str, room: int) -> str:
    """The text, or as much of it as fits if it is quoted."""
    ends = list(accumulate(len(quote(char, safe="")) for char in text))
    if not ends or ends[-1] <= room:
        return text
    return text[: bisect_right(ends, room - len(quote("…")))] + "…"


def _query(**values: str) -> str:
    # Outlook shows a plus sign where others read a space.
    return urlencode(values, quote_via=quote)


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _said(visit: Visit) -> str:
    _ = words.translations(visit.head.lang).gettext
    who = _("With %(practitioner)s.") % {"practitioner": ical.line(visit.practitioner)} if visit.practitioner else ""
    reference = _("Reference: %(reference)s") % {"reference": visit.reference}
    return ical.described(visit, who=who, link=reference)
