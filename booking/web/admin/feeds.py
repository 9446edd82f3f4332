"""The clinic's feeds: whose visits other calendar programs may read, how much of them, and at which address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.actions import feed as actions
from booking.domain.errors import NotFound
from booking.domain.feed import Detail, Kind
from booking.formats.feed import webcal
from booking.store import clinic as clinics
from booking.store import feed as feeds
from booking.store import practitioner
from booking.store.feed import Feed
from booking.web.access import allow
from booking.web.admin.blueprint import OWNER, blueprint


@dataclass(frozen=True, slots=True)
class Line:
    """Somebody who may have a feed; without an address they have none."""

    kind: Kind
    id: int
    name: str
    address: str = ""
    webcal: str = ""
    detail: Detail = Detail.INITIALS
    used_on: date | None = None


@blueprint.get("/admin/<clinic>/feeds")
@allow("staff", *OWNER)
def show_feeds() -> str:
    titles = {Kind.PRACTITIONER: _("Practitioners"), Kind.LOCATION: _("Locations"), Kind.ROOM: _("Rooms")}
    lines = list(_lines())
    groups = [(title, [line for line in lines if line.kind is kind]) for kind, title in titles.items()]
    said = {
        "make": _("The feed is there. Copy its address into the calendar program."),
        "tell": _("Saved. Calendars show it when they look next."),
        "renew": _("There is a new address. The old one opens nothing any more."),
        "end": _("The feed has ended. Its address opens nothing any more."),
    }
    return render_template(
        "admin/feeds.html",
        groups=[group for group in groups if group[1]],
        details={Detail.BUSY: _("Busy only"), Detail.INITIALS: _("Initials"), Detail.NAMES: _("Names")},
        done=said.get(request.args.get("done", "")),
    )


@blueprint.post("/admin/<clinic>/feeds")
@allow("staff", *OWNER, fresh=True)
def change_feed() -> ResponseReturnValue:
    kind, id, do = request.form.get("kind", ""), request.form.get("id", type=int), request.form.get("do", "")
    if kind not in set(Kind) - {Kind.PATIENT} or id is None:
        raise NotFound
    whose, by = (g.clinic.id, Kind(kind), id), {"by": g.caller, "now": g.now}
    match do:
        case "make":
            actions.make(*whose, detail=_detail(), **by)
        case "tell":
            actions.tell(*whose, _detail(), **by)
        case "renew":
            actions.renew(*whose, **by)
        case "end":
            actions.end(*whose, **by)
        case _:
            raise NotFound
    return redirect(url_for("admin.show_feeds", done=do, _anchor=f"{kind}-{id}"), 303)


def _detail() -> Detail:
    given = request.form.get("detail")
    if given not in set(Detail):
        raise NotFound
    return Detail(given)


def _lines() -> Iterator[Line]:
    """Everybody who may have a feed, in the file's order."""
    there = feeds.of_clinic(g.clinic.id)
    for kind in (Kind.PRACTITIONER, Kind.ROOM):
        for row in practitioner.actors(g.clinic.id, kind):
            yield _line(kind, row.id, row.name, there.get((kind, row.id)))
    for place in clinics.locations(g.clinic.id):
        yield _line(Kind.LOCATION, place.id, place.name, there.get((Kind.LOCATION, place.id)))


def _line(kind: Kind, id: int, name: str, found: Feed | None) -> Line:
    if found is None:
        return Line(kind, id, name)
    address = feeds.address(found)
    return Line(kind, id, name, address, webcal(address), Detail(found.detail), found.last_used_on)
