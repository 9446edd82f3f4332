"""What somebody typed into a form that could not be taken yet. It goes along in the page, and is sent again from there.

While the screen is locked it is sealed: whoever passes by may look into the page. Secrets are never kept.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from flask import request
from werkzeug.exceptions import BadRequest

from booking.store.base import settings
from booking.store.sealed import seal, unseal

LARGEST = 64 * 1024  # characters
SECRET = ("password", "code", "passkey", "seed", "csrf_token", "kept")


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it was sent: to which address of ours, with which fields in which order."""

    action: str
    fields: tuple[tuple[str, str], ...]


def of_request() -> Form | None:
    """The form that this request sends; None if there is none, or it holds a file or too much."""
    if request.method != "POST" or request.files or request.mimetype == "application/json":
        return None
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in SECRET]
    if sum(len(name) + len(value) for name, value in fields) > LARGEST:
        return None
    return Form(request.full_path.rstrip("?"), tuple(fields))


def is_from_us() -> bool:
    """Whether the browser says that a page of ours sent this request: only then is its form offered to be sent again.

    Otherwise another site could have its own form pressed by somebody who trusts our page.
    """
    said = request.headers.get("Sec-Fetch-Site")
    if said is not None:
        return said == "same-origin"
    origin = urlsplit(request.headers.get("Origin") or request.headers.get("Referer") or "")
    return f"{origin.scheme}://{origin.netloc}" == settings().public_url


def sealed(form: Form, staff_id: int) -> str:
    """The form as a hidden field that only this person can have opened."""
    text = json.dumps([form.action, form.fields])
    return base64.urlsafe_b64encode(seal(text, f"kept:{staff_id}")).decode()


def opened(text: str, staff_id: int) -> Form:
    """The form that was sealed for this person. Raises BadRequest for anything else."""
    try:
        action, fields = json.loads(unseal(base64.urlsafe_b64decode(text), f"kept:{staff_id}"))
    except (InvalidTag, binascii.Error, ValueError):
        raise BadRequest from None
    return Form(action, tuple((name, value) for name, value in fields))
