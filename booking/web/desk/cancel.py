"""Calling a visit off, by the desk."""

from __future__ import annotations

from contextlib import suppress

from flask import g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from wtforms import TextAreaField
from wtforms.validators import Length

from booking.actions import appointment
from booking.domain.appointment import Status
from booking.domain.errors import WrongStatus
from booking.formats.contact import NOTE_LENGTH, tidy_lines
from booking.web.access import allow
from booking.web.desk import outcome, visits
from booking.web.desk.blueprint import DESK, blueprint
from booking.web.desk.outcome import Deed
from booking.web.desk.requests import readable
from booking.web.desk.visits import Visit
from booking.web.forms import Form


class CancelForm(Form):
    reason = TextAreaField(
        lazy_gettext("Reason (optional)"),
        [Length(max=NOTE_LENGTH, message=lazy_gettext("Keep the reason under 500 characters")), readable],
        filters=[tidy_lines],
    )


@blueprint.get("/desk/<clinic>/appointments/<id>/cancel")
@allow("staff", *DESK)
def cancel(id: str) -> ResponseReturnValue:
    visit = visits.one(id)
    if not visit.may_cancel:
        return _elsewhere(visit)
    return render_template("desk/cancel.html", visit=visit, form=CancelForm())


@blueprint.post("/desk/<clinic>/appointments/<id>/cancel")
@allow("staff", *DESK)
def cancel_now(id: str) -> ResponseReturnValue:
    visit = visits.one(id)
    if not visit.may_cancel:
        return _elsewhere(visit)
    form = CancelForm()
    if not form.validate():
        return render_template("desk/cancel.html", visit=visit, form=form), 422
    with suppress(WrongStatus):  # the page that follows says how the visit stands
        appointment.cancel(g.clinic.id, id, reason=form.reason.data or "", by=g.caller, now=g.now)
    return outcome.show_on_day(Deed.CANCELLED, visit.row)


def _elsewhere(visit: Visit) -> ResponseReturnValue:
    """A request is declined, with words that its patient reads; what is over stays as it is."""
    if visit.row.status == Status.PENDING:
        return redirect(url_for("desk.decline", id=visit.row.public_id), 303)
    return outcome.show_on_day(Deed.CANCELLED, visit.row)
