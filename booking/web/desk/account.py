"""One's own account: password, second factors, sessions. Nobody sees or changes anybody else's."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag
from flask import g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from werkzeug.exceptions import BadRequest
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from booking.actions import account as accounts
from booking.actions import staff
from booking.actions.account import Added
from booking.domain import password as rules
from booking.domain import totp
from booking.domain.errors import Invalid, NotProven
from booking.formats import qr
from booking.formats.contact import tidy
from booking.store import clinic as clinics
from booking.store import staff as records
from booking.store.base import settings
from booking.store.sealed import seal, unseal
from booking.web import access, errors
from booking.web.access import allow, safe_next
from booking.web.desk import browser, passkeys
from booking.web.desk.blueprint import blueprint
from booking.web.forms import Form


class PasswordForm(Form):
    password = PasswordField(lazy_gettext("New password"), [InputRequired(lazy_gettext("Enter a password"))])


class AppForm(Form):
    seed = HiddenField()
    code = StringField(lazy_gettext("Code that the app shows"), [InputRequired(lazy_gettext("Enter the code"))])


class PasskeyForm(Form):
    name = StringField(
        lazy_gettext("Name of this passkey"),
        [
            InputRequired(lazy_gettext("Give it a name, so that you know it again")),
            Length(max=60, message=lazy_gettext("Keep the name under 60 characters")),
        ],
        filters=[tidy],
    )
    passkey = HiddenField()


@blueprint.get("/account")
@allow("staff")
def account() -> str:
    mine = records.clinics_of(g.staff.id)
    return render_template(
        "desk/account.html",
        zone=clinics.zone(mine[0].id) if mine else "UTC",
        keys=records.passkeys_of(g.staff.id),
        codes_left=records.recovery_codes_left(g.staff.id),
        sessions=records.sessions_of(g.staff.id, seen_after=g.now - staff.LONGEST),
        done=request.args.get("done", ""),
        next=_next(),
        passkeys=passkeys.work(),
    )


@blueprint.get("/account/password")
@allow("staff", fresh=True)
def password() -> str:
    return _password_page(PasswordForm())


@blueprint.post("/account/password")
@allow("staff", fresh=True)
def set_password() -> ResponseReturnValue:
    form = PasswordForm()
    if not form.validate():
        return _password_page(form), 422
    typed = str(form.password.data)
    try:
        secret = accounts.set_password(access.staff_secret(), g.staff.id, typed, language=g.language, now=g.now)
    except Invalid as error:
        form.password.errors = (errors.fault_words(error.faults["password"]),)
        return _password_page(form), 422
    return browser.go_on(secret, _next() or url_for("desk.account", done="password"))


@blueprint.get("/account/app")
@allow("staff", fresh=True)
def app() -> str:
    return _app_page(AppForm(), totp.new_seed())


@blueprint.post("/account/app")
@allow("staff", fresh=True)
def add_app() -> ResponseReturnValue:
    form = AppForm()
    seed = _opened(form.seed.data or "")
    if not form.validate():
        return _app_page(form, seed), 422
    code, said = str(form.code.data), _("Authenticator app")
    try:
        added = accounts.add_app(
            access.staff_secret(), g.staff.id, seed, code, said=said, language=g.language, now=g.now
        )
    except NotProven:
        form.code.errors = (_("The app shows another code. Check that its clock is right, and type the newest code."),)
        return _app_page(form, seed), 422
    return _after(added)


@blueprint.post("/account/app/remove")
@allow("staff", fresh=True)
def remove_app() -> ResponseReturnValue:
    accounts.remove_app(g.staff.id, said=_("Authenticator app"), language=g.language, now=g.now)
    return redirect(url_for("desk.account", done="removed"), 303)


@blueprint.get("/account/passkey")
@allow("staff", fresh=True)
def passkey() -> str:
    return _passkey_page(PasskeyForm({"name": browser.here().device}))


@blueprint.post("/account/passkey")
@allow("staff", fresh=True)
def add_passkey() -> ResponseReturnValue:
    form = PasskeyForm()
    if not form.validate():
        return _passkey_page(form), 422
    name = str(form.name.data)
    try:
        added = accounts.add_passkey(
            access.staff_secret(),
            g.staff.id,
            form.passkey.data or "",
            g.session_key,
            name=name,
            said=_("Passkey “%(name)s”", name=name),
            language=g.language,
            now=g.now,
        )
    except NotProven:
        form.form_errors.append(_("The passkey was not made. Please try again."))
        return _passkey_page(form), 422
    return _after(added)


@blueprint.post("/account/passkey/remove")
@allow("staff", fresh=True)
def remove_passkey() -> ResponseReturnValue:
    id = request.form.get("id", type=int) or 0
    name = next((key.name for key in records.passkeys_of(g.staff.id) if key.id == id), "")
    said = _("Passkey “%(name)s”", name=name)
    accounts.remove_passkey(g.staff.id, id, said=said, language=g.language, now=g.now)
    return redirect(url_for("desk.account", done="removed"), 303)


@blueprint.post("/account/codes")
@allow("staff", fresh=True)
def new_codes() -> ResponseReturnValue:
    return _codes_page(accounts.new_recovery_codes(g.staff.id, g.now))


@blueprint.post("/account/sessions/end")
@allow("staff")
def end_other_sessions() -> ResponseReturnValue:
    accounts.end_other_sessions(access.staff_secret(), g.staff.id, g.now)
    return redirect(url_for("desk.account", done="ended"), 303)


def _next() -> str:
    return safe_next(request.args.get("next"), "")


def _password_page(form: PasswordForm) -> str:
    shortest = rules.SHORTEST_WITH_FACTOR if g.staff.has_second_factor else rules.SHORTEST
    return render_template("desk/password.html", form=form, shortest=shortest, next=_next())


def _app_page(form: AppForm, seed: bytes) -> str:
    address = totp.address(seed, account=g.staff.email, issuer=settings().host)
    form.seed.data = base64.urlsafe_b64encode(seal(seed, _place())).decode()
    form.code.data = ""
    return render_template(
        "desk/app.html", form=form, secret=totp.shown(seed), address=address, picture=_picture(address), next=_next()
    )


def _opened(sealed: str) -> bytes:
    """The seed that the page showed. It goes along sealed, so that nobody can put in one that they know."""
    try:
        return unseal(base64.urlsafe_b64decode(sealed), _place())
    except (InvalidTag, binascii.Error, ValueError):
        raise BadRequest from None


def _place() -> str:
    return f"account.seed:{g.staff.id}"


def _picture(address: str) -> Markup:
    return Markup(qr.svg(address, "d-qr"))


def _passkey_page(form: PasskeyForm) -> str:
    return render_template("desk/passkey.html", form=form, next=_next(), passkeys=passkeys.work())


def _after(added: Added) -> ResponseReturnValue:
    """On to where they came from; recovery codes, if there are new ones, are shown first, and only now."""
    if not added.codes:
        return browser.go_on(added.session, _next() or url_for("desk.account", done="added"))
    response = make_response(_codes_page(added.codes))
    browser.give(response, added.session)
    return response


def _codes_page(codes: tuple[str, ...]) -> str:
    shown = ["-".join(code[n : n + 4] for n in range(0, len(code), 4)) for code in codes]
    return render_template("desk/codes.html", codes=shown, next=_next() or url_for("desk.account"))
