"""What the desk keeps of a patient beside name and contacts: notes, the record's visits, and which records are one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, aliased, mapped_column

from booking.domain.appointment import OVER
from booking.domain.audit import Action, Kind, thing
from booking.domain.errors import NotFound
from booking.domain.name import Likeness, likeness
from booking.store.appointment import Appointment
from booking.store.audit import Access, Entry
from booking.store.base import Base, db, dialect, insert_or_ignore, table
from booking.store.patient import Patient
from booking.store.patient_key import PatientKey
from booking.store.sealed import seal, unseal
from booking.store.staff import Staff

NOTE_LENGTH = 2000
VISITS = 200  # of one patient on one page
PAIRS = 50


class PatientNote(Base):
    """What somebody of the staff wrote down about a patient, for the staff alone."""

    __tablename__ = "patient_note"
    __table_args__ = (sa.Index("ix_patient_note_patient", "patient_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(26), unique=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"))
    patient_id: Mapped[int] = mapped_column(sa.ForeignKey("patient.id"))
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"))
    written_at: Mapped[datetime]
    text: Mapped[bytes]  # sealed


class Merge(Base):
    """One record became part of another: what was moved, so that exactly that can be moved back."""

    __tablename__ = "patient_merge"
    __table_args__ = (sa.Index("ix_patient_merge_clinic_merged_at", "clinic_id", "merged_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(sa.String(26), unique=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"))
    kept_id: Mapped[int] = mapped_column(sa.ForeignKey("patient.id"), index=True)
    merged_id: Mapped[int] = mapped_column(sa.ForeignKey("patient.id"), index=True)
    visits: Mapped[list[Any]]  # ids
    notes: Mapped[list[Any]]  # ids
    records: Mapped[list[Any]]  # ids of those that had been merged into the merged one
    filled: Mapped[list[Any]]  # names of the contacts that the kept record had not and took over
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"))
    merged_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]


class Apart(Base):
    """Two records that look like one person's and are two."""

    __tablename__ = "patient_apart"

    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), primary_key=True)
    first_id: Mapped[int] = mapped_column(sa.ForeignKey("patient.id"), primary_key=True)  # the lower id
    second_id: Mapped[int] = mapped_column(sa.ForeignKey("patient.id"), primary_key=True, index=True)


TELL_APART = insert_or_ignore(table(Apart))


# Notes


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it is read."""

    public_id: str
    author_id: int
    author: str
    written_at: datetime
    text: str


def seal_note(public_id: str, text: str) -> bytes:
    """The text as it is kept."""
    return seal(text, _place(public_id))


def notes(clinic_id: int, patient_id: int) -> list[Note]:
    """The patient's notes, newest first."""
    query = (
        sa.select(PatientNote, Staff.name)
        .join(Staff, Staff.id == PatientNote.staff_id)
        .where(PatientNote.clinic_id == clinic_id, PatientNote.patient_id == patient_id)
        .order_by(PatientNote.written_at.desc(), PatientNote.id.desc())
    )
    return [
        Note(row.public_id, row.staff_id, author, row.written_at, unseal(row.text, _place(row.public_id)).decode())
        for row, author in db.session.execute(query)
    ]


def note_by_public_id(clinic_id: int, patient_id: int, public_id: str) -> PatientNote:
    """One note of the patient. Raises NotFound."""
    query = sa.select(PatientNote).where(
        PatientNote.public_id == public_id, PatientNote.clinic_id == clinic_id, PatientNote.patient_id == patient_id
    )
    found = db.session.scalar(query)
    if found is None:
        raise NotFound
    return found


def _place(public_id: str) -> str:
    return f"patient_note.text:{public_id}"


# Visits


def visits(clinic_id: int, patient_id: int) -> list[Appointment]:
    """The patient's newest visits, past and to come, cancelled ones too; the newest first."""
    query = sa.select(Appointment).where(Appointment.clinic_id == clinic_id, Appointment.patient_id == patient_id)
    return list(db.session.scalars(query.order_by(Appointment.starts_at.desc(), Appointment.id).limit(VISITS)))


