"""Who asks, and the tokens that let somebody in without an account."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

PREFIXES = {"manage": "mg", "feed": "fd"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for something to be done."""

    kind: str  # public, patient, staff, key or worker
    id: int | None = None  # of the staff user or the API key
    role: str | None = None  # of the staff user, in the clinic at hand

    @property
    def is_desk(self) -> bool:
        """May this caller go past the limits that bind a patient online (notice, horizon, number of visits)?"""
        return self.kind == "staff"


PUBLIC = Caller("public")
PATIENT = Caller("patient")
WORKER = Caller("worker")


def token(secret: str, purpose: str, clinic_id: int, subject: str, version: int) -> str:
    """The link token of a subject (its public id). Nothing is stored but the version; raising it revokes."""
    return f"{PREFIXES[purpose]}_{subject}_{_signature(secret, purpose, clinic_id, subject, version)}"


def subject_of(text: str, purpose: str) -> str | None:
    """The public id that a token speaks of, None if it has not a token's form. It proves nothing yet."""
    parts = text.split("_", 2)
    if len(parts) != 3 or parts[0] != PREFIXES[purpose]:
        return None
    return parts[1]


def is_genuine(text: str, secret: str, purpose: str, clinic_id: int, subject: str, version: int) -> bool:
    """Whether the token was made by us for this subject at this version. Takes the same time for any wrong one."""
    wanted = token(secret, purpose, clinic_id, subject, version)
    return hmac.compare_digest(text.encode(), wanted.encode())


def _signature(secret: str, purpose: str, clinic_id: int, subject: str, version: int) -> str:
    said = f"{purpose}:{clinic_id}:{subject}:{version}".encode()
    return base64.urlsafe_b64encode(hmac.digest(secret.encode(), said, "sha256")).decode().rstrip("=")


def browser_mark(secret: str, staff_id: int) -> str:
    """What a browser keeps to show that this staff user has signed in there before. It opens nothing."""
    return hmac.digest(secret.encode(), f"browser:{staff_id}".encode(), "sha256").hex()[:16]


def digest(text: str) -> str:
    """The hex SHA-256 of a secret or an address: what is stored instead of it."""
    return hashlib.sha256(text.encode()).hexdigest()


def new_secret(prefix: str) -> str:
    """A new random secret of 256 bits, for a link, a session or an API key."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: nothing to misread


def new_id() -> str:
    """A new public id: 26 characters, 130 random bits. It stands in URLs."""
    return _letters(26)


REFERENCE_LENGTH = 8


def new_reference() -> str:
    """A new short reference for the phone, like 7K4M-2QXA without the dash: 8 characters, upper case."""
    return _letters(REFERENCE_LENGTH).upper()


def _letters(count: int) -> str:
    bits = secrets.randbits(5 * count)
    return "".join(ALPHABET[bits >> 5 * n & 31] for n in range(count))


def new_recovery_code() -> str:
    """A new code that stands in for a second factor once: 80 random bits, in lower case and without dashes."""
    return _letters(16)


def plain_code(typed: str) -> str:
    """A code as it was made, from what somebody typed: in any case, with spaces or dashes, o for 0, i and l for 1."""
    return "".join(c for c in typed.casefold() if c.isalnum()).translate(str.maketrans("oil", "011"))
