"""Prove again who is there: after idleness, and before sensitive steps. Nothing that was typed is lost by it."""

from __future__ import annotations

from flask import g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf.csrf import CSRFError
from wtforms import HiddenField, PasswordField, StringField

from booking.actions import staff
from booking.actions.staff import State
from booking.domain.errors import NotFound, NotProven, RateLimited
from booking.store import staff as records
from booking.store.staff import SignedIn
from booking.web import access, errors, kept
from booking.web.access import Unproven, allow, limit, safe_next, slow_down, speed_up
from booking.web.desk import browser, passkeys
from booking.web.desk.blueprint import blueprint
from booking.web.forms import Form


class UnlockForm(Form):
    password = PasswordField(lazy_gettext("Password"))
    code = StringField(lazy_gettext("Code of your app, or a recovery code"))
    kept = HiddenField()


@blueprint.get("/unlock")
@allow("public")
def unlock() -> ResponseReturnValue:
    person = _person()
    if person is None:
        return redirect(url_for("desk.login", next=request.args.get("next")), 303)
    return _page(UnlockForm(), person)


@blueprint.post("/unlock")
@allow("public")
def unlock_now() -> ResponseReturnValue:
    person = _person()
    if person is None:
        return redirect(url_for("desk.login", next=request.args.get("next")), 303)
    form = UnlockForm()
    try:
        secret = _prove(form, person)
    except NotProven:
        return _page(form, person), 422
    except RateLimited as error:
        form.form_errors.append(errors.words(error))
        return _page(form, person), 429, {"Retry-After": str(error.retry_after)}
    if not form.kept.data:
        return browser.go_on(secret, safe_next(request.args.get("next"), url_for("desk.clinics")))
    again = kept.opened(form.kept.data, person.id)
    response = make_response(render_template("desk/again.html", again=again))
    browser.give(response, secret)
    return response


@blueprint.post("/login/lock")
@allow("staff")
def lock() -> ResponseReturnValue:
    staff.lock(access.staff_secret(), g.now)
    return redirect(url_for("desk.unlock", next=safe_next(request.form.get("next"), url_for("desk.clinics"))), 303)


@blueprint.get("/login/session")
@allow("staff")
def session() -> ResponseReturnValue:
    """Whose session this browser has, for the script that locks the screen."""
    return str(g.staff.id), 200, {"Content-Type": "text/plain"}


@blueprint.app_errorhandler(Unproven)
def ask(error: Unproven) -> ResponseReturnValue:
    """A page is asked for again once they have proven themselves; a form goes along."""
    if request.method in ("GET", "HEAD"):
        return redirect(url_for("desk.unlock", next=request.full_path.rstrip("?")), 303)
    form, again = UnlockForm(), _kept()
    form.password.data = form.code.data = None  # they belong to the form that goes along
    form.kept.data = kept.sealed(again, error.person.id) if again else ""
    return _page(form, error.person), 401


def _kept() -> kept.Form | None:
    try:
        access.ask_for_proof()
    except CSRFError:
        return None
    return kept.of_request()


def _person() -> SignedIn | None:
    """Whose session this browser has, if it can be opened again."""
    found = records.session(access.staff_secret())
    if found is None or staff.state(found, g.now) not in (State.OPEN, State.LOCKED, State.OLD):
        return None
    return found


def _prove(form: UnlockForm, person: SignedIn) -> str:
    """The secret of the session from now on. Raises NotProven with the reason in the form."""
    if request.form.get("passkey"):
        limit(f"passkey:{access.address()}", 30, 300)
        try:
            return passkeys.sign_in(only=person.id)
        except NotProven:
            form.form_errors.append(passkeys.refused())
            raise
    if "continue" in request.form and staff.is_fresh(person, g.now) and staff.state(person, g.now) is State.OPEN:
        return access.staff_secret()  # they came in by a mailed link meanwhile
    slow_down(f"password:{person.email}")
    slow_down(f"password-from:{access.address()}")
    if _needs_code(person):
        limit(f"factor:{person.id}", 5, 300)
    try:
        secret = staff.unlock(access.staff_secret(), form.password.data or "", code=form.code.data or "", now=g.now)
    except (NotFound, NotProven):
        form.password.errors = (_wrong(person),)
        raise NotProven from None
    speed_up(f"password:{person.email}", all=True)
    speed_up(f"password-from:{access.address()}", all=False)
    return secret


def _wrong(person: SignedIn) -> str:
    if _needs_code(person):
        return _("The password or the code is not right.")
    return _("This is not your password.")


def _needs_code(person: SignedIn) -> bool:
    return person.has_second_factor and staff.state(person, g.now) is State.OLD


def _page(form: UnlockForm, person: SignedIn) -> str:
    return render_template(
        "desk/unlock.html",
        form=form,
        person=person,
        is_locked=staff.state(person, g.now) is not State.OPEN,
        needs_code=_needs_code(person),
        passkeys=passkeys.work() and person.has_passkey,
        next=safe_next(request.args.get("next"), ""),
    )
