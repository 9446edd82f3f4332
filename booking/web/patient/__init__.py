"""What patients see: find a time, book it, and manage the visit, without an account and without a script."""

from booking.web.patient import appointment, details, home, lost_link, times
from booking.web.patient.blueprint import blueprint

__all__ = ["appointment", "blueprint", "details", "home", "lost_link", "times"]
