"""Who of a clinic's practitioners a staff user is."""

from __future__ import annotations

import sqlalchemy as sa

from booking.store.base import db
from booking.store.practitioner import Actor


def practitioner(clinic_id: int, email: str) -> Actor | None:
    """The clinic's live practitioner with this e-mail address in any letter case; None if there is none."""
    query = sa.select(Actor).where(
        Actor.clinic_id == clinic_id,
        Actor.kind == "practitioner",
        Actor.archived_at.is_(None),
        sa.func.lower(Actor.email) == email.lower(),
    )
    return db.session.scalar(query.order_by(Actor.id).limit(1))
