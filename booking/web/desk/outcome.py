"""What the page after a deed says about it.

It is told from how the visit stands now, by its id in the address: nothing about a patient goes into a cookie, and
loading the page again says nothing wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.appointment import Status
from booking.domain.errors import NotFound
from booking.domain.time import local
from booking.store.appointment import Appointment
from booking.web.desk import visits, words


class Deed(StrEnum):
    """What a button of the desk does; it stands in the address of the page that follows."""

    CONFIRMED = "confirmed"
    OFFERED = "offered"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Outcome:
    said: str
    is_done: bool


def show(deed: Deed, visit: Appointment) -> ResponseReturnValue:
    """To the requests, with what became of this one."""
    return redirect(url_for("desk.requests", done=deed, visit=visit.public_id), 303)


def show_on_day(deed: Deed, visit: Appointment) -> ResponseReturnValue:
    """To the visit's day, with what became of it."""
    on = local(visit.starts_at, visit.zone).date().isoformat()
    return redirect(url_for("desk.today", on=on, done=deed, visit=visit.public_id), 303)


def of_request() -> Outcome | None:
    """What the address of this page speaks of; None if of nothing, or of nothing that is there."""
    try:
        deed = Deed(request.args.get("done", ""))
        found = visits.one(request.args.get("visit", ""))
    except (ValueError, NotFound):
        return None
    if not is_so(deed, found.row):
        return Outcome(words.missed_words(found.row, found.patient), is_done=False)
    tell = words.settled_words if deed is Deed.SETTLED else words.outcome_words
    return Outcome(tell(found.row, found.patient), is_done=True)


def is_so(deed: Deed, visit: Appointment) -> bool:
    """Whether the visit stands as the deed leaves it."""
    match deed:
        case Deed.CONFIRMED:
            return visit.status == Status.BOOKED
        case Deed.OFFERED:
            return visit.status == Status.PENDING and visit.waits_for == "patient"
        case Deed.DECLINED | Deed.CANCELLED:
            return visit.status == Status.CANCELLED
        case Deed.SETTLED:
            return visit.needs_desk is None
