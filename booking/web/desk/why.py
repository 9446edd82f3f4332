"""Why is a time not on offer? The computation that makes the offer answers, and each reason leads to its cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from booking.actions import slot
from booking.domain.availability import Practitioner
from booking.domain.errors import Invalid, NotFound
from booking.domain.time import first_instant
from booking.web.access import allow
from booking.web.desk import causes
from booking.web.desk.blueprint import READERS, blueprint
from booking.web.desk.causes import Cause
from booking.web.patient import ask
from booking.web.patient.ask import Ask

YEARS = range(2000, 2200)


@blueprint.get("/desk/<clinic>/why-not")
@allow("staff", *READERS)
def why_not() -> ResponseReturnValue:
    plan = ask.plan()
    asked = request.args.get("service") and request.args.get("on") and request.args.get("at")
    return render_template(
        "desk/why_not.html",
        services=list(plan.services.values()),
        people=list(plan.practitioners.values()),
        places=list(plan.locations.values()),
        answers=_answers() if asked else None,
        asked=request.args,
    )


def _answers() -> list[tuple[Practitioner, list[Cause]]]:
    """Each practitioner who is asked about with the causes why the time is not on offer; without any it is."""
    wanted = ask.read(request.args["service"], request.args)
    if not wanted.plan.locations:
        raise NotFound
    is_desk = request.args.get("for") != "patient"
    start = instant(request.args["on"], request.args["at"], wanted)
    book = slot.read(g.clinic.id, g.now)
    found = []
    for person in [wanted.practitioner] if wanted.practitioner else wanted.practitioners:
        wish = replace(wanted.wish, practitioner=person.id, new=request.args.get("new") == "1", staff=is_desk)
        reasons = slot.why_not(book, wish, start)
        found.append((person, causes.of(reasons, wanted.plan, wanted.service, person, wanted.location)))
    return found


def instant(on: str, at: str, wanted: Ask) -> datetime:
    """The instant of a day and a time of day where the visit would be. Raises Invalid."""
    return first_instant(datetime.combine(_date(on), _time(at)), wanted.zone)


def _date(text: str) -> date:
    on = ask.day(text)
    if on is None or on.year not in YEARS:
        raise Invalid({"on": "date"})
    return on


def _time(text: str) -> time:
    try:
        at = time.fromisoformat(text)
    except ValueError:
        raise Invalid({"at": "time"}) from None
    return at.replace(second=0, microsecond=0, tzinfo=None)
