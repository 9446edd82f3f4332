"""Why a time is not on offer, each reason with the way to its cause: a visit, the hours, a closure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import current_app, g, url_for
from flask_babel import gettext as _

from booking.domain.availability import Location, Plan, Practitioner, Reason, ReasonCode, Service
from booking.store import takers
from booking.store.takers import Taker
from booking.web import i18n
from booking.web.access import guard_of
from booking.web.desk import words

FULL = frozenset({ReasonCode.TAKEN, ReasonCode.ROOM_FULL, ReasonCode.BUSY_OUTSIDE})


@dataclass(frozen=True, slots=True)
class Way:
    """A line that leads to a cause; without an address it says all that there is to see."""

    said: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    said: str
    ways: tuple[Way, ...] = ()


def of(
    reasons: Iterable[Reason], plan: Plan, service: Service, who: Practitioner, place: Location | None
) -> list[Cause]:
    """The reasons of one practitioner's time in words, with what is behind them; the location names the zone."""
    zone = (place or next(iter(plan.locations.values()))).zone
    return [
        Cause(words.reason_words(reason, who.name, zone), tuple(_ways(reason, plan, service, who, zone)))
        for reason in reasons
    ]


def is_full(reasons: list[Reason]) -> bool:
    """Whether nothing but other visits stands in the way, so that somebody could be squeezed in."""
    return bool(reasons) and {reason.code for reason in reasons} <= FULL


def affected(reasons: Iterable[Reason]) -> list[Taker]:
    """Whose time a visit would share that is squeezed in, each once, by start."""
    return takers.of(g.clinic.id, [pair for reason in reasons for pair in reason.full], g.now)


def way_to(taker: Taker, plan: Plan, zone: str) -> Way:
    """Somebody's visit, with its time, practitioner and room; or until when a form may still be sent."""
    span = _("%(start)s–%(end)s", start=i18n.clock(taker.starts_at, zone), end=i18n.clock(taker.ends_at, zone))
    who, room = plan.practitioners.get(taker.practitioner or 0), plan.rooms.get(taker.room or 0)
    where = ", ".join(actor.name for actor in (who, room) if actor)
    if taker.public_id is None:
        until = i18n.clock(taker.until or taker.ends_at, zone)
        return Way(_("Held until %(until)s for a patient who fills in the form: %(span)s", until=until, span=span))
    said = _("%(patient)s, %(span)s, %(where)s", patient=taker.patient, span=span, where=where)
    return Way(said, url_for("desk.visit", id=taker.public_id))


def _ways(reason: Reason, plan: Plan, service: Service, who: Practitioner, zone: str) -> list[Way]:
    code = ReasonCode
    match reason.code:
        case code.TAKEN | code.ROOM_FULL:
            return [way_to(taker, plan, zone) for taker in affected([reason])]
        case code.CLOSED | code.TOO_LONG:
            return _setting(_("Hours of %(name)s", name=who.name), "admin.hours", entry=who.slug)
        case code.TIME_OFF:
            return _setting(_("Time off of %(name)s", name=who.name), "admin.time_off", entry=who.slug)
        case code.BUSY_OUTSIDE:
            return _setting(_("Own calendar of %(name)s", name=who.name), "desk.calendars")
        case code.CLOSURE | code.ROOM_CLOSED:
            return _setting(_("Closures"), "admin.closures")
        case code.TOO_SOON | code.TOO_FAR:
            return _setting(_("Rules for booking"), "admin.single", name="rules")
        case code.NOT_OFFERED:
            return _setting(who.name, "admin.entry", kind="practitioners", entry=who.slug)
        case code.NOT_ONLINE | code.NEW_PATIENTS_ONLY | code.FIRST_VISIT_FIRST | code.NO_ROOM | code.OFF_GRID:
            return _setting(service.name, "admin.entry", kind="services", entry=service.slug)
    return []


def _setting(said: str, endpoint: str, **values: Any) -> list[Way]:
    """The page where it is set, for those who may open it."""
    if g.caller.role not in guard_of(current_app, endpoint).names:
        return []
    return [Way(said, url_for(endpoint, **values))]
