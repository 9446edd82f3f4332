"""Appointments and the record of their changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, make_transient_to_detached, mapped_column

from booking.domain.access import Caller
from booking.domain.appointment import OPEN, OVER, Status
from booking.domain.audit import Kind, of_visit, thing
from booking.domain.errors import Changed, NotFound
from booking.store import audit
from booking.store.base import Base, connection, db, table
from booking.store.clinic import Location
from booking.store.patient import Patient
from booking.store.practitioner import Actor, Service
from booking.store.sealed import seal, unseal


class Appointment(Base):
    __tablename__ = "appointment"
    __table_args__ = (
        sa.Index("ix_appointment_clinic_starts", "clinic_id", "starts_at"),
        sa.Index("ix_appointment_patient_starts", "patient_id", "starts_at"),
        sa.Index("ix_appointment_practitioner_starts", "practitioner_id", "starts_at"),
        sa.Index("ix_appointment_clinic_reference", "clinic_id", "reference"),
        sa.Index(
            "ix_appointment_lapses",
            "lapses_at",
            sqlite_where=sa.text("status = 'pending'"),
            postgresql_where=sa.text("status = 'pending'"),
        ),
        sa.Index(
            "ix_appointment_pending",
            "clinic_id",
            sqlite_where=sa.text("status = 'pending'"),
            postgresql_where=sa.text("status = 'pending'"),
        ),
        sa.Index(
            "ix_appointment_marked",
            "clinic_id",
            sqlite_where=sa.text("needs_desk is not null"),
            postgresql_where=sa.text("needs_desk is not null"),
        ),
        sa.CheckConstraint("ends_at > starts_at", name="ends"),
        sa.CheckConstraint("sequence >= 0", name="sequence"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(26), unique=True)  # random; stands in URLs
    reference: Mapped[str] = mapped_column(sa.String(8))  # short; said on the phone, unique per clinic in practice
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"))
    patient_id: Mapped[int] = mapped_column(sa.ForeignKey("patient.id"))
    service_id: Mapped[int] = mapped_column(sa.ForeignKey("service.id"))
    practitioner_id: Mapped[int] = mapped_column(sa.ForeignKey("actor.id"))
    room_id: Mapped[int | None] = mapped_column(sa.ForeignKey("actor.id"))
    location_id: Mapped[int] = mapped_column(sa.ForeignKey("location.id"))
    new_patient: Mapped[bool]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]  # the patient's end, before any turnover
    start_time: Mapped[datetime] = mapped_column(sa.DateTime())  # wall clock, kept if a zone's rules change
    zone: Mapped[str] = mapped_column(sa.String(64))
    status: Mapped[str] = mapped_column(sa.String(20))
    waits_for: Mapped[str | None] = mapped_column(sa.String(10))  # while pending: desk, or patient (time offered)
    lapses_at: Mapped[datetime | None]  # while pending
    needs_desk: Mapped[str | None] = mapped_column(sa.String(40))  # why the desk should look at it
    place: Mapped[int | None]  # where in the room the patient sits, from 1; given at check-in
    language: Mapped[str] = mapped_column(sa.String(10))
    note: Mapped[bytes | None]  # sealed
    remind: Mapped[bool] = mapped_column(default=True)
    # the invite
    uid: Mapped[str] = mapped_column(sa.String(100), unique=True)
    sequence: Mapped[int] = mapped_column(default=0)
    stamped_at: Mapped[datetime]  # DTSTAMP of the newest message, strictly later each time
    link_version: Mapped[int] = mapped_column(default=1)  # raising it revokes the links sent before
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(server_default="1")  # grows with every change of the row

    # Whoever changed the row since it was read wins; the transaction is run again.
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Change(Base):
    """A recorded transition of an appointment: by whom, when, from what to what."""

    __tablename__ = "change"
    __table_args__ = (sa.Index("ix_change_appointment", "appointment_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"))
    appointment_id: Mapped[int] = mapped_column(sa.ForeignKey("appointment.id"))
    at: Mapped[datetime]
    by_kind: Mapped[str] = mapped_column(sa.String(12))  # patient, staff, key, worker
    by_id: Mapped[int | None]
    old_status: Mapped[str | None] = mapped_column(sa.String(20))
    new_status: Mapped[str] = mapped_column(sa.String(20))
    what: Mapped[dict[str, Any]]  # codes and instants only: what moved from where; never a reason in words
    reason: Mapped[bytes | None]  # sealed


def by_public_id(clinic_id: int, public_id: str, *, lock: bool = False, expected: int | None = None) -> Appointment:
    """The clinic's appointment of that public id, as it is in the database now.

    Raises NotFound, and Changed if its version is not the expected one.
    """
    query = sa.select(Appointment).where(Appointment.public_id == public_id, Appointment.clinic_id == clinic_id)
    if lock:
        query = query.with_for_update()
    found = db.session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise NotFound
    if expected not in (None, found.version):
        raise Changed(found.version)
    return found


SLUGS = (
    sa.select(Service.slug, Actor.slug, Location.slug)
    .select_from(Service)
    .join(Actor, Actor.id == sa.bindparam("practitioner"))
    .join(Location, Location.id == sa.bindparam("location"))
    .where(Service.id == sa.bindparam("service"), Service.clinic_id == sa.bindparam("clinic"))
)


def slugs(appointment: Appointment) -> tuple[str, str, str]:
    """The slugs of its service, practitioner and location, archived ones too."""
    asked = {
        "practitioner": appointment.practitioner_id,
        "location": appointment.location_id,
        "service": appointment.service_id,
        "clinic": appointment.clinic_id,
    }
    service, practitioner, location = connection().execute(SLUGS, asked).one()
    return service, practitioner, location


def for_day(clinic_id: int, since: datetime, until: datetime) -> list[tuple[Appointment, Patient]]:
    """The visits that start between two instants, with their patients, by start; cancelled ones too."""
    query = (
        sa.select(Appointment, Patient)
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(Appointment.clinic_id == clinic_id, Appointment.starts_at >= since, Appointment.starts_at < until)
        .order_by(Appointment.starts_at, Appointment.id)
    )
    return [(appointment, patient) for appointment, patient in db.session.execute(query)]


def last_of(clinic_id: int, patient_id: int) -> Appointment | None:
    """The patient's newest visit, past or to come, that was not called off and that they did not miss."""
    missed = (*OVER, Status.NOSHOW)
    query = sa.select(Appointment).where(
        Appointment.clinic_id == clinic_id, Appointment.patient_id == patient_id, Appointment.status.not_in(missed)
    )
    return db.session.scalar(query.order_by(Appointment.starts_at.desc()).limit(1))


