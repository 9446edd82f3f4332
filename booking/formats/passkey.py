"""Passkeys (WebAuthn, level 3): what a browser is asked for, and whether its answer is good.

A passkey is taken only with its owner recognized by the device (by finger, face or PIN), so it is two factors in one.
The webauthn package is imported late: it takes as long as all the rest.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from booking.domain.errors import NotProven

CHALLENGE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Site:
    """Where passkeys are made and used: they belong to its host name."""

    host: str
    origin: str
    works: bool  # browsers want a name rather than an address, and https but on this machine itself

    @classmethod
    def of(cls, public_url: str) -> Site:
        """The site that people reach at this address."""
        parts = urlsplit(public_url)
        host = parts.hostname or ""
        try:
            ip_address(host)
        except ValueError:
            return cls(host, public_url, works=parts.scheme == "https" or host == "localhost")
        return cls(host, public_url, works=False)


@dataclass(frozen=True, slots=True)
class Registered:
    """A new passkey's public half."""

    credential: str  # its id, base64url
    public_key: bytes
    sign_count: int


def new_challenge() -> bytes:
    """Random bytes for a passkey to sign."""
    return secrets.token_bytes(CHALLENGE_BYTES)


def to_create(challenge: bytes, site: Site, *, id: int, email: str, name: str, known: Iterable[str]) -> dict[str, Any]:
    """What `navigator.credentials.create` is given for this person, as JSON. `known` are their credentials' ids."""
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers import structs

    options = generate_registration_options(
        rp_id=site.host,
        rp_name=site.host,
        user_id=f"staff:{id}".encode(),
        user_name=email,
        user_display_name=name,
        challenge=challenge,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(known),
    )
    found: dict[str, Any] = json.loads(options_to_json(options))
    return found


def to_get(challenge: bytes, site: Site, known: Iterable[str]) -> dict[str, Any]:
    """What `navigator.credentials.get` is given, as JSON; with nothing `known` any passkey of the site will do."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers import structs

    options = generate_authentication_options(
        rp_id=site.host,
        challenge=challenge,
        allow_credentials=_descriptors(known),
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    found: dict[str, Any] = json.loads(options_to_json(options))
    return found


def credential_of(answer: str) -> str:
    """The id of the passkey that an answer claims to be from. Raises NotProven if it can't be read."""
    return str(_read(answer).get("id", ""))


def challenge_of(answer: str) -> bytes:
    """The challenge that an answer claims to have signed. Raises NotProven if it can't be read."""
    from webauthn.helpers import base64url_to_bytes

    try:
        client = json.loads(base64url_to_bytes(_read(answer)["response"]["clientDataJSON"]))
        return base64url_to_bytes(client["challenge"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotProven from None


def registered(answer: str, challenge: bytes, site: Site) -> Registered:
    """The passkey that the browser made. Raises NotProven if the answer is not one to this challenge at this site."""
    from webauthn import verify_registration_response
    from webauthn.helpers import bytes_to_base64url
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        found = verify_registration_response(
            credential=_read(answer),
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        raise NotProven from None
    return Registered(bytes_to_base64url(found.credential_id), found.credential_public_key, found.sign_count)


def verified(answer: str, challenge: bytes, site: Site, *, public_key: bytes, sign_count: int) -> int:
    """The passkey's new count of signatures. Raises NotProven if it did not sign this challenge at this site."""
    from webauthn import verify_authentication_response
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        found = verify_authentication_response(
            credential=_read(answer),
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        raise NotProven from None
    return found.new_sign_count


def _read(answer: str) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except ValueError:
        raise NotProven from None
    if not isinstance(found, dict):
        raise NotProven
    return found


def _descriptors(credentials: Iterable[str]) -> list[Any]:
    from webauthn.helpers import base64url_to_bytes, structs

    return [structs.PublicKeyCredentialDescriptor(id=base64url_to_bytes(credential)) for credential in credentials]
