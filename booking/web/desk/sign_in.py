"""The way in and out of the desk: a password or a passkey, or a mailed link; then the second factor; a session."""

from __future__ import annotations

from flask import g, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import EmailField, PasswordField, StringField
from wtforms.validators import Email, InputRequired, Length

from booking.actions import staff
from booking.actions.staff import State
from booking.domain.errors import NotFound, NotProven
from booking.formats.contact import tidy
from booking.store import staff as records
from booking.web import access
from booking.web.access import allow, limit, safe_next, slow_down, speed_up
from booking.web.desk import browser, passkeys
from booking.web.desk.blueprint import blueprint
from booking.web.forms import Form


class AddressForm(Form):
    email = EmailField(
        lazy_gettext("E-mail address"),
        [
            InputRequired(lazy_gettext("Enter your e-mail address")),
            Length(max=254, message=lazy_gettext("Enter an e-mail address like name@example.com")),
            Email(lazy_gettext("Enter an e-mail address like name@example.com")),
        ],
        filters=[tidy],
    )


class SignInForm(AddressForm):
    password = PasswordField(lazy_gettext("Password"), [InputRequired(lazy_gettext("Enter your password"))])


class CodeForm(Form):
    code = StringField(lazy_gettext("Code"), [InputRequired(lazy_gettext("Enter the code"))])


@blueprint.get("/login")
@allow("public")
def login() -> ResponseReturnValue:
    if staff.who(access.staff_secret(), g.now):
        return redirect(_next(), 303)
    return _login_page(SignInForm())


@blueprint.post("/login")
@allow("public")
def sign_in() -> ResponseReturnValue:
    form = SignInForm()
    if not form.validate():
        return _login_page(form), 422
    email = str(form.email.data)
    slow_down(f"password:{email}")
    slow_down(f"password-from:{access.address()}")
    limit("password-all:", 1000, 300)
    try:
        secret = staff.sign_in_with_password(email, str(form.password.data), browser=browser.here(), now=g.now)
    except NotProven:
        form.form_errors.append(_("This address and this password do not belong together."))
        return _login_page(form), 422
    speed_up(f"password:{email}", all=True)
    speed_up(f"password-from:{access.address()}", all=False)
    return browser.enter(secret, _next())


@blueprint.post("/login/link")
@allow("public")
def send_link() -> ResponseReturnValue:
    limit(f"sign-in:{access.address()}", 10, 300)
    form = AddressForm()
    if not form.validate():
        return _login_page(SignInForm(), form), 422
    limit(f"sign-in-link:{form.email.data}", 5, 86400)
    then = safe_next(request.args.get("next"), "")
    staff.send_sign_in(str(form.email.data), language=g.language, then=then or None, now=g.now)
    return redirect(url_for("desk.link_sent"), 303)


@blueprint.get("/login/sent")
@allow("public")
def link_sent() -> str:
    return render_template("desk/link_sent.html", minutes=int(staff.LINK_LASTS.total_seconds() // 60))


@blueprint.get("/login/<token>")
@allow("public")
def link(token: str) -> ResponseReturnValue:
    """Mail scanners follow links: opening one only asks; the button signs in."""
    try:
        person = staff.invited(token, g.now)
    except NotFound:
        return _link_is_over()
    page = render_template("desk/link.html", person=person, token=token, next=request.args.get("next", ""))
    return page, 200, {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}


@blueprint.post("/login/<token>")
@allow("public")
def use_link(token: str) -> ResponseReturnValue:
    limit(f"sign-in:{access.address()}", 10, 300)
    try:
        secret = staff.sign_in(token, browser=browser.here(), now=g.now)
    except NotFound:
        return _link_is_over()
    to = url_for("desk.password", next=_next()) if "password" in request.form else _next()
    return browser.enter(secret, to)


@blueprint.get("/login/factor")
@allow("public")
def factor() -> ResponseReturnValue:
    person = _half_signed_in()
    if person is None:
        return redirect(url_for("desk.login", next=request.args.get("next")), 303)
    return _factor_page(CodeForm(), person)


@blueprint.post("/login/factor")
@allow("public")
def prove_factor() -> ResponseReturnValue:
    person = _half_signed_in()
    if person is None:
        return redirect(url_for("desk.login", next=request.args.get("next")), 303)
    limit(f"factor:{person.id}", 5, 300)
    limit(f"factor-hour:{person.id}", 20, 3600)
    form = CodeForm()
    if not form.validate():
        return _factor_page(form, person), 422
    try:
        secret = staff.prove_factor(access.staff_secret(), str(form.code.data), browser=browser.here(), now=g.now)
    except NotProven:
        form.code.errors = (_("This code is not right, or it was used already. Codes change every half minute."),)
        return _factor_page(form, person), 422
    return browser.enter(secret, _next())


@blueprint.post("/login/passkey")
@allow("public")
def use_passkey() -> ResponseReturnValue:
    limit(f"passkey:{access.address()}", 30, 300)
    person = _half_signed_in() if "mine" in request.form else None
    try:
        secret = passkeys.sign_in(only=person.id if person else None)
    except NotProven:
        if person is not None:
            return _factor_page(CodeForm(), person, refused=passkeys.refused()), 422
        form = SignInForm()
        form.form_errors.append(passkeys.refused())
        return _login_page(form), 422
    return browser.enter(secret, _next())


@blueprint.post("/logout")
@allow("public")
def logout() -> ResponseReturnValue:
    staff.sign_out(access.staff_secret(), g.now)
    session.clear()
    response = make_response(redirect(url_for("desk.login"), 303))
    access.sign_out(response)
    return response


@blueprint.get("/desk/")
@allow("staff")
def clinics() -> ResponseReturnValue:
    mine = records.clinics_of(g.staff.id)
    if len(mine) == 1:
        is_practitioner = records.role(mine[0].id, g.staff.id) == "practitioner"
        return redirect(url_for("desk.me" if is_practitioner else "desk.today", clinic=mine[0].slug), 303)
    return render_template("desk/clinics.html", clinics=mine)


def _half_signed_in() -> records.SignedIn | None:
    """Who still owes the second factor in this browser, None if nobody does."""
    person = records.session(access.staff_secret())
    return person if person is not None and staff.state(person, g.now) is State.FACTOR_DUE else None


def _next() -> str:
    return safe_next(request.args.get("next"), url_for("desk.clinics"))


def _login_page(form: SignInForm, wrong: Form | None = None) -> str:
    return render_template(
        "desk/login.html", form=form, wrong=wrong or form, next=request.args.get("next", ""), passkeys=passkeys.work()
    )


def _factor_page(form: CodeForm, person: records.SignedIn, refused: str = "") -> str:
    return render_template(
        "desk/factor.html",
        form=form,
        person=person,
        refused=refused,
        next=request.args.get("next", ""),
        passkeys=passkeys.work() and person.has_passkey,
    )


def _link_is_over() -> ResponseReturnValue:
    limit(f"token:{access.address()}", 30, 300)
    return render_template("desk/link_over.html", next=request.args.get("next", "")), 404
