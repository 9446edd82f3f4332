"""What the desk's pages ask beside the visits themselves: names, and how far the mails about a visit have come."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from booking.store.base import db
from booking.store.clinic import Location, Text
from booking.store.outbox import Message
from booking.store.practitioner import Actor, Service


@dataclass(frozen=True, slots=True)
class Names:
    """Names by id, archived entries too: an old visit keeps its practitioner."""

    actors: dict[int, str]
    services: dict[int, Text]
    locations: dict[int, str]


def names(clinic_id: int) -> Names:
    """What everybody and everything of the clinic is called."""
    return Names(
        actors=_by_id(sa.select(Actor.id, Actor.name).where(Actor.clinic_id == clinic_id)),
        services=_by_id(sa.select(Service.id, Service.name).where(Service.clinic_id == clinic_id)),
        locations=_by_id(sa.select(Location.id, Location.name).where(Location.clinic_id == clinic_id)),
    )


def _by_id(query: sa.Select[int, Text]) -> dict[int, Text]:
    return {row.id: row.name for row in db.session.execute(query)}


@dataclass(frozen=True, slots=True)
class Told:
    """The newest mail to a visit's patient."""

    kind: str
    state: str  # queued, sent or failed


def told(clinic_id: int, appointments: Collection[int]) -> dict[int, Told]:
    """The newest mail to the patient of each of these visits; those without one are left out."""
    query = (
        sa.select(Message.appointment_id, Message.kind, Message.state)
        .where(
            Message.clinic_id == clinic_id,
            Message.appointment_id.in_(appointments),
            Message.role == "patient",
            Message.state != "superseded",
        )
        .order_by(Message.id)
    )
    return {visit: Told(kind, state) for visit, kind, state in db.session.execute(query) if visit is not None}
