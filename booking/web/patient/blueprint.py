"""The blueprint that every module of the patient pages puts its routes on, with the filters of their templates."""

from __future__ import annotations

from flask import Blueprint

from booking.web.patient import shown

blueprint = Blueprint("patient", __name__)
blueprint.add_app_template_global(shown.language_tag)
for show in shown.FILTERS:
    blueprint.add_app_template_filter(show)
