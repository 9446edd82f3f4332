"""The way in and out of the desk: a mailed link, a page with one button, a session; no password."""

from __future__ import annotations

from flask import g, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from wtforms import EmailField
from wtforms.validators import Email, InputRequired, Length

from booking.actions import staff
from booking.domain.errors import NotFound
from booking.formats.contact import tidy
from booking.store import staff as records
from booking.web import access
from booking.web.access import allow, limit, safe_next
from booking.web.desk.blueprint import blueprint
from booking.web.forms import Form


class SignInForm(Form):
    email = EmailField(
        lazy_gettext("E-mail address"),
        [
            InputRequired(lazy_gettext("Enter your e-mail address")),
            Length(max=254, message=lazy_gettext("Enter an e-mail address like name@example.com")),
            Email(lazy_gettext("Enter an e-mail address like name@example.com")),
        ],
        filters=[tidy],
    )


@blueprint.get("/login")
@allow("public")
def login() -> ResponseReturnValue:
    if staff.who(access.staff_secret(), g.now):
        return redirect(_next(), 303)
    return render_template("desk/login.html", form=SignInForm(), next=request.args.get("next", ""))


@blueprint.post("/login")
@allow("public")
def send_link() -> ResponseReturnValue:
    limit(f"sign-in:{access.address()}", 10, 300)
    form = SignInForm()
    if not form.validate():
        return render_template("desk/login.html", form=form, next=request.args.get("next", "")), 422
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
        secret = staff.sign_in(token, instead_of=access.staff_secret(), now=g.now)
    except NotFound:
        return _link_is_over()
    session.clear()  # whoever used this browser before has no part in what follows
    response = make_response(redirect(_next(), 303))
    access.sign_in(response, secret)
    return response


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
        return redirect(url_for("desk.today", clinic=mine[0].slug), 303)
    return render_template("desk/clinics.html", clinics=mine)


def _next() -> str:
    return safe_next(request.args.get("next"), url_for("desk.clinics"))


def _link_is_over() -> ResponseReturnValue:
    limit(f"token:{access.address()}", 30, 300)
    return render_template("desk/link_over.html", next=request.args.get("next", "")), 404
