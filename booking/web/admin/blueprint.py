"""The blueprint that every module of the settings puts its routes on."""

from __future__ import annotations

from datetime import date

from babel.dates import format_skeleton, get_day_names
from flask import Blueprint

from booking.formats.clinic_file import DAYS
from booking.formats.words import locale_of
from booking.web import i18n
from booking.web.admin import words
from booking.web.desk.blueprint import in_every_page

blueprint = Blueprint("admin", __name__)
blueprint.context_processor(in_every_page)

OWNER = ("owner",)  # who keeps the settings
KEEPERS = ("owner", "front-desk")  # who enters closures and time off


@blueprint.app_template_filter()
def language_name(language: str) -> str:
    """What a language is called in the reader's."""
    return str(locale_of(language).get_display_name(i18n.locale()))


@blueprint.app_template_filter()
def list_day(on: date) -> str:
    """A date as lists have it: "Mon, Jan 11"."""
    return str(format_skeleton("MMMEd", on, locale=i18n.locale()))


@blueprint.context_processor
def _weekdays() -> dict[str, list[tuple[str, str]]]:
    """The days of the week as the file has them, with what they are called."""
    names = get_day_names("abbreviated", locale=i18n.locale())
    return {"weekdays": [(day, names[number]) for number, day in enumerate(DAYS)]}


blueprint.add_app_template_filter(words.stranding_words)
