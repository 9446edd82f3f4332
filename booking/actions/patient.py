"""What a patient asks for beside booking."""

from __future__ import annotations

from datetime import datetime

from booking.domain.access import token
from booking.domain.message import Facts, Kind, Link, Recipient
from booking.store import appointment as appointments
from booking.store import outbox
from booking.store import patient as patients
from booking.store.appointment import Appointment
from booking.store.base import db, settings, transaction
from booking.store.clinic import Location


@transaction
def send_links(clinic_id: int, email: str, *, language: str, now: datetime) -> None:
    """Mail the links of an address's future visits to that address; nothing happens where it has none."""
    visits = appointments.of_contact(clinic_id, email, now)
    if not visits:
        return
    outbox.put(
        clinic_id=clinic_id,
        appointment_id=None,
        kind=Kind.LOST_LINK,
        role=Recipient.PATIENT,
        method=None,
        address=email,
        language=language,
        facts=Facts(links=tuple(_link(visit) for visit in visits)),
        now=now,
    )


def _link(visit: Appointment) -> Link:
    known = settings()
    secret = token(known.secret_key, "manage", visit.clinic_id, visit.public_id, visit.link_version)
    place = db.session.get_one(Location, visit.location_id)
    return Link(f"{known.public_url}/a/{secret}", visit.starts_at, visit.zone, place.name)


def write_keys(*, batch: int = 1000) -> int:
    """Make the keys of the patients that have none yet, or have them by older rules. Returns of how many.

    `batch` patients are one transaction, so that a big clinic works on meanwhile.
    """
    written = 0
    while count := _write_keys(batch):
        written += count
    return written


@transaction
def _write_keys(batch: int) -> int:
    waiting = patients.without_keys(batch)
    patients.rekey(waiting)
    return len(waiting)
