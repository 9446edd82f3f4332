"""Patients of a clinic. Name, phone and e-mail are plain, since the desk searches them by part."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.access import REFERENCE_LENGTH, digest, new_id
from booking.domain.appointment import OPEN, OVER, Status
from booking.domain.errors import NotFound
from booking.store import patient_key
from booking.store.base import Base, Stale, UTCDateTime, connection, db, dialect, insert_or_ignore, table
from booking.store.patient_key import Match


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
    version: Mapped[int] = mapped_column(server_default="1")  # grows with every change of the row by the desk
    # The record that this one was merged into and that has its visits now; never one that is merged itself.
    merged_into_id: Mapped[int | None] = mapped_column(sa.ForeignKey("patient.id"), index=True)
    keys_version: Mapped[int] = mapped_column(server_default="0")  # of the rules by which its keys were made

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


@dataclass(frozen=True, slots=True)
class Person:
    """Who a visit is for, as typed and checked: e-mail or phone (E.164) or both."""

    name: str
    email: str | None
    phone: str | None
    language: str


patient = table(Patient)


def _locked(*conditions: sa.ColumnElement[bool]) -> sa.Select[int, str, str, str | None, str | None, int | None]:
    """The clinic's records of which one of these is true, locked in order of their id."""
    # Each by its own index: with OR, a planner that knows of many patients without a phone reads the whole clinic.
    here = [
        sa.select(patient.c.id).where(patient.c.clinic_id == sa.bindparam("clinic"), condition)
        for condition in conditions
    ]
    columns = (patient.c.id, patient.c.identity, patient.c.name, patient.c.email, patient.c.phone)
    query = sa.select(*columns, patient.c.merged_into_id).where(patient.c.id.in_(sa.union(*here)))
    return query.order_by(patient.c.id).with_for_update()


def _is_in_list(column: sa.ColumnElement[str], name: str) -> dict[str, sa.ColumnElement[bool]]:
    """Per database: whether the column's value is in the list of that name."""
    # A plan that PostgreSQL keeps compares each row with each value of a plain IN.
    each = sa.func.unnest(sa.bindparam(name, type_=postgresql.ARRAY(sa.Text)))
    return {"sqlite": column.in_(sa.bindparam(name, expanding=True)), "postgresql": column.in_(sa.select(each))}


CONTACTS = (patient.c.identity, patient.c.email, patient.c.phone)
KNOWN = _locked(*(column == sa.bindparam(column.name) for column in CONTACTS))
ALL_KNOWN = {
    database: _locked(*(_is_in_list(column, column.name)[database] for column in CONTACTS))
    for database in ("sqlite", "postgresql")
}
ADD = {name: insert.returning(patient.c.id) for name, insert in insert_or_ignore(patient).items()}


class Standing(NamedTuple):
    """A patient's record, where mails about their visits go, and all records that are theirs, this one among them."""

    id: int
    address: str | None
    records: list[int]


def find_or_add(clinic_id: int, person: Person, now: datetime) -> Standing:
    """The patient with exactly this name and contact, added if there is none. Their records, those with this name and
    one of the contacts, are locked until the transaction ends.

    A stranger's typing never changes a known patient's record: what differs makes a record of its own, which the
    desk can merge. People of one family share a phone, so the name has to be the same too. A record that was merged
    stands for the one that it was merged into, whose address may be another.
    """
    identity = identity_of(person.name, person.email, person.phone)
    asked = {"clinic": clinic_id, "identity": identity, "email": person.email, "phone": person.phone}
    rows = connection().execute(KNOWN, asked).all()
    same = _kept([row for row in rows if _key(row.name) == _key(person.name)])
    known = [row for row in rows if row.identity == identity]
    if known:
        kept, merged = _kept(known)[0], known[0].merged_into_id
        return Standing(kept, _address(merged) if merged else known[0].email, same)
    added = connection().execute(ADD[dialect()], _row(clinic_id, identity, person, now)).scalar()
    if added is None:
        raise Stale  # another process added this very patient a moment ago
    patient_key.add(clinic_id, added, patient_key.keys_of(person.name, person.email, person.phone))
    return Standing(added, person.email, [*same, added])


def _row(clinic_id: int, identity: str, person: Person, now: datetime) -> dict[str, object]:
    """A new patient's."""
    return {
        "public_id": new_id(),
        "clinic_id": clinic_id,
        "identity": identity,
        "name": person.name,
        "email": person.email,
        "phone": person.phone,
        "language": person.language,
        "created_at": now,
        "keys_version": patient_key.VERSION,
    }


