"""That a staff user was shown a record: written down after the answer is made, since looking must stay looking.

Pages that show one patient or one visit call this; lists and boards don't.
"""

from __future__ import annotations

from datetime import date

from flask import Response, after_this_request, g

from booking.actions import audit as actions
from booking.domain.audit import Kind, thing
from booking.store import audit


def patient(patient_id: int) -> None:
    """Note that the signed-in person is shown this patient's record."""
    _note(thing(Kind.PATIENT, patient_id))


def appointment(public_id: str) -> None:
    """Note that the signed-in person is shown this visit."""
    _note(thing(Kind.APPOINTMENT, public_id))


def day_sheet(on: date) -> None:
    """Note that the signed-in person is shown a day on paper, with everybody's phone and note."""
    _note(thing(Kind.DAY, on.isoformat()))


def _note(object: str) -> None:
    clinic_id, staff_id, now = g.clinic.id, g.staff.id, g.now
    if audit.is_noted(clinic_id, staff_id, object, now):
        return

    @after_this_request
    def note(response: Response) -> Response:
        # A record that can't be noted is not shown: whatever fails here takes the answer's place.
        actions.note(clinic_id, staff_id, object, now)
        return response
