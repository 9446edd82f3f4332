"""The JSON API: slots for everybody, appointments with a clinic's key."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
