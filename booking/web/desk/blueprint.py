"""The blueprint that every module of the desk puts its routes on."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, g

from booking.store import board, phone
from booking.store.clinic import Clinic

blueprint = Blueprint("desk", __name__)

READERS = ("owner", "front-desk", "practitioner")  # who sees the day and the requests
DESK = ("owner", "front-desk")  # who answers requests and cancels visits


@blueprint.context_processor
def in_every_page() -> dict[str, Callable[[], object]]:
    """What the frame of the desk's pages asks for, also around the settings."""
    return {"waiting": _waiting, "to_phone": _to_phone, "may_answer": _may_answer}


def _waiting() -> int:
    """How many visits wait for the desk, for the bar on top."""
    clinic: Clinic = g.clinic
    return board.waiting(clinic.id, g.now)


def _to_phone() -> int:
    """How many patients have to be phoned."""
    return len(phone.calls(g.clinic.id, g.now))


def is_patients_turn(waits_for: str | None) -> bool:
    return waits_for == "patient"


def _may_answer() -> bool:
    return g.caller.role in DESK
