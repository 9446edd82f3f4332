"""Clinics and their locations."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.errors import NotFound
from booking.store.base import Base, connection, db, table

# Any text a patient reads: a string, or one per language {"en": …, "es": …}. Kept as JSON.
Text = Any


class Clinic(Base):
    __tablename__ = "clinic"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(40), unique=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    phone: Mapped[str] = mapped_column(sa.String(20))  # E.164
    email: Mapped[str] = mapped_column(sa.String(254))
    website: Mapped[str | None] = mapped_column(sa.String(500))
    region: Mapped[str] = mapped_column(sa.String(2))
    languages: Mapped[list[Any]]  # of str; the first is the fallback
    confirmation: Mapped[str] = mapped_column(sa.String(20))  # instant, request, request-new
    request_lapses: Mapped[int]  # minutes
    hold_minutes: Mapped[int]
    minimum_notice: Mapped[int]  # minutes
    horizon: Mapped[int]  # days
    cancellation_notice: Mapped[int]  # minutes
    open_visits_per_patient: Mapped[int]
    notices: Mapped[str] = mapped_column(sa.String(10), default="requests")  # mails to the clinic: none, requests, all
    day_sheet: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # mailed in the evening before
    declines: Mapped[str] = mapped_column(sa.String(10), default="note", server_default="note")  # or cancel
    contact: Mapped[Text] = mapped_column(sa.JSON, nullable=True)
    privacy: Mapped[Text] = mapped_column(sa.JSON, nullable=True)
    before_you_come: Mapped[list[Any]]  # of Text
    conditions: Mapped[list[Any]]  # of Text
    idle_minutes: Mapped[int] = mapped_column(default=30, server_default="30")  # then a desk's screen locks
    require_second_factor: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # of its staff
    revision: Mapped[int] = mapped_column(default=1)  # grows with settings, hours and texts
    board_revision: Mapped[int] = mapped_column(default=1)  # grows with any status, note or message state
    created_at: Mapped[datetime]


class Location(Base):
    __tablename__ = "location"
    __table_args__ = (sa.UniqueConstraint("clinic_id", "slug"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"))
    slug: Mapped[str] = mapped_column(sa.String(40))
    name: Mapped[str] = mapped_column(sa.String(200))
    address: Mapped[list[Any]]  # lines
    zone: Mapped[str] = mapped_column(sa.String(64))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    phone: Mapped[str | None] = mapped_column(sa.String(20))  # E.164, when it has its own
    directions: Mapped[Text] = mapped_column(sa.JSON, nullable=True)
    transit: Mapped[Text] = mapped_column(sa.JSON, nullable=True)
    parking: Mapped[Text] = mapped_column(sa.JSON, nullable=True)
    access: Mapped[Text] = mapped_column(sa.JSON, nullable=True)
    map_url: Mapped[str | None] = mapped_column(sa.String(500))
    position: Mapped[int] = mapped_column(default=0)  # order in the clinic file
    archived_at: Mapped[datetime | None]


def by_slug(slug: str) -> Clinic:
    """The clinic of that slug. Raises NotFound."""
    clinic = db.session.scalar(sa.select(Clinic).where(Clinic.slug == slug))
    if clinic is None:
        raise NotFound
    return clinic


# Asked in every request: building the statement anew would take longer than running it.
_REVISION = sa.select(Clinic.id, Clinic.revision).where(Clinic.slug == sa.bindparam("slug"))


def revision(slug: str) -> tuple[int, int]:
    """The id and the settings' revision of the clinic of that slug. Raises NotFound."""
    row = connection().execute(_REVISION, {"slug": slug}).one_or_none()
    if row is None:
        raise NotFound
    return row[0], row[1]


def by_id(clinic_id: int) -> Clinic:
    """The clinic of that id, which a row that belongs to it names. Raises NotFound."""
    clinic = db.session.get(Clinic, clinic_id)
    if clinic is None:
        raise NotFound
    return clinic


def everyone() -> list[Clinic]:
    """All clinics of this installation, by name."""
    return list(db.session.scalars(sa.select(Clinic).order_by(Clinic.name)))


def locations(clinic_id: int) -> list[Location]:
    """The clinic's live locations in the file's order."""
    query = sa.select(Location).where(Location.clinic_id == clinic_id, Location.archived_at.is_(None))
    return list(db.session.scalars(query.order_by(Location.position, Location.id)))


def zone(clinic_id: int) -> str:
    """The zone of the clinic's first live location, for what belongs to the clinic as a whole; UTC without one."""
    places = locations(clinic_id)
    return places[0].zone if places else "UTC"


clinic = table(Clinic)


class Policy(NamedTuple):
    """What the clinic's settings say about booking; durations in minutes."""

    id: int
    revision: int
    email: str
    language: str  # of its own mails
    confirmation: str
    request_lapses: int
    hold_minutes: int
    minimum_notice: int
    cancellation_notice: int
    open_visits_per_patient: int
    notices: str
    declines: str  # what an invite that a patient declines in their calendar comes to: note or cancel


POLICY = sa.select(
    clinic.c.id,
    clinic.c.revision,
    clinic.c.email,
    clinic.c.languages,
    clinic.c.confirmation,
    clinic.c.request_lapses,
    clinic.c.hold_minutes,
    clinic.c.minimum_notice,
    clinic.c.cancellation_notice,
    clinic.c.open_visits_per_patient,
    clinic.c.notices,
    clinic.c.declines,
).where(clinic.c.id == sa.bindparam("clinic"))


def policy(clinic_id: int) -> Policy:
    """The clinic's rules as they are now. Raises NotFound."""
    row = connection().execute(POLICY, {"clinic": clinic_id}).one_or_none()
    if row is None:
        raise NotFound
    id, revision, email, languages, *rest = row
    return Policy(id, revision, email, languages[0], *rest)


BUMP_BOARD = (
    sa.update(clinic).where(clinic.c.id == sa.bindparam("clinic")).values(board_revision=clinic.c.board_revision + 1)
)


def bump_board(clinic_id: int) -> None:
    """Tell the boards that watch this clinic that something on them changed."""
    connection().execute(BUMP_BOARD, {"clinic": clinic_id})
