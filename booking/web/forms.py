"""What the forms of all audiences share: their base. What is typed into them becomes values in `formats/contact`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import g
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, StringField
from wtforms.validators import StopValidation, ValidationError

from booking.formats.contact import NOTE_LENGTH, email_address, is_name, is_readable, phone_number, tidy
from booking.store.patient import Person
from booking.web import errors


class Form(FlaskForm):
    """A form of ours: shape only, never a row. It reads the request when that is a POST, unless another was sent."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, sent: bool = True) -> None:
        read = {} if sent else {"formdata": None}
        super().__init__(data=data, **read)  # type: ignore[no-untyped-call]

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        """Whether every field has the shape it should have; if not, their errors say what is wrong."""
        return bool(super().validate(extra_validators))  # type: ignore[no-untyped-call]


def check_note(_form: Form, field: Field) -> None:
    """A validator of what is written for the desk."""
    if len(field.data) > NOTE_LENGTH:
        raise ValidationError(errors.fault_words("note"))
    if not is_readable(field.data):
        raise ValidationError(errors.fault_words("text"))


class ContactForm(Form):
    """Who comes, and how to reach them: by phone or e-mail or both."""

    name = StringField(lazy_gettext("Full name"), filters=[tidy])
    phone = StringField(lazy_gettext("Mobile phone"), filters=[tidy])
    email = StringField(lazy_gettext("E-mail (optional)"), filters=[tidy])

    def validate_name(self, field: Field) -> None:
        if not is_name(field.data):
            raise ValidationError(errors.fault_words("name"))

    def validate_phone(self, field: Field) -> None:
        if not field.data:
            if not self.email.data:
                raise StopValidation(errors.fault_words("contact"))
            return
        if phone_number(field.data, g.clinic.region) is None:
            raise ValidationError(errors.fault_words("phone"))

    def validate_email(self, field: Field) -> None:
        if field.data and email_address(field.data) is None:
            raise ValidationError(errors.fault_words("email"))

    def person(self) -> Person:
        """The person that a valid form is about, whose language is the page's."""
        return Person(
            self.name.data or "",
            email_address(self.email.data) if self.email.data else None,
            phone_number(self.phone.data, g.clinic.region) if self.phone.data else None,
            g.language,
        )
