"""Passkeys at the desk: what the script of a page asks for, and what it sends back in a form. `static/passkey.js`."""

from __future__ import annotations

from flask import g, jsonify, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.actions import staff
from booking.formats import passkey
from booking.formats.passkey import Site
from booking.store import staff as records
from booking.store.base import settings
from booking.web import access
from booking.web.access import allow, limit
from booking.web.desk import browser
from booking.web.desk.blueprint import blueprint


@blueprint.post("/login/passkey/options")
@allow("public")
def options() -> ResponseReturnValue:
    """What to have signed: by any passkey of this site, or ("mine") by one of whose session this browser has."""
    limit(f"passkey-options:{access.address()}", 60, 300)
    person = records.session(access.staff_secret()) if "mine" in request.form else None
    known = [key.credential for key in records.passkeys_of(person.id)] if person else []
    return jsonify(passkey.to_get(staff.challenge(g.session_key, g.now), _site(), known))


@blueprint.post("/account/passkeys/options")
@allow("staff", fresh=True)
def options_to_create() -> ResponseReturnValue:
    known = [key.credential for key in records.passkeys_of(g.staff.id)]
    asked = staff.challenge(g.session_key, g.now)
    person = g.staff
    return jsonify(passkey.to_create(asked, _site(), id=person.id, email=person.email, name=person.name, known=known))


def sign_in(*, only: int | None) -> str:
    """The secret of a new session for what this request's form was signed with. Raises NotProven."""
    answer = request.form.get("passkey", "")
    return staff.sign_in_with_passkey(answer, g.session_key, only=only, browser=browser.here(), now=g.now)


def work() -> bool:
    """Whether browsers take passkeys at this site's address."""
    return _site().works


def refused() -> str:
    return _("This passkey is not known here, or it took too long. Please try again.")


def _site() -> Site:
    return Site.of(settings().public_url)
