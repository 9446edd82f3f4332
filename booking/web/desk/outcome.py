"""What the page after a deed says about it, and what it says if somebody else was first.

It is told from how the visit stands now, by its id in the address: nothing about a patient goes into a cookie, and
loading the page again says nothing wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.appointment import Status
from booking.domain.errors import Changed, NotFound, WrongStatus
from booking.domain.time import local
from booking.store import history
from booking.store.appointment import Appointment
from booking.web.desk import visits, words


class Deed(StrEnum):
    """What a button of the desk does; it stands in the address of the page that follows."""

    CONFIRMED = "confirmed"
    OFFERED = "offered"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    SETTLED = "settled"
    ARRIVED = "arrived"
    CHECKED_IN = "checked-in"
    FULFILLED = "fulfilled"
    NOSHOW = "noshow"
    BACK = "back"  # a step was taken back
    LONGER = "longer"
    MISTAKE = "mistake"
    AGAIN = "again"  # booked again after it was cancelled
    MOVED = "moved"
    UNDONE = "undone"  # a move was taken back
    NOT_MOVED = "not-moved"  # though another time was proposed
    DEALT_WITH = "dealt-with"  # an answer that does not count


@dataclass(frozen=True, slots=True)
class Outcome:
    said: str
    is_done: bool


ANSWERS = frozenset({Deed.CONFIRMED, Deed.OFFERED, Deed.DECLINED, Deed.SETTLED, Deed.NOT_MOVED, Deed.DEALT_WITH})


def show(deed: Deed, visit: Appointment) -> ResponseReturnValue:
    """To the visit, with what became of it; answers given in the inbox lead back there."""
    if deed in ANSWERS and request.form.get("from") != "panel":
        return redirect(url_for("desk.requests", done=deed, visit=visit.public_id), 303)
    return redirect(url_for("desk.visit", id=visit.public_id, done=deed, visit=visit.public_id), 303)


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
    match deed:
        case Deed.SETTLED:
            said = words.settled_words(found.row, found.patient)
        case Deed.NOT_MOVED:
            said = words.not_moved_words(found.patient)
        case Deed.DEALT_WITH:
            said = words.dealt_with_words(found.patient)
        case Deed.CONFIRMED | Deed.OFFERED | Deed.DECLINED | Deed.CANCELLED:
            said = words.outcome_words(found.row, found.patient)
        case Deed.MOVED | Deed.UNDONE:
            said = words.moved_words(found.row, found.patient, found.told, is_back=deed is Deed.UNDONE)
        case _:
            said = words.noted_words(deed, found.row, found.patient)
    return Outcome(said, is_done=True)


def is_so(deed: Deed, visit: Appointment) -> bool:
    """Whether the visit stands as the deed leaves it."""
    match deed:
        case Deed.CONFIRMED:
            return visit.status == Status.BOOKED
        case Deed.OFFERED:
            return visit.status == Status.PENDING and visit.waits_for == "patient"
        case Deed.DECLINED | Deed.CANCELLED:
            return visit.status == Status.CANCELLED
        case Deed.SETTLED | Deed.NOT_MOVED:
            return visit.needs_desk is None
        case Deed.MISTAKE:
            return visit.status == Status.ENTERED_IN_ERROR
        case Deed.BACK:
            return request.form.get("to", visit.status) == visit.status
        case Deed.LONGER:
            return request.form.get("until", visit.ends_at.isoformat()) == visit.ends_at.isoformat()
        case Deed.AGAIN | Deed.MOVED | Deed.UNDONE | Deed.DEALT_WITH:
            return True
    return visit.status == deed.value


View = Callable[[str], ResponseReturnValue]


def leads_to(deed: Deed) -> Callable[[View], View]:
    """For a view that changes a visit: whoever comes second is told what the first one did, and changes nothing.

    A button pressed twice is no second one: the visit stands as it wanted already. Stands below `@allow`.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def answer(id: str) -> ResponseReturnValue:
            try:
                return view(id)
            except (Changed, WrongStatus):
                row = visits.one(id).row
                return show(deed, row) if is_so(deed, row) else changed(id)

        return answer

    return wrap


def changed(id: str) -> ResponseReturnValue:
    """The page for who looked at a visit that is not like that any more: what is different, by whom, since when."""
    visit = visits.one(id)
    entries = history.of(visit.row)
    seen = request.form.get("seen", type=int)
    news = [entry for entry in entries if seen is None or entry.id > seen] or entries
    told = [words.told(entry, visit.row.zone) for entry in (news if seen is not None else news[-1:])]
    return render_template("desk/changed.html", visit=visit, news=told), 409


def version() -> int | None:
    """Which version of the visit the form was made from; None if it does not say."""
    return request.form.get("version", type=int)
