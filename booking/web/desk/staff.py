"""The people of a clinic, for its owner: invite, change a role, dismiss; and how they have to sign in."""

from __future__ import annotations

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import BooleanField, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange

from booking.actions import staff
from booking.domain.errors import LastOwner
from booking.formats.contact import tidy
from booking.store import clinic as clinics
from booking.store import staff as records
from booking.web import errors
from booking.web.access import allow
from booking.web.desk.blueprint import blueprint
from booking.web.desk.sign_in import AddressForm
from booking.web.forms import Form

ROLES = {
    "owner": lazy_gettext("Owner"),
    "front-desk": lazy_gettext("Front desk"),
    "practitioner": lazy_gettext("Practitioner"),
}


class InviteForm(AddressForm):
    name = StringField(
        lazy_gettext("Name"),
        [
            InputRequired(lazy_gettext("Enter their name")),
            Length(max=100, message=lazy_gettext("Keep the name under 100 characters")),
        ],
        filters=[tidy],
    )
    role = SelectField(lazy_gettext("Role"), choices=list(ROLES), default="front-desk")


class RulesForm(Form):
    require_second_factor = BooleanField(lazy_gettext("Everybody needs a second factor (an app or a passkey)"))
    idle_minutes = IntegerField(
        lazy_gettext("Minutes without use until the screen locks"),
        [
            InputRequired(lazy_gettext("Choose between 5 and 30 minutes")),
            NumberRange(staff.IDLE_MINUTES[0], staff.IDLE_MINUTES[-1], lazy_gettext("Choose between 5 and 30 minutes")),
        ],
    )


@blueprint.get("/admin/<clinic>/staff")
@allow("staff", "owner")
def people() -> str:
    return _page()


@blueprint.post("/admin/<clinic>/staff")
@allow("staff", "owner", fresh=True)
def invite() -> ResponseReturnValue:
    form = InviteForm()
    if not form.validate():
        return _page(form=form), 422
    email = str(form.email.data)
    try:
        staff.invite(
            g.clinic.id,
            email,
            name=str(form.name.data),
            role=str(form.role.data),
            language=str(g.clinic.languages[0]),
            by=g.caller,
            now=g.now,
        )
    except LastOwner as error:
        form.role.errors = (errors.words(error),)
        return _page(form=form), 409
    return _done("invited")


@blueprint.post("/admin/<clinic>/staff/role")
@allow("staff", "owner", fresh=True)
def change_role() -> ResponseReturnValue:
    try:
        staff.change_role(g.clinic.id, _chosen(), request.form.get("role", ""), by=g.caller, now=g.now)
    except LastOwner as error:
        return _page(refused=errors.words(error)), 409
    return _done("changed")


@blueprint.post("/admin/<clinic>/staff/dismiss")
@allow("staff", "owner", fresh=True)
def dismiss() -> ResponseReturnValue:
    try:
        staff.dismiss(g.clinic.id, _chosen(), by=g.caller, now=g.now)
    except LastOwner as error:
        return _page(refused=errors.words(error)), 409
    return _done("dismissed")


@blueprint.post("/admin/<clinic>/staff/rules")
@allow("staff", "owner", fresh=True)
def set_rules() -> ResponseReturnValue:
    form = RulesForm()
    if not form.validate():
        return _page(rules=form), 422
    staff.set_rules(
        g.clinic.id,
        require_second_factor=bool(form.require_second_factor.data),
        idle_minutes=form.idle_minutes.data or 0,
        by=g.caller,
        now=g.now,
    )
    return _done("rules")


def _chosen() -> int:
    return request.form.get("staff", 0, type=int)


def _done(what: str) -> ResponseReturnValue:
    return redirect(url_for("desk.people", done=what), 303)


def _page(form: InviteForm | None = None, rules: RulesForm | None = None, refused: str = "") -> str:
    said = {
        "invited": _("The invitation is on its way. Its link signs in once within three days."),
        "changed": _("The role is changed, from this moment on."),
        "dismissed": _("They have no role here any more, and are signed out."),
        "rules": _("The rules for signing in are changed."),
    }
    now = {"require_second_factor": g.clinic.require_second_factor, "idle_minutes": g.clinic.idle_minutes}
    return render_template(
        "desk/staff.html",
        members=records.members(g.clinic.id),
        zone=clinics.zone(g.clinic.id),
        roles=ROLES,
        form=form or InviteForm(sent=False),
        rules=rules or RulesForm(now, sent=False),
        refused=refused,
        done=said.get(request.args.get("done", ""), ""),
    )