def to_come(clinic_id: int, patients: list[int], now: datetime) -> list[Appointment]:
    """The visits of these patients that stand and are not yet over, locked, in order of their id; those whose patient
    is here among them."""
    query = (
        sa.select(Appointment)
        .where(
            Appointment.clinic_id == clinic_id,
            Appointment.patient_id.in_(patients),
            Appointment.status.not_in(OVER),
            Appointment.ends_at > now,
        )
        .order_by(Appointment.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(db.session.scalars(query))


# Which records are one


def family(someone: Patient) -> list[Patient]:
    """The other records with the same phone or e-mail, by name."""
    contacts = ((Patient.phone, someone.phone), (Patient.email, someone.email))
    same = sa.or_(sa.false(), *(column == contact for column, contact in contacts if contact))
    query = sa.select(Patient).where(
        Patient.clinic_id == someone.clinic_id, same, Patient.id != someone.id, Patient.merged_into_id.is_(None)
    )
    return list(db.session.scalars(query.order_by(Patient.name, Patient.id).limit(PAIRS)))


def alike(someone: Patient) -> list[Patient]:
    """The other records that may be this person's too, without those told apart from it."""
    keys = sa.select(PatientKey.key).where(PatientKey.patient_id == someone.id, PatientKey.key.between("n", "o"))
    named = sa.select(PatientKey.patient_id).where(
        PatientKey.clinic_id == someone.clinic_id, PatientKey.key.in_(keys), PatientKey.patient_id != someone.id
    )
    query = sa.select(Patient).where(Patient.id.in_(named)).order_by(Patient.id).limit(PAIRS)
    apart = sa.select(Apart.first_id, Apart.second_id).where(
        Apart.clinic_id == someone.clinic_id, sa.or_(Apart.first_id == someone.id, Apart.second_id == someone.id)
    )
    left_out = {id for pair in db.session.execute(apart) for id in pair}
    others = {other.id: other for other in (*family(someone), *db.session.scalars(query))}
    return [other for other in others.values() if other.id not in left_out and compared(someone, other)]


class Pair(NamedTuple):
    """Two records that may be one person's; the older one first."""

    first: Patient
    second: Patient
    likeness: Likeness  # of the names
    shares: tuple[str, ...]  # of phone, email: what is the same in both; none where each has what the other lacks


def duplicates(clinic_id: int) -> list[Pair]:
    """Records that may be one person's, the surest first: a like name and the same phone or e-mail, or the same name
    and contacts that go together. Those told apart are left out."""
    found: dict[tuple[int, int], Pair] = {}
    for first, second in _candidates(clinic_id):
        pair = compared(first, second)
        if pair is not None:
            found[first.id, second.id] = pair
    return sorted(found.values(), key=lambda pair: (-pair.likeness, -len(pair.shares), -pair.second.id))[:PAIRS]


def compared(first: Patient, second: Patient) -> Pair | None:
    """What makes two records look like one person's; None if they don't."""
    like = likeness(first.name, second.name)
    contacts = (("phone", first.phone, second.phone), ("email", first.email, second.email))
    shares = tuple(name for name, one, other in contacts if one and one == other)
    goes_together = all(one is None or other is None or one == other for _, one, other in contacts)
    if like is Likeness.OTHER or not (shares or (like is Likeness.SAME and goes_together)):
        return None
    return Pair(first, second, like, shares)


def _candidates(clinic_id: int) -> Iterator[sa.Row[Patient, Patient]]:
    first, second = aliased(Patient), aliased(Patient)
    one, other = aliased(PatientKey), aliased(PatientKey)
    here = (
        first.clinic_id == clinic_id,
        second.clinic_id == clinic_id,
        first.id < second.id,
        first.merged_into_id.is_(None),
        second.merged_into_id.is_(None),
        ~sa.exists().where(Apart.clinic_id == clinic_id, Apart.first_id == first.id, Apart.second_id == second.id),
    )
    same_name = (
        sa.select(one.patient_id, other.patient_id.label("other_id"))
        .where(
            one.clinic_id == clinic_id,
            other.clinic_id == clinic_id,
            one.key.between("n", "o"),
            other.key == one.key,
            other.patient_id > one.patient_id,
        )
        .distinct()
        .subquery()
    )
    by_name = (
        sa.select(first, second)
        .join(same_name, same_name.c.patient_id == first.id)
        .join(second, second.id == same_name.c.other_id)
        .where(*here, sa.or_(first.phone.is_(None), second.phone.is_(None)))
    )
    by_contact = [
        sa.select(first, second).join(second, column == other_column).where(*here)
        for column, other_column in ((first.phone, second.phone), (first.email, second.email))
    ]
    for query in (*by_contact, by_name):
        yield from db.session.execute(query.order_by(second.id.desc()).limit(PAIRS * 20))


def both(clinic_id: int, one: int, other: int) -> tuple[Patient, Patient]:
    """Two records by id, locked, as they are after the lock."""
    query = (
        sa.select(Patient)
        .where(Patient.clinic_id == clinic_id, Patient.id.in_((one, other)))
        .order_by(Patient.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = {row.id: row for row in db.session.scalars(query)}
    return found[one], found[other]


def belongings(patient_id: int) -> dict[str, list[int]]:
    """The ids of what moves along when the record is merged."""
    return {
        "visits": list(db.session.scalars(sa.select(Appointment.id).where(Appointment.patient_id == patient_id))),
        "notes": list(db.session.scalars(sa.select(PatientNote.id).where(PatientNote.patient_id == patient_id))),
        "records": list(db.session.scalars(sa.select(Patient.id).where(Patient.merged_into_id == patient_id))),
    }


def hand_over(moved: Merge, *, from_id: int, to_id: int) -> None:
    """Give what was moved to the other of the two records, as far as the first still has it."""
    for ids, owner, also in (
        (moved.visits, Appointment.patient_id, {"version": Appointment.version + 1}),
        (moved.notes, PatientNote.patient_id, {}),
        (moved.records, Patient.merged_into_id, {}),
    ):
        model = owner.class_
        query = sa.update(model).where(model.id.in_(ids), owner == from_id).values({owner.key: to_id, **also})
        db.session.execute(query.execution_options(synchronize_session=False))


def tell_apart(clinic_id: int, first: int, second: int) -> bool:
    """Note that two records, the one with the lower id first, are two people. False if that was known."""
    row = {"clinic_id": clinic_id, "first_id": first, "second_id": second}
    return bool(db.session.connection().execute(TELL_APART[dialect()], row).rowcount)


def merge_that_stands(merged: int) -> Merge:
    """The merge that made this record part of another."""
    query = sa.select(Merge).where(Merge.merged_id == merged, Merge.undone_at.is_(None))
    return db.session.scalars(query).one()


def merge_by_public_id(clinic_id: int, public_id: str) -> Merge:
    """One merge of the clinic. Raises NotFound."""
    found = db.session.scalar(sa.select(Merge).where(Merge.public_id == public_id, Merge.clinic_id == clinic_id))
    if found is None:
        raise NotFound
    return found


def merges(clinic_id: int, *, kept: int | None = None, limit: int = 20) -> list[tuple[Merge, Patient, Patient, str]]:
    """The clinic's newest merges that stand (of one kept record, if given): each with the kept and the merged record,
    and who did it."""
    first, second = aliased(Patient), aliased(Patient)
    query = (
        sa.select(Merge, first, second, Staff.name)
        .join(first, first.id == Merge.kept_id)
        .join(second, second.id == Merge.merged_id)
        .join(Staff, Staff.id == Merge.staff_id)
        .where(Merge.clinic_id == clinic_id, Merge.undone_at.is_(None))
    )
    if kept is not None:
        query = query.where(Merge.kept_id == kept)
    rows = db.session.execute(query.order_by(Merge.merged_at.desc(), Merge.id.desc()).limit(limit))
    return [(merge, one, other, author) for merge, one, other, author in rows]


# Who was looked at


def lately_seen(clinic_id: int, staff_id: int, now: datetime, *, limit: int = 5) -> list[int]:
    """The ids of the patients whose records this person opened within a day, the newest first."""
    since = now - timedelta(days=1)
    noted = sa.select(Access.object, Access.at).where(
        Access.clinic_id == clinic_id, Access.staff_id == staff_id, Access.at >= since
    )
    chained = sa.select(Entry.object, Entry.at).where(
        Entry.clinic_id == clinic_id, Entry.at >= since, Entry.by_id == staff_id, Entry.action == Action.SEEN
    )
    both = sa.union_all(noted, chained).subquery()
    query = (
        sa.select(both.c.object)
        .where(both.c.object.startswith(thing(Kind.PATIENT, "")))
        .group_by(both.c.object)
        .order_by(sa.func.max(both.c.at).desc())
        .limit(limit)
    )
    return [int(object.partition(":")[2]) for object in db.session.scalars(query)]
