"""The front desk: staff sign in, see the day's visits, and answer requests."""

from booking.web.desk import account, cancel, day, passkeys, requests, sign_in, staff, unlock, why
from booking.web.desk.blueprint import blueprint

__all__ = [
    "account",
    "blueprint",
    "cancel",
    "day",
    "passkeys",
    "requests",
    "sign_in",
    "staff",
    "unlock",
    "why",
]
