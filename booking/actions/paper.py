"""The day sheet by mail, in the evening before, to clinics that want it."""

from __future__ import annotations

from datetime import datetime, time

from booking.domain.message import Kind, Recipient
from booking.domain.time import first_instant, local
from booking.store import outbox, paper
from booking.store.base import transaction

EVENING = time(18)


def mail_day_sheets(now: datetime) -> int:
    """Queue tomorrow's sheet of every clinic that wants it, from six in its evening; once a day. Returns how many.

    A clinic's day is that of its first location. A day without visits needs no sheet.
    """
    return sum(_mail(clinic_id, now) for clinic_id in paper.mailed() if _is_evening(clinic_id, now))


def _is_evening(clinic_id: int, now: datetime) -> bool:
    return local(now, paper.zone(clinic_id)).time() >= EVENING


@transaction
def _mail(clinic_id: int, now: datetime) -> bool:
    clinic, zone = paper.locked(clinic_id), paper.zone(clinic_id)
    six = first_instant(datetime.combine(local(now, zone).date(), EVENING), zone)
    if outbox.was_told_lately(clinic_id, Kind.DAY_SHEET, clinic.email, since=six):
        return False
    if not paper.sheets(clinic_id, paper.tomorrow(now, zone)):
        return False
    outbox.put(
        clinic_id=clinic_id,
        appointment_id=None,
        kind=Kind.DAY_SHEET,
        role=Recipient.CLINIC,
        method=None,
        address=clinic.email,
        language=str(clinic.languages[0]),
        now=now,
    )
    return True
