"""The owner's settings: everything that the clinic file says, on screens."""

from booking.web.admin import clinic_file, feeds, invitations, overview, settings
from booking.web.admin.blueprint import blueprint

__all__ = ["blueprint", "clinic_file", "feeds", "invitations", "overview", "settings"]