OF_IDENTITIES = {
    database: sa.select(patient.c.identity, patient.c.id, patient.c.merged_into_id)
    .where(patient.c.clinic_id == sa.bindparam("clinic"), is_one)
    .order_by(patient.c.id)
    for database, is_one in _is_in_list(patient.c.identity, "identities").items()
}
ADD_ALL = {
    name: insert.returning(patient.c.id, patient.c.identity) for name, insert in insert_or_ignore(patient).items()
}


def find_or_add_all(clinic_id: int, people: Mapping[str, Person], now: datetime) -> dict[str, int]:
    """By identity the ids of the patients with exactly these names and contacts; those that are missing are added.

    Like `find_or_add` for some hundred people at once, but nothing is locked.
    """
    asked = {"clinic": clinic_id, "identities": list(people)}
    ids = {row.identity: row.merged_into_id or row.id for row in connection().execute(OF_IDENTITIES[dialect()], asked)}
    missing = {identity: person for identity, person in sorted(people.items()) if identity not in ids}
    if not missing:
        return ids
    rows = [_row(clinic_id, identity, person, now) for identity, person in missing.items()]
    added = {row.identity: row.id for row in connection().execute(ADD_ALL[dialect()], rows)}
    if len(added) != len(missing):
        raise Stale  # another process added one of them a moment ago
    patient_key.add_all(
        (clinic_id, added[identity], patient_key.keys_of(person.name, person.email, person.phone))
        for identity, person in missing.items()
    )
    return ids | added


def same_person(someone: Patient) -> list[int]:
    """The ids of all records with this patient's name and one of their contacts, locked until the transaction ends."""
    asked = {"clinic": someone.clinic_id, "identity": someone.identity, "email": someone.email, "phone": someone.phone}
    rows = connection().execute(KNOWN, asked)
    return _kept([row for row in rows if _key(row.name) == _key(someone.name)])


def same_people(clinic_id: int, people: Mapping[str, Person]) -> dict[Mark, set[int]]:
    """The same for some hundred people, given by identity, at once: the ids of the records by each of their marks."""
    asked = {
        "clinic": clinic_id,
        "identity": list(people),
        "email": [one.email for one in people.values() if one.email],
        "phone": [one.phone for one in people.values() if one.phone],
    }
    rows = connection().execute(ALL_KNOWN[dialect()], asked).all()
    _kept(rows)
    found: dict[Mark, set[int]] = {}
    for row in rows:
        for mark in marks(row.name, row.email, row.phone, row.identity):
            found.setdefault(mark, set()).add(row.merged_into_id or row.id)
    return found


Mark = str | tuple[str, str]


def marks(name: str, email: str | None, phone: str | None, identity: str) -> list[Mark]:
    """What tells that two records are the same person's, like `same_person`: they have one of these in common."""
    return [identity, *((_key(name), contact) for contact in (email, phone) if contact)]


def _kept(rows: Sequence[sa.Row[int, str, str, str | None, str | None, int | None]]) -> list[int]:
    """The records that have the visits of these, locked like these."""
    kept = list(dict.fromkeys(row.merged_into_id or row.id for row in rows))
    if any(row.merged_into_id for row in rows):
        db.session.execute(sa.select(Patient.id).where(Patient.id.in_(kept)).order_by(Patient.id).with_for_update())
    return kept


ADDRESS = sa.select(patient.c.email).where(patient.c.id == sa.bindparam("patient"))


def _address(patient_id: int) -> str | None:
    found: str | None = connection().execute(ADDRESS, {"patient": patient_id}).scalar_one()
    return found


def identity_of(name: str, email: str | None, phone: str | None) -> str:
    """What is the same for the same name and contacts, and tells all others apart."""
    return digest("\n".join((_key(name), (email or "").casefold(), phone or "")))


def is_known(clinic_id: int, identity: str) -> bool:
    """Whether the clinic has a record with this very name and these contacts."""
    query = sa.select(Patient.id).where(Patient.clinic_id == clinic_id, Patient.identity == identity)
    return db.session.scalar(query) is not None


