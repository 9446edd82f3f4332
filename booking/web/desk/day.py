"""The day's visits, in the order of their start; by practitioner and location if asked for; fit to print."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from flask import g, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext

from booking.domain.appointment import OVER, Status
from booking.domain.errors import NotFound
from booking.domain.time import day_bounds, local
from booking.store import appointment as appointments
from booking.store import clinic as clinics
from booking.store import practitioner as practitioners
from booking.web.access import allow
from booking.web.desk import outcome, visits
from booking.web.desk.blueprint import READERS, blueprint
from booking.web.desk.visits import Visit
from booking.web.patient import ask

YEARS = range(2000, 2200)


@blueprint.get("/desk/<clinic>/")
@allow("staff", *READERS)
def today() -> str:
    places = clinics.locations(g.clinic.id)
    people = practitioners.actors(g.clinic.id, "practitioner")
    place = _chosen(request.args.get("location", ""), {place.slug: place.id for place in places})
    person = _chosen(request.args.get("practitioner", ""), {person.slug: person.id for person in people})
    zone = next((found.zone for found in places if place in (None, found.id)), "UTC")
    now_on = local(g.now, zone).date()
    on = ask.day(request.args.get("on")) or now_on
    if on.year not in YEARS:
        raise NotFound
    shown = [
        visit
        for visit in _visits_on(on, {found.zone for found in places} or {zone})
        if place in (None, visit.row.location_id) and person in (None, visit.row.practitioner_id)
    ]
    return render_template(
        "desk/day.html",
        on=on,
        now_on=now_on,
        before=on - timedelta(days=1),
        after=on + timedelta(days=1),
        noon=day_bounds(on, zone)[0] + timedelta(hours=12),
        zone=zone,
        visits=[visit for visit in shown if Status(visit.row.status) not in OVER],
        counts=_counts(shown),
        people=people,
        places=places,
        filters={name: request.args[name] for name in ("practitioner", "location") if request.args.get(name)},
        outcome=outcome.of_request(),
    )


def _visits_on(on: date, zones: set[str]) -> list[Visit]:
    """The visits of a date, each by the calendar of the place where it is."""
    bounds = [day_bounds(on, zone) for zone in zones]
    rows = appointments.for_day(g.clinic.id, min(start for start, _end in bounds), max(end for _start, end in bounds))
    return visits.of((row, patient) for row, patient in rows if local(row.starts_at, row.zone).date() == on)


def _chosen(slug: str, ids: dict[str, int]) -> int | None:
    """The id of what the address narrows to, None if it does not."""
    if not slug:
        return None
    if slug not in ids:
        raise NotFound
    return ids[slug]


def _counts(shown: list[Visit]) -> list[str]:
    """The day in a line: only what there is."""
    by_status = Counter(Status(visit.row.status) for visit in shown)
    late = sum(visit.is_late for visit in shown)
    came = by_status[Status.ARRIVED] + by_status[Status.CHECKED_IN]
    pairs = [
        (by_status[Status.BOOKED], _("%(count)s booked", count=by_status[Status.BOOKED])),
        (late, _("%(count)s late", count=late)),
        (came, _("%(count)s here", count=came)),
        (by_status[Status.FULFILLED], _("%(count)s done", count=by_status[Status.FULFILLED])),
        (by_status[Status.PENDING], ngettext("%(num)s request", "%(num)s requests", by_status[Status.PENDING])),
        (by_status[Status.NOSHOW], _("%(count)s did not come", count=by_status[Status.NOSHOW])),
        (by_status[Status.CANCELLED], _("%(count)s cancelled", count=by_status[Status.CANCELLED])),
    ]
    return [said for count, said in pairs if count]
