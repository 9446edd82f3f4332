"""Feeds: who has a secret address for a calendar, what stands in it, and when it last changed.

The address is made from the row; raising the row's version ends the address that was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.access import token
from booking.domain.appointment import OVER, Status
from booking.domain.errors import NotFound
from booking.domain.feed import Kind, Span
from booking.store.appointment import Appointment
from booking.store.base import Base, cache, connection, db, settings, table
from booking.store.clinic import Clinic, Location, zone
from booking.store.patient import Patient
from booking.store.practitioner import Actor, Service


class Feed(Base):
    """The feed of one practitioner, location, room or patient. Without a row there is none."""

    __tablename__ = "feed"
    __table_args__ = (
        sa.UniqueConstraint("clinic_id", "kind", "subject_id"),
        sa.CheckConstraint("kind in ('practitioner', 'location', 'room', 'patient')", name="kind"),
        sa.CheckConstraint("detail in ('busy', 'initials', 'names')", name="detail"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(26), unique=True)  # stands in the address
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"))
    kind: Mapped[str] = mapped_column(sa.String(12))
    subject_id: Mapped[int]  # of the actor, the location or the patient
    detail: Mapped[str] = mapped_column(sa.String(10))
    version: Mapped[int] = mapped_column(default=1)  # of the address
    created_at: Mapped[datetime]
    # What whoever reads the feed was last given:
    digest: Mapped[str | None] = mapped_column(sa.String(32))
    changed_at: Mapped[datetime | None]  # when it first was that; whole seconds, later with each change
    last_used_on: Mapped[date | None]


class Opened(NamedTuple):
    """A feed as its reader's request finds it, with the revisions under which what it tells is known."""

    id: int
    public_id: str
    clinic_id: int
    kind: str
    subject_id: int
    detail: str
    version: int
    digest: str | None
    changed_at: datetime | None
    last_used_on: date | None
    settings: int
    board: int
    actors: int  # the sum of their revisions


class Subject(NamedTuple):
    """Whom a feed is of."""

    clinic_slug: str
    clinic_name: str
    id: int  # of the record that has a merged patient's visits
    name: str
    zone: str
    language: str


class Stamp(NamedTuple):
    """A visit in a feed: it is told by the same words as long as this is the same."""

    id: int
    version: int
    patient: int
    patient_version: int


feed, clinic, actor, location = table(Feed), table(Clinic), table(Actor), table(Location)
appointment, patient, service = table(Appointment), table(Patient), table(Service)
OPENED = (
    sa.select(
        *(feed.c[name] for name in Opened._fields[:10]),
        clinic.c.revision,
        clinic.c.board_revision,
        sa.select(sa.func.sum(actor.c.revision)).where(actor.c.clinic_id == clinic.c.id).scalar_subquery(),
    )
    .join(clinic, clinic.c.id == feed.c.clinic_id)
    .where(feed.c.public_id == sa.bindparam("feed"))
)
OF = {
    Kind.PRACTITIONER: appointment.c.practitioner_id,
    Kind.ROOM: appointment.c.room_id,
    Kind.LOCATION: appointment.c.location_id,
    Kind.PATIENT: appointment.c.patient_id,
}


def _stamps(kind: Kind) -> sa.Select[tuple[int, int, int, int]]:
    # A visit that ended before it was booked was never in a calendar; SEQUENCE grows where a booked one ends.
    ended = sa.and_(appointment.c.sequence > 0, appointment.c.updated_at >= sa.bindparam("cancelled"))
    query = sa.select(appointment.c.id, appointment.c.version, patient.c.id, patient.c.version).where(
        appointment.c.clinic_id == sa.bindparam("clinic"),
        OF[kind] == sa.bindparam("subject"),
        appointment.c.starts_at >= sa.bindparam("since"),
        appointment.c.starts_at < sa.bindparam("until"),
        patient.c.id == appointment.c.patient_id,
        sa.or_(appointment.c.status.not_in(OVER), ended),
    )
    if kind is Kind.PATIENT:  # who hears of a request by a mail without an event
        query = query.where(appointment.c.status != Status.PENDING)
    return query.order_by(appointment.c.starts_at, appointment.c.id)


STAMPS = {kind: _stamps(kind) for kind in Kind}


def address(found: Feed) -> str:
    """The feed's secret address."""
    secret = token(settings().secret_key, "feed", found.clinic_id, found.public_id, found.version)
    return f"{settings().public_url}/feeds/{secret}.ics"


def opened(public_id: str) -> Opened | None:
    """The feed of that public id, None if there is none. It is not yet proven that the asker has its address."""
    row = connection().execute(OPENED, {"feed": public_id}).one_or_none()
    return Opened._make(row) if row else None


