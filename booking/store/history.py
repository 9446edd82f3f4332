"""What happened to a visit and by whom, and who was told what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from booking.domain.appointment import Status, Step
from booking.store.access import Key
from booking.store.appointment import Appointment, Change
from booking.store.base import db
from booking.store.outbox import Message
from booking.store.sealed import unseal
from booking.store.staff import Staff


@dataclass(frozen=True, slots=True)
class Entry:
    """A change of a visit. `what` holds codes; `reason` is what the author said."""

    id: int
    at: datetime
    by: str  # public, patient, staff, key, worker
    author: str  # name of the staff user or the API key, else empty
    old: Status | None
    new: Status
    what: dict[str, Any]
    reason: str

    @property
    def step(self) -> Step:
        return Step(self.old, self.new, self.at, back=bool(self.what.get("back")))


@dataclass(frozen=True, slots=True)
class Mail:
    """A message about a visit, and how far it has come."""

    kind: str
    role: str
    address: str  # empty: there was none
    state: str  # queued, sent, failed or superseded
    due_at: datetime
    ended_at: datetime | None
    phoned_at: datetime | None
    phoned_by: str


CHANGES = (
    sa.select(Change, Staff.name, Key.name)
    .outerjoin(Staff, sa.and_(Change.by_kind == "staff", Staff.id == Change.by_id))
    .outerjoin(Key, sa.and_(Change.by_kind == "key", Key.id == Change.by_id))
    .where(Change.clinic_id == sa.bindparam("clinic"), Change.appointment_id == sa.bindparam("visit"))
    .order_by(Change.id)
)
MAILS = (
    sa.select(
        Message.kind,
        Message.role,
        Message.address,
        Message.state,
        Message.due_at,
        Message.ended_at,
        Message.phoned_at,
        sa.func.coalesce(Staff.name, ""),
    )
    .outerjoin(Staff, Staff.id == Message.phoned_by)
    .where(Message.clinic_id == sa.bindparam("clinic"), Message.appointment_id == sa.bindparam("visit"))
    .order_by(Message.id)
)


def of(visit: Appointment) -> list[Entry]:
    """The visit's history, oldest first."""
    rows = db.session.execute(CHANGES, {"clinic": visit.clinic_id, "visit": visit.id})
    return [
        Entry(
            id=change.id,
            at=change.at,
            by=change.by_kind,
            author=staff or key or "",
            old=Status(change.old_status) if change.old_status else None,
            new=Status(change.new_status),
            what=change.what,
            reason=unseal(change.reason, f"change.reason:{visit.public_id}").decode() if change.reason else "",
        )
        for change, staff, key in rows
    ]


def mails(visit: Appointment) -> list[Mail]:
    """The messages about a visit, to whomever, oldest first."""
    return [Mail(*row) for row in db.session.execute(MAILS, {"clinic": visit.clinic_id, "visit": visit.id})]
