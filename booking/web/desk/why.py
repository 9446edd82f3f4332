"""Why a time is not on offer: the desk asks, the same computation that makes the offer answers."""

from __future__ import annotations

from datetime import date, datetime, time

from flask import g, render_template, request
from flask.typing import ResponseReturnValue

from booking.actions import slot
from booking.domain.availability import Plan, Wish
from booking.domain.errors import Invalid, NotFound
from booking.domain.time import first_instant
from booking.web.access import allow
from booking.web.desk import words
from booking.web.desk.blueprint import READERS, blueprint
from booking.web.patient import ask

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
        reasons=_reasons(plan) if asked else None,
        asked=request.args,
    )


def _reasons(plan: Plan) -> list[str]:
    """Why the time in the address is not on offer, in words; empty if it is."""
    wanted = ask.read(request.args["service"], request.args)
    if wanted.practitioner is None or not plan.locations:
        raise NotFound
    start = first_instant(datetime.combine(_date(), _time()), wanted.zone)
    wish = Wish(
        wanted.service.id,
        new=request.args.get("new") == "1",
        practitioner=wanted.practitioner.id,
        location=wanted.location.id if wanted.location else None,
        staff=request.args.get("for") != "patient",
    )
    found = slot.why_not(slot.read(g.clinic.id, g.now), wish, start)
    return [words.reason_words(reason, wanted.practitioner.name, wanted.zone) for reason in found]


def _date() -> date:
    on = ask.day(request.args["on"])
    if on is None or on.year not in YEARS:
        raise Invalid({"on": "date"})
    return on


def _time() -> time:
    try:
        at = time.fromisoformat(request.args["at"])
    except ValueError:
        raise Invalid({"at": "time"}) from None
    return at.replace(second=0, microsecond=0, tzinfo=None)
