"""What the forms of all audiences share: their base, and text as it is kept."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from flask_wtf import FlaskForm

NOTE_LENGTH = 500


class Form(FlaskForm):
    """A form of ours: shape only, never a row. It reads the request when that is a POST."""

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data=data)  # type: ignore[no-untyped-call]

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        """Whether every field has the shape it should have; if not, their errors say what is wrong."""
        return bool(super().validate(extra_validators))  # type: ignore[no-untyped-call]


def tidy(text: str | None) -> str:
    """One line as it is kept: composed characters, single spaces."""
    return " ".join(unicodedata.normalize("NFC", text or "").split())


def tidy_lines(text: str | None) -> str:
    """Several lines, composed, with plain line ends."""
    return unicodedata.normalize("NFC", text or "").replace("\r\n", "\n").replace("\r", "\n").strip()


def is_readable(text: str) -> bool:
    """Free of control characters, unassigned ones and halves of characters."""
    return all(char == "\n" or unicodedata.category(char) not in ("Cc", "Cs", "Cn", "Co") for char in text)
