"""Appointment booking for clinics."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import reset_tzpath

if TYPE_CHECKING:
    from flask import Flask

    from booking.settings import Settings

# The operating system's zone data can be years old; only the pinned tzdata wheel is read.
reset_tzpath(to=())


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application with these settings, or with those of the environment."""
    from booking.web.app import create_app as create  # everything imports this package, so it can't import web above

    return create(settings)
