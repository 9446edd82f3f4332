"""Invites that say something else than the settings do by now: the clinic decides whether those who have them are told.

A corrected comma is no reason for two hundred mails, and another address is one.
"""

from __future__ import annotations

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from wtforms import TextAreaField

from booking.actions import outbox
from booking.formats.contact import tidy_lines
from booking.store import appointment
from booking.web.access import allow
from booking.web.admin.blueprint import KEEPERS, blueprint
from booking.web.forms import Form, check_note

SHOWN = 10  # visits
AT_ONCE = 500  # visits whose people are told by one press: it takes some seconds


class UpdateForm(Form):
    message = TextAreaField(lazy_gettext("What you want to say to them (optional)"), [check_note], [tidy_lines])


@blueprint.get("/admin/<clinic>/invitations")
@allow("staff", *KEEPERS)
def invitations() -> str:
    return _page(UpdateForm(sent=False))


@blueprint.post("/admin/<clinic>/invitations")
@allow("staff", *KEEPERS)
def update_invitations() -> ResponseReturnValue:
    form = UpdateForm()
    if not form.validate():
        return _page(form), 422
    told = 0
    for public_id in outbox.outdated(g.clinic.id, g.now)[:AT_ONCE]:
        told += outbox.update(g.clinic.id, public_id, by=g.caller, now=g.now, message=form.message.data or "")
    return redirect(url_for("admin.invitations", told=told), 303)


@blueprint.app_template_global()
def outdated_invitations() -> int:
    """How many visits to come have an invite that is out of date."""
    return len(outbox.outdated(g.clinic.id, g.now))


def _page(form: UpdateForm) -> str:
    found = outbox.outdated(g.clinic.id, g.now)
    return render_template(
        "admin/invitations.html",
        form=form,
        count=len(found),
        visits=[appointment.by_public_id(g.clinic.id, public_id) for public_id in found[:SHOWN]],
        told=request.args.get("told", type=int),
        refused=bool(form.errors),
    )
