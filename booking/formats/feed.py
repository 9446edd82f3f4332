"""Feeds as iCalendar: events written one by one, once for each change, and joined (RFC 5545, RFC 7986).

No METHOD, no ATTENDEE, no alarm: who subscribes to a feed is not asked to anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from icalendar import Event, vText, vUri

from booking.domain.appointment import OVER, Status
from booking.domain.feed import Detail, Kind
from booking.domain.message import Visit
from booking.formats import ical, words

REFRESH = timedelta(hours=1)
ANY_ZONE = "Etc/GMT"  # for a calendar without events in a zone that no VTIMEZONE can say: it has to have something


class Block(NamedTuple):
    """A VEVENT as it stands in a feed, and the zone that its times may be in."""

    text: str
    zone: str


def block(visit: Visit, status: Status, *, kind: Kind, detail: Detail, room: str = "") -> Block:
    """The event of a visit in a feed of this kind. The same UID as in the mails.

    A patient's feed says what the invite says. The others say who comes only as far as `detail` goes, and the service
    only by its public name and beside a name; `manage_url` is then the desk's page of the visit.
    """
    written = _as_invited(visit, status) if kind is Kind.PATIENT else _for_staff(visit, status, kind, detail, room)
    if status in OVER:
        written["transp"] = vText("TRANSPARENT")
    return Block(written.to_ical(sorted=False).decode(), visit.zone)


def calendar(name: str, home: str, blocks: Sequence[Block], *, year: int) -> bytes:
    """The feed: `name` is what calendars call it, `home` the zone of whom it is of, `year` the present one."""
    zones = frozenset(found.zone for found in blocks) | {home}
    body = "".join([found.text for found in blocks])
    return f"{_head(name, home, zones, year)}{body}END:VCALENDAR\r\n".encode()


def name(kind: Kind, subject: str, clinic: str, lang: str) -> str:
    """What a feed is called in its reader's list of calendars; a patient's by the clinic alone."""
    _ = words.translations(lang).gettext
    if kind is Kind.PATIENT:
        return _("Visits at %(clinic)s") % {"clinic": ical.line(clinic)}
    return f"{ical.line(subject)}, {ical.line(clinic)}"


def webcal(address: str) -> str:
    """The address as a link that opens in the reader's calendar program."""
    return f"webcal://{address.partition('://')[2]}"


def google(address: str) -> str:
    """The address as a link that subscribes to it in Google Calendar."""
    return f"https://calendar.google.com/calendar/r?cid={quote(webcal(address), safe='')}"


@lru_cache(maxsize=256)
def _head(name: str, home: str, zones: Collection[str], year: int) -> str:
    found = ical.empty()
    # Said to be texts, or they would not be escaped.
    found.add("name", vText(name))
    found.add("x-wr-calname", vText(name))
    found.add("x-wr-timezone", home)
    found.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    found.add("x-published-ttl", "PT1H")
    rules = [rule for zone in sorted(zones) if (rule := _rule(zone, year))] or [ical.timezone(ANY_ZONE, year) or ""]
    text = str(found.to_ical(sorted=False).decode())
    return text.removesuffix("END:VCALENDAR\r\n") + "".join(rules)


def _rule(zone: str, year: int) -> str | None:
    """The VTIMEZONE of a zone, if events of this year or its neighbours may refer to it."""
    return ical.timezone(zone, year) or ical.timezone(zone, year - 1) or ical.timezone(zone, year + 1)


def _as_invited(visit: Visit, status: Status) -> Event:
    return ical.event(
        visit,
        summary=_titled(visit, status, ical.title(visit)),
        said=ical.description(visit),
        stamp=visit.updated_at,
        status=_status(status),
    )


def _for_staff(visit: Visit, status: Status, kind: Kind, detail: Detail, room: str) -> Event:
    _ = words.translations(visit.head.lang).gettext
    said = _whose(visit, detail)
    if kind is not Kind.PRACTITIONER:
        said = f"{said}, {ical.line(visit.practitioner)}"
    found = ical.plain_event(
        visit, summary=_titled(visit, status, said), stamp=visit.updated_at, status=_status(status)
    )
    found.add("location", ical.line(f"{visit.location}, {room}" if room else visit.location))
    if detail is not Detail.BUSY:
        found.add("url", vUri(visit.manage_url))
        found.add("description", _("Open at the desk: %(link)s") % {"link": visit.manage_url})
    return found


def _whose(visit: Visit, detail: Detail) -> str:
    _ = words.translations(visit.head.lang).gettext
    patient = ical.line(visit.patient)
    match detail:
        case Detail.BUSY:
            return _("Busy")
        case Detail.INITIALS:
            return _("Visit: %(initials)s, %(reference)s") % {
                "initials": words.initials(patient),
                "reference": visit.reference,
            }
    return f"{patient}, {ical.line(visit.public_name)}" if visit.public_name else patient


def _titled(visit: Visit, status: Status, said: str) -> str:
    """Some calendars show no STATUS, so the title says it too."""
    _ = words.translations(visit.head.lang).gettext
    if status in OVER:
        return _("Cancelled: %(title)s") % {"title": said}
    return _("Requested: %(title)s") % {"title": said} if status == Status.PENDING else said


def _status(status: Status) -> str:
    if status in OVER:
        return "CANCELLED"
    return "TENTATIVE" if status == Status.PENDING else "CONFIRMED"
