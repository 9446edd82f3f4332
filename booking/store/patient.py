"""Patients of a clinic. Name, phone and e-mail are plain, since the desk searches them by part."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.access import digest, new_id
from booking.store.base import Base, Stale, db, dialect, insert_or_ignore, table


class Patient(Base):
    __tablename__ = "patient"
    __table_args__ = (
        # Two bookings of one new patient at the same moment make one patient.
        sa.UniqueConstraint("clinic_id", "identity"),
        sa.Index("ix_patient_clinic_email", "clinic_id", "email"),
        sa.Index("ix_patient_clinic_phone", "clinic_id", "phone"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(26), unique=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"))
    identity: Mapped[str] = mapped_column(sa.String(64))  # digest of name and contact, see `find_or_add`
    name: Mapped[str] = mapped_column(sa.String(100))
    email: Mapped[str | None] = mapped_column(sa.String(254))
    phone: Mapped[str | None] = mapped_column(sa.String(20))  # E.164
    language: Mapped[str] = mapped_column(sa.String(10))
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Person:
    """Who a visit is for, as typed and checked: e-mail or phone (E.164) or both."""

    name: str
    email: str | None
    phone: str | None
    language: str


patient = table(Patient)
KNOWN = (
    sa.select(patient.c.id, patient.c.identity, patient.c.name)
    # Each by its own index: with OR, a planner that knows of many patients without a phone reads the whole clinic.
    .where(
        patient.c.id.in_(
            sa.union(
                *(
                    sa.select(patient.c.id).where(
                        patient.c.clinic_id == sa.bindparam("clinic"), column == sa.bindparam(column.name)
                    )
                    for column in (patient.c.identity, patient.c.email, patient.c.phone)
                )
            )
        )
    )
    .order_by(patient.c.id)
    .with_for_update()
)
ADD = {name: insert.returning(patient.c.id) for name, insert in insert_or_ignore(patient).items()}


def find_or_add(clinic_id: int, person: Person, now: datetime) -> tuple[int, list[int]]:
    """The id of the patient with exactly this name and contact, added if there is none; and the ids of all records
    with this name and one of the contacts, this one among them, locked until the transaction ends.

    A stranger's typing never changes a known patient's record: what differs makes a record of its own, which the
    desk can merge. People of one family share a phone, so the name has to be the same too.
    """
    identity = digest("\n".join((_key(person.name), (person.email or "").casefold(), person.phone or "")))
    asked = {"clinic": clinic_id, "identity": identity, "email": person.email, "phone": person.phone}
    rows = db.session.execute(KNOWN, asked).all()
    same = [row.id for row in rows if _key(row.name) == _key(person.name)]
    known = [row.id for row in rows if row.identity == identity]
    if known:
        return known[0], same
    row = {
        "public_id": new_id(),
        "clinic_id": clinic_id,
        "identity": identity,
        "name": person.name,
        "email": person.email,
        "phone": person.phone,
        "language": person.language,
        "created_at": now,
    }
    added = db.session.execute(ADD[dialect()], row).scalar()
    if added is None:
        raise Stale  # another process added this very patient a moment ago
    return added, [*same, added]


def same_person(someone: Patient) -> list[int]:
    """The ids of all records with this patient's name and one of their contacts, locked until the transaction ends."""
    asked = {"clinic": someone.clinic_id, "identity": someone.identity, "email": someone.email, "phone": someone.phone}
    rows = db.session.execute(KNOWN, asked)
    return [row.id for row in rows if _key(row.name) == _key(someone.name)]


def _key(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
