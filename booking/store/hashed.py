"""Passwords as they are kept: argon2id, two at once in each process. No transaction is open meanwhile (`base.rest`)."""

from __future__ import annotations

import unicodedata
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from booking.domain.password import LONGEST

# OWASP's floor: 19 MiB and two passes, 70 ms. The library's own choice takes ten times as long on a small server.
HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
AT_ONCE = BoundedSemaphore(2)
# Of nobody's password: whoever has none is asked as long as everybody else.
NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$mSVX16x+u8SMib/Ue6A1AQ$QAT5h5q115vFRV+M9ilMiCLIuGv2muw+Y3j5meHt9uA"


def hashed(password: str) -> str:
    """The password as it is kept. Takes 70 ms."""
    with AT_ONCE:
        return HASHER.hash(_normal(password))


def matches(password: str, kept: str | None) -> bool:
    """Whether it is the password that is kept; False where none is, after the same time."""
    fits = len(password) <= LONGEST
    with AT_ONCE:
        try:
            return HASHER.verify(kept or NOBODYS, _normal(password) if fits else "") and kept is not None and fits
        except (VerificationError, InvalidHashError):
            return False


def is_dated(kept: str) -> bool:
    """Whether a kept password was hashed less thoroughly than is done now."""
    return HASHER.check_needs_rehash(kept)


def _normal(password: str) -> str:
    """The same letters typed on another keyboard are the same password."""
    return unicodedata.normalize("NFKC", password)
