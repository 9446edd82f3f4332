"""Actors (practitioners and rooms), their schedules, and the services they are for."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from booking.store.base import Base, connection, db, table
from booking.store.clinic import Text


class Actor(Base):
    """Whoever's time can be taken. Practitioners and rooms share ids, so that one table of ticks guards both."""

    __tablename__ = "actor"
    __table_args__ = (
        sa.UniqueConstraint("clinic_id", "kind", "slug"),
        sa.CheckConstraint("kind in ('practitioner', 'room')", name="kind"),
        sa.CheckConstraint("capacity >= 1", name="capacity"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"))
    kind: Mapped[str] = mapped_column(sa.String(12))
    slug: Mapped[str] = mapped_column(sa.String(40))
    name: Mapped[str] = mapped_column(sa.String(200))
    capacity: Mapped[int] = mapped_column(default=1)  # a room's places; a practitioner has one
    revision: Mapped[int] = mapped_column(default=1)  # grows with hours and lasting ticks
    location_id: Mapped[int | None] = mapped_column(sa.ForeignKey("location.id"))  # where a room is
    # of practitioners only:
    email: Mapped[str | None] = mapped_column(sa.String(254))
    invites: Mapped[bool] = mapped_column(default=False)
    credentials: Mapped[str | None] = mapped_column(sa.String(200))
    licence: Mapped[str | None] = mapped_column(sa.String(100))
    about: Mapped[Text] = mapped_column(sa.JSON, nullable=True)
    conditions: Mapped[list[Any]] = mapped_column(default=list)
    position: Mapped[int] = mapped_column(default=0)
    archived_at: Mapped[datetime | None]


class AvailableTime(Base):
    """Weekly hours of a practitioner in a location, wall clock."""

    __tablename__ = "available_time"

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), index=True)
    actor_id: Mapped[int] = mapped_column(sa.ForeignKey("actor.id"))
    location_id: Mapped[int] = mapped_column(sa.ForeignKey("location.id"))
    days: Mapped[int]  # bit 0 is Monday
    opens: Mapped[int]  # minutes from local midnight
    closes: Mapped[int]
    weeks: Mapped[int] = mapped_column(default=1)
    since_on: Mapped[date | None]
    until_on: Mapped[date | None]


class ExtraTime(Base):
    """Extra hours: a dated opening of a practitioner in a location, wall clock."""

    __tablename__ = "extra_time"

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), index=True)
    actor_id: Mapped[int] = mapped_column(sa.ForeignKey("actor.id"))
    location_id: Mapped[int] = mapped_column(sa.ForeignKey("location.id"))
    opens_on: Mapped[date]
    opens: Mapped[int]
    closes: Mapped[int]


class NotAvailable(Base):
    """Time off of a practitioner (`actor_id`), or a closure of the clinic, of a location or of a room.

    From and to are wall clock (naive), read in the zone of each location.
    """

    __tablename__ = "not_available"

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), index=True)
    actor_id: Mapped[int | None] = mapped_column(sa.ForeignKey("actor.id"))
    location_id: Mapped[int | None] = mapped_column(sa.ForeignKey("location.id"))
    from_time: Mapped[datetime] = mapped_column(sa.DateTime())  # wall clock, hence not UTCDateTime
    to_time: Mapped[datetime] = mapped_column(sa.DateTime())
    name: Mapped[str] = mapped_column(sa.String(200), default="")


class Service(Base):
    __tablename__ = "service"
    __table_args__ = (sa.UniqueConstraint("clinic_id", "slug"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"))
    slug: Mapped[str] = mapped_column(sa.String(40))
    name: Mapped[Text] = mapped_column(sa.JSON)
    public_name: Mapped[Text] = mapped_column(sa.JSON, nullable=True)
    description: Mapped[Text] = mapped_column(sa.JSON, nullable=True)
    online: Mapped[bool] = mapped_column(default=True)
    every: Mapped[int]  # minutes
    price: Mapped[Text] = mapped_column(sa.JSON, nullable=True)
    conditions: Mapped[list[Any]]
    stages: Mapped[list[Any]]  # [{"minutes": 10, "practitioner": true, "room": true, "patient": true}, …]
    new_patient_stages: Mapped[list[Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    new_patients: Mapped[str] = mapped_column(sa.String(10))
    first_visit_id: Mapped[int | None] = mapped_column(sa.ForeignKey("service.id"))
    position: Mapped[int] = mapped_column(default=0)
    archived_at: Mapped[datetime | None]


class ServiceActor(Base):
    """Which practitioners give a service, and which rooms it may use (in order of preference)."""

    __tablename__ = "service_actor"

    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), index=True)
    service_id: Mapped[int] = mapped_column(sa.ForeignKey("service.id"), primary_key=True)
    actor_id: Mapped[int] = mapped_column(sa.ForeignKey("actor.id"), primary_key=True)
    position: Mapped[int] = mapped_column(default=0)


actor = table(Actor)
INVITED = sa.select(actor.c.name, actor.c.email, actor.c.invites).where(actor.c.id == sa.bindparam("actor"))


def invited(practitioner: int) -> tuple[str, str]:
    """A practitioner's name, and the address for invites: empty for one who does not want any."""
    name, email, invites = connection().execute(INVITED, {"actor": practitioner}).one()
    return name, email if invites and email else ""


def actors(clinic_id: int, kind: str) -> list[Actor]:
    """The clinic's live practitioners or rooms in the file's order."""
    query = sa.select(Actor).where(Actor.clinic_id == clinic_id, Actor.kind == kind, Actor.archived_at.is_(None))
    return list(db.session.scalars(query.order_by(Actor.position, Actor.id)))


def services(clinic_id: int) -> list[Service]:
    """The clinic's live services in the file's order."""
    query = sa.select(Service).where(Service.clinic_id == clinic_id, Service.archived_at.is_(None))
    return list(db.session.scalars(query.order_by(Service.position, Service.id)))