def _key(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def by_public_id(clinic_id: int, public_id: str, *, lock: bool = False) -> Patient:
    """The clinic's patient of that public id, as it is in the database now; a merged record too. Raises NotFound."""
    query = sa.select(Patient).where(Patient.public_id == public_id, Patient.clinic_id == clinic_id)
    if lock:
        query = query.with_for_update()
    found = db.session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise NotFound
    return found


def by_id(clinic_id: int, patient_id: int) -> Patient:
    """The clinic's patient of that id, which a row of ours names. Raises NotFound."""
    found = db.session.scalar(sa.select(Patient).where(Patient.id == patient_id, Patient.clinic_id == clinic_id))
    if found is None:
        raise NotFound
    return found


# Finding


@dataclass(frozen=True, slots=True)
class Found:
    """A patient that the desk may mean."""

    id: int
    public_id: str
    name: str
    phone: str | None  # E.164
    email: str | None
    matched: Match | None  # what of them is like the text; None if nothing was looked for
    last_on: date | None  # of their newest visit that has begun and was not called off, where it was
    next_on: date | None  # of their next visit


# Not the model: appointments know patients, not the other way round.
_visit = sa.table(
    "appointment",
    sa.column("clinic_id", sa.Integer),
    sa.column("patient_id", sa.Integer),
    sa.column("reference", sa.String),
    sa.column("status", sa.String),
    sa.column("starts_at", UTCDateTime()),
    sa.column("start_time", sa.DateTime()),
)
_of_patient = sa.select(_visit.c.start_time).where(_visit.c.patient_id == patient.c.id).correlate(patient).limit(1)
_last = _of_patient.where(
    _visit.c.starts_at <= sa.bindparam("now"), _visit.c.status.not_in((*OVER, Status.PENDING))
).order_by(_visit.c.starts_at.desc())
_next = _of_patient.where(_visit.c.starts_at > sa.bindparam("now"), _visit.c.status.in_(OPEN)).order_by(
    _visit.c.starts_at
)
FOUND = sa.select(
    patient.c.id,
    patient.c.public_id,
    patient.c.name,
    patient.c.phone,
    patient.c.email,
    _last.scalar_subquery().label("last"),
    _next.scalar_subquery().label("next"),
).where(patient.c.clinic_id == sa.bindparam("clinic"), patient.c.id.in_(sa.bindparam("patients", expanding=True)))
OF_REFERENCE = sa.select(_visit.c.patient_id).where(
    _visit.c.clinic_id == sa.bindparam("clinic"), _visit.c.reference == sa.bindparam("reference")
)
MISREAD = str.maketrans("OIL", "011")  # letters that no reference has


def search(clinic_id: int, text: str, *, now: datetime, limit: int = 8) -> list[Found]:
    """The patients that somebody at the desk may mean by a text, at most `limit`, the likeliest first.

    The text is part of a name (any words of it in any order, with or without accents, misspelt a little), of a phone
    number in any grouping, of an e-mail address, or the reference of a visit. Nothing is found by a single letter.
    """
    reference = re.sub(r"[\W_]", "", text).upper().translate(MISREAD)
    hits: dict[int, Match] = {}
    if len(reference) == REFERENCE_LENGTH:
        asked = {"clinic": clinic_id, "reference": reference}
        hits = dict.fromkeys(connection().execute(OF_REFERENCE, asked).scalars(), Match.REFERENCE)
    for id, match in patient_key.find(clinic_id, text, limit=limit):
        hits.setdefault(id, match)
    return found(clinic_id, hits, now=now)[:limit]


def found(clinic_id: int, hits: Mapping[int, Match | None], *, now: datetime) -> list[Found]:
    """These patients (by id) as a search shows them, in the same order."""
    if not hits:
        return []
    asked = {"clinic": clinic_id, "patients": list(hits), "now": now}
    rows = {row.id: row for row in connection().execute(FOUND, asked)}
    return [
        Found(id, row.public_id, row.name, row.phone, row.email, hits[id], _date(row.last), _date(row.next))
        for id in hits
        if (row := rows.get(id))
    ]


def _date(wall: datetime | None) -> date | None:
    return wall.date() if wall else None


def rekey(patients: Collection[int]) -> None:
    """Write the keys of these patients anew, in the caller's transaction. Who was merged into another is found as
    that one."""
    patient_key.forget(patients)
    owner = sa.func.coalesce(Patient.merged_into_id, Patient.id)
    rows = db.session.execute(
        sa.select(owner, Patient.clinic_id, Patient.name, Patient.email, Patient.phone).where(owner.in_(patients))
    )
    patient_key.add_all(
        (clinic_id, id, patient_key.keys_of(name, email, phone)) for id, clinic_id, name, email, phone in rows
    )
    db.session.execute(sa.update(Patient).where(owner.in_(patients)).values(keys_version=patient_key.VERSION))


def without_keys(limit: int) -> list[int]:
    """Some patients whose keys are not yet made, or were made by other rules than the present ones."""
    query = sa.select(Patient.id).where(Patient.keys_version != patient_key.VERSION, Patient.merged_into_id.is_(None))
    return list(db.session.scalars(query.order_by(Patient.id).limit(limit)))