def subject(found: Opened) -> Subject:
    """Whom a feed is of. Raises NotFound for who has left the clinic."""
    owner = db.session.get_one(Clinic, found.clinic_id)
    home, language = zone(owner.id), owner.languages[0]
    if found.kind == Kind.PATIENT:
        someone = db.session.get(Patient, found.subject_id)
        if someone is None:
            raise NotFound
        language = someone.language if someone.language in owner.languages else language
        return Subject(owner.slug, owner.name, someone.merged_into_id or someone.id, someone.name, home, language)
    if found.kind == Kind.LOCATION:
        place = db.session.get(Location, found.subject_id)
        if place is None or place.archived_at is not None:
            raise NotFound
        return Subject(owner.slug, owner.name, place.id, place.name, place.zone, language)
    taken = db.session.get(Actor, found.subject_id)
    if taken is None or taken.archived_at is not None:
        raise NotFound
    return Subject(owner.slug, owner.name, taken.id, taken.name, home, language)


def stamps(found: Opened, subject_id: int, span: Span) -> list[Stamp]:
    """The visits in a feed, by start."""
    asked = {"clinic": found.clinic_id, "subject": subject_id, **span._asdict()}
    return list(map(Stamp._make, connection().execute(STAMPS[Kind(found.kind)], asked).all()))


def visits(ids: Sequence[int]) -> list[tuple[Appointment, Patient, str]]:
    """These appointments, each with its patient and its room's name, empty without one."""
    query = (
        sa.select(Appointment, Patient, sa.func.coalesce(Actor.name, ""))
        .join(Patient, Patient.id == Appointment.patient_id)
        .outerjoin(Actor, Actor.id == Appointment.room_id)
    )
    chunks = (ids[first : first + 500] for first in range(0, len(ids), 500))
    return [(*row,) for chunk in chunks for row in db.session.execute(query.where(Appointment.id.in_(chunk)))]


class Texts(dict[int, tuple[int, str]]):
    """The digest of each clinic's texts, with the settings' revision that it was made under."""


SAID = (
    sa.select(clinic.c.slug, clinic.c.name, clinic.c.phone, clinic.c.email, clinic.c.region, clinic.c.languages).where(
        clinic.c.id == sa.bindparam("clinic")
    ),
    sa.select(*(column for column in location.c if column.name not in ("position", "archived_at"))).where(
        location.c.clinic_id == sa.bindparam("clinic")
    ),
    sa.select(actor.c.id, actor.c.name).where(actor.c.clinic_id == sa.bindparam("clinic")),
    sa.select(service.c.id, service.c.public_name).where(service.c.clinic_id == sa.bindparam("clinic")),
)


def texts(clinic_id: int, revision: int) -> str:
    """What is the same as long as no name, address or text is different that an event takes from the settings."""
    known = cache(Texts)
    found = known.get(clinic_id)
    if found is None or found[0] != revision:
        rows = [sorted(map(repr, connection().execute(query, {"clinic": clinic_id}))) for query in SAID]
        found = known[clinic_id] = (revision, hashlib.sha256(repr(rows).encode()).hexdigest())
    return found[1]


def of(clinic_id: int, kind: Kind, subject_id: int, *, lock: bool = False) -> Feed | None:
    """The feed of one subject, None if it has none."""
    query = sa.select(Feed).where(Feed.clinic_id == clinic_id, Feed.kind == kind, Feed.subject_id == subject_id)
    return db.session.scalar(query.with_for_update() if lock else query)


def of_clinic(clinic_id: int) -> dict[tuple[Kind, int], Feed]:
    """The clinic's feeds but those of patients, by whom they are of."""
    query = sa.select(Feed).where(Feed.clinic_id == clinic_id, Feed.kind != Kind.PATIENT)
    return {(Kind(found.kind), found.subject_id): found for found in db.session.scalars(query)}


def is_subject(clinic_id: int, kind: Kind, subject_id: int) -> bool:
    """Whether somebody of this kind is there who can have a feed."""
    match kind:
        case Kind.PATIENT:
            query = sa.select(Patient.id).where(Patient.id == subject_id, Patient.clinic_id == clinic_id)
        case Kind.LOCATION:
            query = sa.select(Location.id).where(
                Location.id == subject_id, Location.clinic_id == clinic_id, Location.archived_at.is_(None)
            )
        case Kind.PRACTITIONER | Kind.ROOM:
            query = sa.select(Actor.id).where(
                Actor.id == subject_id, Actor.clinic_id == clinic_id, Actor.kind == kind, Actor.archived_at.is_(None)
            )
    return db.session.scalar(query) is not None