def requests(clinic_id: int) -> list[tuple[Appointment, Patient]]:
    """Visits that wait for the desk or for the patient's answer, and those marked for the desk; oldest first."""
    marked = sa.and_(Appointment.needs_desk.is_not(None), Appointment.status.in_(OPEN))
    query = (
        sa.select(Appointment, Patient)
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(Appointment.clinic_id == clinic_id, sa.or_(Appointment.status == Status.PENDING, marked))
        .order_by(Appointment.created_at, Appointment.id)
    )
    return [(appointment, patient) for appointment, patient in db.session.execute(query)]


appointment = table(Appointment)
OPEN_VISITS = sa.select(appointment.c.starts_at, appointment.c.ends_at).where(
    appointment.c.clinic_id == sa.bindparam("clinic"),
    appointment.c.patient_id.in_(sa.bindparam("patients", expanding=True)),
    appointment.c.status.in_(OPEN),
    appointment.c.ends_at > sa.bindparam("now"),
    appointment.c.id != sa.bindparam("but"),
)


def open_visits(
    clinic_id: int, patients: list[int], now: datetime, *, but: int | None = None
) -> list[tuple[datetime, datetime]]:
    """Start and end of the future visits of these patient records, pending or booked; `but` one appointment."""
    rows = connection().execute(OPEN_VISITS, {"clinic": clinic_id, "patients": patients, "now": now, "but": but or 0})
    return [(start, end) for start, end in rows]


