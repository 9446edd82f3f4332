"""The rows that a clinic's settings consist of, archived ones too: what loading and writing a clinic file needs.

Whoever shows or books something asks `store/clinic`, `store/practitioner` and `store/diary` instead.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from booking.domain.appointment import Status
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.clinic import Clinic, Location
from booking.store.hold import Hold, HoldTick
from booking.store.practitioner import Actor, AvailableTime, ExtraTime, NotAvailable, Service, ServiceActor
from booking.store.staff import Role, Staff

AHEAD = (Status.PENDING, Status.BOOKED, Status.ARRIVED, Status.CHECKED_IN)


@dataclass(frozen=True, slots=True)
class Entries:
    """A clinic's entries in the order of its file, archived ones among them."""

    locations: list[Location]
    actors: list[Actor]
    services: list[Service]
    links: list[ServiceActor]
    hours: list[AvailableTime]
    extra_hours: list[ExtraTime]
    not_available: list[NotAvailable]


def locked(slug: str) -> Clinic | None:
    """The clinic of that slug, None if there is none. Its settings and its actors' time stay locked meanwhile.

    Actors come first and in order of id, as for whoever takes time: so neither can wait for the other.
    """
    actors = sa.select(Actor.id).join(Clinic, Clinic.id == Actor.clinic_id).where(Clinic.slug == slug)
    db.session.execute(actors.order_by(Actor.id).with_for_update(of=Actor)).all()
    clinic = sa.select(Clinic).where(Clinic.slug == slug).with_for_update()
    return db.session.scalar(clinic.execution_options(populate_existing=True))


def read(clinic_id: int) -> Entries:
    """Everything that the clinic's settings consist of, as it is in the database now."""

    def rows(model: Any, *order: Any) -> list[Any]:
        query = sa.select(model).where(model.clinic_id == clinic_id).order_by(*order)
        return list(db.session.scalars(query.execution_options(populate_existing=True)))

    return Entries(
        rows(Location, Location.position, Location.id),
        rows(Actor, Actor.position, Actor.id),
        rows(Service, Service.position, Service.id),
        rows(ServiceActor, ServiceActor.position),
        rows(AvailableTime, AvailableTime.id),
        rows(ExtraTime, ExtraTime.id),
        rows(NotAvailable, NotAvailable.id),
    )


def clear_times(clinic_id: int, *, but: Collection[int]) -> None:
    """Delete all hours, extra hours, time off and closures of a clinic, except those of the actors `but`, and all
    that says who gives which service in which room."""
    for model in (AvailableTime, ExtraTime, NotAvailable):
        kept = model.actor_id.in_(but)
        db.session.execute(
            sa.delete(model).where(model.clinic_id == clinic_id, sa.or_(model.actor_id.is_(None), ~kept))
        )
    db.session.execute(sa.delete(ServiceActor).where(ServiceActor.clinic_id == clinic_id))


def staff(clinic_id: int) -> list[tuple[Staff, str]]:
    """Who has which role in the clinic, in the order in which they came."""
    query = sa.select(Staff, Role.role).join(Role, Role.staff_id == Staff.id).where(Role.clinic_id == clinic_id)
    return [(person, role) for person, role in db.session.execute(query.order_by(Staff.id))]


def visits_ahead(clinic_id: int, now: datetime) -> list[tuple[Appointment, list[int]]]:
    """The visits that will still take time, earliest booked first, each with the ticks that its room is taken."""
    ahead = sa.and_(Appointment.clinic_id == clinic_id, Appointment.status.in_(AHEAD), Appointment.ends_at > now)
    ticks: dict[int | None, list[int]] = {}
    taken = (
        sa.select(Hold.appointment_id, HoldTick.tick)
        .join(HoldTick, HoldTick.hold_id == Hold.id)
        .join(Appointment, Appointment.id == Hold.appointment_id)
        .where(ahead, HoldTick.clinic_id == clinic_id, HoldTick.actor_id == Hold.room_id)
    )
    for appointment, tick in db.session.execute(taken):
        ticks.setdefault(appointment, []).append(tick)
    visits = db.session.scalars(sa.select(Appointment).where(ahead).order_by(Appointment.id))
    return [(visit, ticks.get(visit.id, [])) for visit in visits]
