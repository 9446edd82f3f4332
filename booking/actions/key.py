"""API keys: made here, shown once, kept as a digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from booking.domain.access import digest, new_secret
from booking.store.access import Key
from booking.store.base import db, transaction


@transaction
def create(clinic_id: int, name: str, scopes: Sequence[str], *, days: int, now: datetime) -> str:
    """Return a new key of the clinic that lasts for `days`; only its digest stays with us."""
    secret = new_secret("bk")
    db.session.add(
        Key(
            clinic_id=clinic_id,
            name=name,
            digest=digest(secret),
            scopes=sorted(set(scopes)),
            expires_at=now + timedelta(days=days),
            created_at=now,
        )
    )
    return secret
