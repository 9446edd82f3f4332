"""The blueprint that every module of the desk puts its routes on."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, g

from booking.store import appointment
from booking.store.clinic import Clinic

blueprint = Blueprint("desk", __name__)

READERS = ("owner", "front-desk", "practitioner")  # who sees the day and the requests
DESK = ("owner", "front-desk")  # who answers requests and cancels visits


@blueprint.context_processor
def _in_every_page() -> dict[str, Callable[[], object]]:
    return {"waiting": _waiting, "may_answer": _may_answer}


def _waiting() -> int:
    """How many visits wait for the desk, for the bar on top."""
    clinic: Clinic = g.clinic
    rows = appointment.requests(clinic.id)
    return sum(not is_patients_turn(row.waits_for) and row.ends_at > g.now for row, _patient in rows)


def is_patients_turn(waits_for: str | None) -> bool:
    return waits_for == "patient"


def _may_answer() -> bool:
    return g.caller.role in DESK
