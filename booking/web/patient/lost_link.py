"""A patient who lost the link asks for it again. The answer never says whether the address is known."""

from __future__ import annotations

from flask import g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l
from wtforms import Field, StringField
from wtforms.validators import ValidationError

from booking.actions import patient as patients
from booking.formats.contact import email_address, tidy
from booking.web import errors
from booking.web.access import address, allow, limit
from booking.web.forms import Form
from booking.web.patient.blueprint import blueprint


class LostLinkForm(Form):
    """The address that the confirmation went to."""

    email = StringField(_l("E-mail"), filters=[tidy])

    def validate_email(self, field: Field) -> None:
        if email_address(field.data) is None:
            raise ValidationError(errors.fault_words("email-needed"))


@blueprint.get("/<clinic>/lost-link")
@allow("public")
def lost_link() -> str:
    return render_template("patient/lost_link.html", form=LostLinkForm())


@blueprint.post("/<clinic>/lost-link")
@allow("public")
def send_links() -> ResponseReturnValue:
    form = LostLinkForm()
    if not form.validate():
        return render_template("patient/lost_link.html", form=form), 422
    wanted = email_address(form.email.data) or ""
    limit(f"lost-link:{address()}", 10, 3600)
    limit(f"lost-link-of:{wanted}", 5, 86400)
    patients.send_links(g.clinic.id, wanted, language=g.language, now=g.now)
    return redirect(url_for("patient.links_sent"), 303)


@blueprint.get("/<clinic>/lost-link/sent")
@allow("public")
def links_sent() -> str:
    return render_template("patient/links_sent.html")
