"""Encrypted fields: AES-256-GCM, bound to their place, so that a ciphertext moved to another row does not open.

The form is `version | key id | nonce | ciphertext and tag`. There is one key as yet; its id stands in front so that
a second one can be told apart.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from booking.store.base import settings

VERSION = b"\x01"
KEY_ID = 4
NONCE = 12


def seal(text: str | bytes, place: str) -> bytes:
    """Return `text` encrypted for one `place`, like "appointment.note:7k4m…": the table, column and row's public id."""
    cipher, key_id = _cipher(settings().field_key_bytes)
    nonce = os.urandom(NONCE)
    plain = text.encode() if isinstance(text, str) else text
    return VERSION + key_id + nonce + cipher.encrypt(nonce, plain, place.encode())


def unseal(sealed: bytes, place: str) -> bytes:
    """Return what `seal` was given. Raises InvalidTag if it was changed, moved or made with another key."""
    cipher, _ = _cipher(settings().field_key_bytes)
    start = len(VERSION) + KEY_ID
    return cipher.decrypt(sealed[start : start + NONCE], sealed[start + NONCE :], place.encode())


@lru_cache(maxsize=2)
def _cipher(key: bytes) -> tuple[AESGCM, bytes]:
    """The cipher of a key, and the key's id."""
    return AESGCM(key), hashlib.sha256(b"key id" + key).digest()[:KEY_ID]
