"""Codes of authenticator apps: RFC 6238 with its usual choices (SHA-1, 30 seconds, 6 digits), which all apps read."""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

SECONDS = 30
DIGITS = 6
DRIFT = 1  # steps that a phone's clock may be early or late


def new_seed() -> bytes:
    """A new random seed of 160 bits."""
    return secrets.token_bytes(20)


def code(seed: bytes, step: int) -> str:
    """The code of a step: the number of whole half minutes since the epoch (RFC 4226, 5.3)."""
    mac = hmac.digest(seed, step.to_bytes(8, "big"), "sha1")
    offset = mac[-1] & 15
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(seed: bytes, given: str, now: datetime, *, after: int | None = None) -> int | None:
    """The step whose code was given, now or half a minute off; None if there is none later than the step `after`."""
    present = int(now.timestamp()) // SECONDS
    near = [
        step
        for step in range(present - DRIFT, present + DRIFT + 1)
        if hmac.compare_digest(code(seed, step).encode(), given.encode())
    ]
    return next((step for step in near if after is None or step > after), None)


def shown(seed: bytes) -> str:
    """The seed as people type it into an app: base32."""
    return base64.b32encode(seed).decode().rstrip("=")


def address(seed: bytes, *, account: str, issuer: str) -> str:
    """The otpauth address that an app reads from a link or a QR code."""
    query = urlencode({"secret": shown(seed), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?{query}"
