"""The day board: columns by practitioner or by room, a week of one practitioner, and the list of the day.

A page is sent once. Then its script asks every few seconds for the part that changes (`part`), which answers 304 as
long as nothing did. What is drawn where is worked out here; the template only writes it down.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Response, g, make_response, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup

from booking.domain.appointment import Status
from booking.domain.errors import NotFound
from booking.domain.time import day_bounds, local
from booking.store import board
from booking.web.access import allow
from booking.web.desk import calendars, columns, day, outcome, words
from booking.web.desk.blueprint import READERS, blueprint
from booking.web.desk.columns import Asked
from booking.web.desk.outcome import Deed
from booking.web.patient import ask

VIEWS = ("practitioners", "rooms", "list")
SIGNS = (Status.PENDING, Status.ARRIVED, Status.CHECKED_IN, Status.FULFILLED, Status.NOSHOW)
YEARS = range(2000, 2200)


@blueprint.get("/desk/<clinic>/")
@allow("staff", *READERS)
def today() -> str:
    return _page(_asked(_view()))


@blueprint.get("/desk/<clinic>/week")
@allow("staff", *READERS)
def week() -> str:
    return _page(_asked("week"))


@blueprint.get("/desk/<clinic>/board")
@allow("staff", *READERS)
def part() -> Response:
    """The part of the page that changes; 304 for whoever has it as it is."""
    asked = _asked("week" if request.args.get("view") == "week" else _view())
    tag = _tag(asked)
    is_known = request.if_none_match.contains_weak(tag)
    response = Response(status=304) if is_known else make_response(_drawn(asked))
    response.set_etag(tag)
    return response


@blueprint.get("/desk/<clinic>/keys")
@allow("staff", *READERS)
def keys() -> str:
    """What the keyboard does on the board, and its signs."""
    signs = [(words.GLYPHS[status], words.status_words(status)) for status in SIGNS]
    return render_template("desk/keys.html", signs=[("◷", _("Late: begun, and nobody has come")), *signs])


def _page(asked: Asked) -> str:
    tag = _tag(asked)  # before what it stands for is read: a change in between is then seen by the next question
    return render_template(
        "desk/board.html",
        asked=asked,
        part=Markup(_drawn(asked)),
        tag=tag,
        part_href=url_for("desk.part", **_address(asked) | {"view": asked.view}),
        steps=_steps(asked),
        views=_views(asked),
        noon=day_bounds(asked.on, asked.zone)[0] + timedelta(hours=12),
        undo=request.args.get("visit") if request.args.get("done") == Deed.MOVED else None,
        outcome=outcome.of_request(),
    )


def _drawn(asked: Asked) -> str:
    if asked.view == "list":
        return day.drawn(asked)
    found = columns.drawn(asked, board.stamp(g.clinic.id, g.now))
    return render_template("desk/board_part.html", board=found, asked=asked)


def _tag(asked: Asked) -> str:
    """The same text as long as the part is the same: while now is on it, for a minute.

    The calendars that are warned of are in it, since they become old by themselves.
    """
    clock = int(g.now.timestamp()) // 60 if asked.today in asked.days else asked.today
    narrowed = [one and one.id for one in (asked.practitioner, asked.location)]
    changing = (board.stamp(g.clinic.id, g.now), calendars.troubles(), clock)
    seen = (*changing, asked.view, asked.days, narrowed, g.language, g.caller.role)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:24]


def _view() -> str:
    view = request.args.get("view") or VIEWS[0]
    if view not in VIEWS:
        raise NotFound
    return view


def _asked(view: str) -> Asked:
    plan = ask.plan()
    location = ask.named(plan.locations, request.args.get("location", ""))
    practitioner = ask.named(plan.practitioners, request.args.get("practitioner", ""))
    if view == "week" and practitioner is None:
        practitioner = next(iter(plan.practitioners.values()), None)
        if practitioner is None:
            raise NotFound
    places = [location] if location else list(plan.locations.values())
    if view != "list":
        # Two clocks do not go on one board: it shows the places that go by the first one's.
        places = [place for place in places if place.zone == places[0].zone]
    zone = places[0].zone if places else "UTC"
    today = local(g.now, zone).date()
    on = ask.day(request.args.get("on")) or today
    if on.year not in YEARS:
        raise NotFound
    monday = on - timedelta(days=on.weekday())
    return Asked(
        view=view,
        on=on,
        today=today,
        days=tuple(monday + timedelta(days=n) for n in range(7)) if view == "week" else (on,),
        plan=plan,
        places=tuple(places),
        is_everywhere=len(places) == len(plan.locations),
        zone=zone,
        practitioner=practitioner,
        location=location,
    )


def _address(asked: Asked) -> dict[str, Any]:
    """The arguments of an address that shows the same; those that say nothing are left out."""
    found = {
        "on": asked.on.isoformat() if asked.on != asked.today else "",
        "view": request.args.get("view", ""),
        "practitioner": asked.practitioner.slug if asked.practitioner else "",
        "location": asked.location.slug if asked.location else "",
    }
    return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class Step:
    """A link of the bar above the board."""

    said: str
    href: str
    key: str  # on the keyboard
    is_here: bool = False


def _steps(asked: Asked) -> list[Step]:
    """Back, to today, forth: by days, or by weeks."""
    address, endpoint = _address(asked), "desk.week" if asked.view == "week" else "desk.today"
    step, here = timedelta(days=len(asked.days)), {name: value for name, value in address.items() if name != "on"}
    said = [_("Week before"), _("This week"), _("Week after")]
    if asked.view != "week":
        said = [_("Day before"), _("Today"), _("Day after")]
    return [
        Step(said[0], url_for(endpoint, **here, on=(asked.on - step).isoformat()), "["),
        Step(said[1], url_for(endpoint, **here), "t", asked.on == asked.today),
        Step(said[2], url_for(endpoint, **here, on=(asked.on + step).isoformat()), "]"),
    ]


def _views(asked: Asked) -> list[Step]:
    address = _address(asked)
    who = asked.practitioner or next(iter(asked.plan.practitioners.values()), None)
    everybody = {name: value for name, value in address.items() if name != "practitioner"}
    narrowed = everybody if asked.view == "week" else address
    said = {"practitioners": _("Practitioners"), "rooms": _("Rooms"), "list": _("List")}
    found = [
        Step(said[view], url_for("desk.today", **narrowed | {"view": view}), str(number), asked.view == view)
        for number, view in enumerate(VIEWS, 1)
    ]
    if who:
        week = {name: value for name, value in everybody.items() if name != "view"} | {"practitioner": who.slug}
        found.append(Step(_("Week"), url_for("desk.week", **week), "4", asked.view == "week"))
    return found
