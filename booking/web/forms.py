"""What the forms of all audiences share: their base. What is typed into them becomes values in `formats/contact`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_wtf import FlaskForm


class Form(FlaskForm):
    """A form of ours: shape only, never a row. It reads the request when that is a POST."""

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data=data)  # type: ignore[no-untyped-call]

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        """Whether every field has the shape it should have; if not, their errors say what is wrong."""
        return bool(super().validate(extra_validators))  # type: ignore[no-untyped-call]
