"""Where the settings begin: what there is, what is still missing, and taking back the last change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from booking.actions import clinic as clinics
from booking.actions.clinic import Stranded
from booking.formats import clinic_file as file
from booking.web.access import allow, safe_next
from booking.web.admin import screen
from booking.web.admin.blueprint import KEEPERS, OWNER, blueprint


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the checklist; `missing` says what is left to do, if anything."""

    title: str
    href: str
    said: str
    missing: str = ""


@blueprint.get("/admin/<clinic>/")
@allow("staff", *KEEPERS)
def overview() -> str:
    tree = file.as_values(clinics.current(g.clinic.slug))
    is_owner = g.caller.role in OWNER
    checklist = _checklist(tree) if is_owner else []
    return render_template(
        "admin/overview.html",
        checklist=checklist,
        is_ready=not any(line.missing for line in checklist),
        is_owner=is_owner,
        practitioners=tree.get("practitioners", []),
        closures=len(tree.get("closures", [])),
        may_undo=screen.may_undo(),
    )


def _checklist(tree: dict[str, Any]) -> list[Line]:
    services, people, places = (tree.get(kind, []) for kind in ("services", "practitioners", "locations"))
    rooms, clinic = tree.get("rooms", []), tree["clinic"]
    given = {slug for person in people for slug in person["services"]}
    nobody = [service for service in services if service["slug"] not in given]
    idle = [person["name"] for person in people if not person.get("hours") and not person.get("extra_hours")]
    lost = [place["name"] for place in places if not place.get("directions")]
    return [
        Line(
            _("Clinic"),
            url_for("admin.single", name="clinic"),
            _("Name, phone, languages, texts"),
            "" if clinic.get("contact") else _("Say under Contact when the phone is answered."),
        ),
        Line(_("Booking rules"), url_for("admin.single", name="rules"), _("Confirming, notice, limits, mails")),
        Line(
            _("Locations"),
            url_for("admin.entries", kind="locations"),
            ngettext("%(num)s location", "%(num)s locations", len(places)),
            _("Tell the way to %(names)s.", names=", ".join(lost)) if lost else "",
        ),
        Line(
            _("Rooms and places"),
            url_for("admin.single", name="rooms"),
            ngettext("%(num)s room", "%(num)s rooms", len(rooms)) if rooms else _("None; visits need none"),
        ),
        Line(
            _("Services"),
            url_for("admin.entries", kind="services"),
            ngettext("%(num)s service", "%(num)s services", len(services)),
            _services_missing(services, nobody),
        ),
        Line(
            _("Practitioners and hours"),
            url_for("admin.entries", kind="practitioners"),
            ngettext("%(num)s practitioner", "%(num)s practitioners", len(people)),
            _people_missing(people, idle),
        ),
    ]


def _services_missing(services: list[Any], nobody: list[Any]) -> str:
    if not services:
        return _("Add what patients can book.")
    names = ", ".join(_first(service["name"]) for service in nobody)
    return _("Nobody gives %(names)s.", names=names) if nobody else ""


def _people_missing(people: list[Any], idle: list[str]) -> str:
    if not people:
        return _("Add who gives the services.")
    return _("Enter the hours of %(names)s.", names=", ".join(idle)) if idle else ""


def _first(text: Any) -> str:
    return text if isinstance(text, str) else str(next(iter(text.values())))


@blueprint.post("/admin/<clinic>/undo")
@allow("staff", *KEEPERS)
def undo() -> ResponseReturnValue:
    """Bring back what the settings were before the change that led to the form's revision."""
    revision = request.form.get("revision", "")
    back = safe_next(request.form.get("back"), url_for("admin.overview")).partition("?")[0]
    keep = "keep" in request.form
    try:
        number = int(revision) if revision.isdigit() and len(revision) < 10 else 0
        loaded = clinics.undo(g.clinic.id, number, keep_visits=keep, by=g.caller, now=g.now)
    except Stranded as stranded:
        page = render_template("admin/undo.html", stranded=stranded.visits, revision=number, back=back)
        return page, 409
    return redirect(f"{back}?saved={loaded.revision}", 303)
