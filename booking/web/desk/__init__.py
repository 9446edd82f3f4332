"""The front desk: staff sign in by a mailed link, see the day's visits, and answer requests."""

from booking.web.desk import cancel, day, requests, sign_in, why
from booking.web.desk.blueprint import blueprint

__all__ = ["blueprint", "cancel", "day", "requests", "sign_in", "why"]
