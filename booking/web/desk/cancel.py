"""Calling a visit off, by the desk: on whose account, and what the patient is told; or it should never have been."""

from __future__ import annotations

from flask import g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import RadioField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import InputRequired, Length

from booking.actions import appointment
from booking.actions import visit as visit_actions
from booking.domain.appointment import Status, Why, may_become
from booking.formats.contact import NOTE_LENGTH, tidy_lines
from booking.web.access import allow
from booking.web.desk import outcome, visits
from booking.web.desk.blueprint import DESK, blueprint
from booking.web.desk.outcome import Deed, leads_to
from booking.web.desk.requests import MessageForm, readable
from booking.web.desk.visits import Visit

MISTAKE = "mistake"


class CancelForm(MessageForm):
    why = RadioField(
        lazy_gettext("Why is it cancelled?"),
        [InputRequired(lazy_gettext("Choose why it is cancelled"))],
    )
    reason = TextAreaField(
        lazy_gettext("Reason (optional)"),
        [Length(max=NOTE_LENGTH, message=lazy_gettext("Keep the reason under 500 characters")), readable],
        filters=[tidy_lines],
    )


@blueprint.get("/desk/<clinic>/appointments/<id>/cancel")
@allow("staff", *DESK)
def cancel(id: str) -> ResponseReturnValue:
    visit = visits.one(id)
    if visit.row.status == Status.PENDING:
        return redirect(url_for("desk.decline", id=id), 303)
    if not may_become(Status(visit.row.status), Status.ENTERED_IN_ERROR):
        return outcome.show(Deed.CANCELLED, visit.row)
    return _page(visit, _form(visit))


@blueprint.post("/desk/<clinic>/appointments/<id>/cancel")
@allow("staff", *DESK)
@leads_to(Deed.CANCELLED)
def cancel_now(id: str) -> ResponseReturnValue:
    visit = visits.one(id)
    if visit.row.status == Status.PENDING:
        return redirect(url_for("desk.decline", id=id), 303)  # with words that its patient reads
    form = _form(visit)
    if not form.validate():
        return _page(visit, form), 422
    if form.why.data == MISTAKE:
        return leads_to(Deed.MISTAKE)(_take_out)(id)
    row = appointment.cancel(
        g.clinic.id,
        id,
        why=Why(form.why.data),
        reason=form.reason.data or "",
        message=form.message.data or "",
        by=g.caller,
        now=g.now,
        expected=outcome.version(),
    )
    return outcome.show(Deed.CANCELLED, row)


def _take_out(id: str) -> ResponseReturnValue:
    reason = _form(visits.one(id)).reason.data or ""
    row = visit_actions.enter_in_error(
        g.clinic.id, id, reason=reason, by=g.caller, now=g.now, expected=outcome.version()
    )
    return outcome.show(Deed.MISTAKE, row)


def _form(visit: Visit) -> CancelForm:
    """The form with what may be said of this visit: what is over can only have been a mistake."""
    form = CancelForm()
    mistake = SelectChoice(MISTAKE, _("It was entered by mistake"))
    form.why.choices = [mistake]
    if visit.may_cancel:
        form.why.choices = [
            SelectChoice(Why.PATIENT.value, _("The patient cancels")),
            SelectChoice(Why.CLINIC.value, _("The clinic cancels")),
            SelectChoice(Why.OTHER.value, _("Another reason")),
            mistake,
        ]
    elif not form.why.data:
        form.why.data = MISTAKE
    return form


def _page(visit: Visit, form: CancelForm) -> str:
    return render_template("desk/cancel.html", visit=visit, form=form)
