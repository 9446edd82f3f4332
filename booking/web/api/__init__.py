"""The JSON API: slots for everybody, appointments with a clinic's key."""

from booking.web.api import appointments, openapi, slots
from booking.web.api.blueprint import blueprint

__all__ = ["appointments", "blueprint", "openapi", "slots"]
