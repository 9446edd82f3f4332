"""Please phone: the patients whom no mail reached, and what they are to be told."""

from __future__ import annotations

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.actions import visit as actions
from booking.domain.errors import NotFound
from booking.store import board, phone
from booking.web import i18n
from booking.web.access import allow
from booking.web.desk import visits, words
from booking.web.desk.blueprint import DESK, READERS, blueprint


@blueprint.get("/desk/<clinic>/phone")
@allow("staff", *READERS)
def to_phone() -> str:
    names = board.names(g.clinic.id)
    calls = [
        (call, words.call_words(call, i18n.text(names.services[call.visit.service_id])))
        for call in phone.calls(g.clinic.id, g.now)
    ]
    return render_template("desk/phone.html", calls=calls, told=_told())


@blueprint.post("/desk/<clinic>/phone/<id>")
@allow("staff", *DESK)
def told_by_phone(id: str) -> ResponseReturnValue:
    message = _message()
    actions.told_by_phone(g.clinic.id, message, by=g.caller, now=g.now)
    return redirect(url_for("desk.to_phone", visit=visits.one(id).row.public_id, told=message), 303)


@blueprint.post("/desk/<clinic>/phone/<id>/back")
@allow("staff", *DESK)
def not_told_by_phone(id: str) -> ResponseReturnValue:
    actions.not_told_by_phone(g.clinic.id, _message(), by=g.caller, now=g.now)
    return redirect(url_for("desk.to_phone", _anchor=f"v-{visits.one(id).row.public_id}"), 303)


def _message() -> int:
    message = request.form.get("message", type=int)
    if message is None:
        raise NotFound
    return message


def _told() -> tuple[visits.Visit, int] | None:
    """The visit whose patient was just told, and by which message the button takes that back."""
    message = request.args.get("told", type=int)
    try:
        return (visits.one(request.args.get("visit", "")), message) if message is not None else None
    except NotFound:
        return None