def of_contact(clinic_id: int, email: str, now: datetime) -> list[Appointment]:
    """The future visits of everybody with this e-mail address."""
    query = (
        sa.select(Appointment)
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(
            Appointment.clinic_id == clinic_id,
            sa.func.lower(Patient.email) == email.lower(),
            Appointment.status.in_(OPEN),
            Appointment.ends_at > now,
        )
        .order_by(Appointment.starts_at)
    )
    return list(db.session.scalars(query))


def lapsed(now: datetime, limit: int = 100) -> list[tuple[int, str]]:
    """Clinic and public id of the requests that nobody answered in time."""
    query = sa.select(Appointment.clinic_id, Appointment.public_id).where(
        Appointment.status == Status.PENDING, Appointment.lapses_at <= now
    )
    return [(clinic, public_id) for clinic, public_id in db.session.execute(query.limit(limit))]


def changes(appointment_id: int) -> list[Change]:
    """The history of a visit, oldest first."""
    return list(
        db.session.scalars(sa.select(Change).where(Change.appointment_id == appointment_id).order_by(Change.id))
    )


def placements(appointment_id: int) -> list[Change]:
    """The changes that put a visit where it stands or stood, oldest first: its booking, then its moves."""
    return [change for change in changes(appointment_id) if change.old_status is None or "left" in change.what]


def same_sequences(visit: Appointment) -> frozenset[int]:
    """Each SEQUENCE at which the visit's time, practitioner and location were what they are now."""
    here = (visit.starts_at, visit.practitioner_id, visit.location_id)
    sequence, same = visit.sequence, {visit.sequence}
    for move in reversed(placements(visit.id)):
        if move.old_status != Status.BOOKED or sequence == 0:
            break
        sequence -= 1
        left = move.what["left"]
        if (datetime.fromisoformat(left["start"]), left["practitioner"], left["location"]) == here:
            same.add(sequence)
    return frozenset(same)


ADD = sa.insert(appointment).returning(appointment.c.id)


def add(visit: Appointment) -> None:
    """Write a new visit and attach it to the session: half a millisecond quicker than the session's flush."""
    row = {name: value for name, value in vars(visit).items() if name in appointment.c}
    visit.id = connection().execute(ADD, row).scalar_one()
    make_transient_to_detached(visit)
    db.session.add(visit)


RECORD = sa.insert(table(Change))


def record(visit: Appointment, old: Status | None, *, by: Caller, now: datetime, reason: str = "", **what: Any) -> None:
    """Write down that the visit went from `old` to its present status, in its history and in the clinic's audit.

    `what` holds codes, never words.
    """
    what = {name: value for name, value in what.items() if value}
    connection().execute(
        RECORD,
        {
            "clinic_id": visit.clinic_id,
            "appointment_id": visit.id,
            "at": now,
            "by_kind": by.kind,
            "by_id": by.id,
            "old_status": old,
            "new_status": visit.status,
            "what": what,
            "reason": seal(reason, f"change.reason:{visit.public_id}") if reason else None,
        },
    )
    action = of_visit(old, Status(visit.status), by.kind, what)
    object = thing(Kind.APPOINTMENT, visit.public_id)
    # What a step left behind so that it can be taken back is the history's business.
    facts = {name: str(value) for name, value in what.items() if not isinstance(value, dict)}
    audit.record(visit.clinic_id, action, by=by, now=now, object=object, **facts)


def note_of(visit: Appointment) -> str:
    """What the patient wrote for the desk; empty if nothing."""
    return unseal(visit.note, f"appointment.note:{visit.public_id}").decode() if visit.note else ""
