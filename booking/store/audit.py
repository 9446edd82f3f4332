"""The audit: who did what to which record, in one chain per clinic that can't be mended without the key.

Each entry's hash is HMAC-SHA-256 over the hash before it and the entry itself. The key is derived from the field key,
which is not in the database, so whoever can write rows can still not write a chain. Triggers refuse to change or
delete entries; `verify` finds it where they were taken away. A cut tail shows in the signed heads, kept elsewhere.

What staff looked at is noted in the table `access` first, one row for a record in ten minutes, since looking must not
wait for the chain; the worker chains these rows.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.access import Caller
from booking.domain.audit import Action
from booking.store.base import Base, at_end, connection, db, dialect, insert_or_ignore, settings, table
from booking.store.staff import Staff

INSTALLATION = 0  # the chain of what belongs to no clinic
NOTED_EVERY = 600  # seconds


class Entry(Base):
    """One link of a clinic's chain. Never changed, never deleted."""

    __tablename__ = "audit"
    __table_args__ = (
        sa.Index("ix_audit_clinic_object", "clinic_id", "object", "seq"),
        sa.Index("ix_audit_clinic_at", "clinic_id", "at"),
    )

    clinic_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # INSTALLATION: no clinic's
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1, without a gap
    at: Mapped[datetime]
    by_kind: Mapped[str] = mapped_column(sa.String(12))  # public, patient, staff, key, worker
    by_id: Mapped[int | None]
    action: Mapped[str] = mapped_column(sa.String(40))
    object: Mapped[str] = mapped_column(sa.String(60))  # see domain/audit; empty: the clinic itself
    facts: Mapped[dict[str, Any]]
    hash: Mapped[bytes]


class Head(Base):
    """Where a chain ends. Whoever adds to the chain locks its head, last of all locks."""

    __tablename__ = "audit_head"

    clinic_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int]
    hash: Mapped[bytes]


class Access(Base):
    """That a staff user looked at a record in these ten minutes; not chained yet, or just now."""

    __tablename__ = "access"

    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), primary_key=True)
    period: Mapped[int] = mapped_column(primary_key=True)  # ten minutes, counted from the epoch
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"), primary_key=True)
    object: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    at: Mapped[datetime]
    chained: Mapped[bool] = mapped_column(default=False)


class Said(NamedTuple):
    """An entry before it has its place in the chain."""

    clinic_id: int
    at: datetime
    by_kind: str
    by_id: int | None
    action: str
    object: str
    facts: dict[str, str]


entry, head, access = table(Entry), table(Head), table(Access)
LOCK = sa.select(head.c.seq, head.c.hash).where(head.c.clinic_id == sa.bindparam("clinic")).with_for_update()
BEGIN = insert_or_ignore(head)
ADD = sa.insert(entry)
ADVANCE = (
    sa.update(head)
    .where(head.c.clinic_id == sa.bindparam("clinic"))
    .values(seq=sa.bindparam("last"), hash=sa.bindparam("newest"))
)


def record(clinic_id: int | None, action: str, *, by: Caller, now: datetime, object: str = "", **facts: str) -> None:
    """Add an entry to the clinic's chain (None: the installation's) in the present transaction, just before its commit.

    `object` and `facts` as `domain/audit` says: nothing personal.
    """
    at_end(_chain, Said(clinic_id or INSTALLATION, now, by.kind, by.id, action, object, facts))


def _chain(said: list[Said]) -> None:
    """Add the transaction's entries. Chains are locked in order of their clinic, the heads after all other rows."""
    for clinic_id, entries in groupby(sorted(said, key=_clinic), key=_clinic):
        last, newest = _end(clinic_id)
        rows = []
        for one in entries:
            last += 1
            newest = _hash(newest, last, one)
            rows.append({**one._asdict(), "seq": last, "hash": newest})
        connection().execute(ADD, rows)
        connection().execute(ADVANCE, {"clinic": clinic_id, "last": last, "newest": newest})


def _clinic(said: Said) -> int:
    return said.clinic_id


def _end(clinic_id: int) -> tuple[int, bytes]:
    """Number and hash of the chain's last entry, locked. A chain that is not there yet is begun."""
    found = connection().execute(LOCK, {"clinic": clinic_id}).one_or_none()
    if found is None:
        connection().execute(BEGIN[dialect()], {"clinic_id": clinic_id, "seq": 0, "hash": b""})
        found = connection().execute(LOCK, {"clinic": clinic_id}).one()
    return found.seq, found.hash


def _key() -> bytes:
    return hmac.digest(settings().field_key_bytes, b"audit chain", "sha256")


def _hash(before: bytes, seq: int, said: Said) -> bytes:
    clinic_id, at, *rest = said
    text = json.dumps([clinic_id, seq, at.astimezone(UTC).isoformat(), *rest], separators=(",", ":"), sort_keys=True)
    return hmac.digest(_key(), before + text.encode(), "sha256")


# What was looked at


def _period(now: datetime) -> int:
    return int(now.timestamp()) // NOTED_EVERY


NOTED = sa.select(access.c.at).where(
    access.c.clinic_id == sa.bindparam("clinic"),
    access.c.period == sa.bindparam("now"),
    access.c.staff_id == sa.bindparam("staff"),
    access.c.object == sa.bindparam("seen"),
)
NOTE = insert_or_ignore(access)


def is_noted(clinic_id: int, staff_id: int, object: str, now: datetime) -> bool:
    """Whether it is written down already that this person looked at the record in these ten minutes."""
    asked = {"clinic": clinic_id, "now": _period(now), "staff": staff_id, "seen": object}
    return db.session.connection().execute(NOTED, asked).first() is not None


def note(clinic_id: int, staff_id: int, object: str, now: datetime) -> None:
    """Write down, in the caller's transaction, that a staff user looked at a record; once in ten minutes."""
    row = {"clinic_id": clinic_id, "period": _period(now), "staff_id": staff_id, "object": object, "at": now}
    db.session.connection().execute(NOTE[dialect()], row | {"chained": False})


def chain_notes(now: datetime, limit: int = 500) -> int:
    """Add what was looked at to the chains, at most `limit`, and throw away the notes that are old and chained.

    In the caller's transaction. Returns how many were added; several workers never add the same note.
    """
    old = access.c.chained & (access.c.period < _period(now))
    db.session.execute(sa.delete(access).where(old))
    waiting = sa.select(access).where(~access.c.chained).order_by(access.c.at).limit(limit)
    rows = db.session.execute(waiting.with_for_update(skip_locked=True)).all()
    for row in rows:
        by = Caller("staff", row.staff_id)
        record(row.clinic_id, Action.SEEN, by=by, now=row.at, object=row.object)
        same = [column == row._mapping[column.name] for column in access.primary_key]
        db.session.execute(sa.update(access).where(*same).values(chained=True))
    return len(rows)


# What the chains say


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; None: any."""

    staff_id: int | None = None
    by_kind: str | None = None
    action: str | None = None
    objects: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None  # exclusive


def search(clinic_id: int, wanted: Wanted, *, before: int | None = None, limit: int | None = None) -> list[Entry]:
    """The clinic's entries that are wanted, newest first, only those numbered below `before`."""
    conditions = [Entry.clinic_id == clinic_id]
    if wanted.staff_id is not None:
        conditions += [Entry.by_kind == "staff", Entry.by_id == wanted.staff_id]
    if wanted.by_kind is not None:
        conditions.append(Entry.by_kind == wanted.by_kind)
    if wanted.action is not None:
        conditions.append(Entry.action == wanted.action)
    if wanted.objects is not None:
        conditions.append(Entry.object.in_(wanted.objects))
    if wanted.since is not None:
        conditions.append(Entry.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Entry.at < wanted.until)
    if before is not None:
        conditions.append(Entry.seq < before)
    query = sa.select(Entry).where(*conditions).order_by(Entry.seq.desc()).limit(limit)
    return list(db.session.scalars(query))


def authors(entries: Iterable[Entry]) -> dict[int, Staff]:
    """The staff users who stand behind these entries, by id."""
    ids = {entry.by_id for entry in entries if entry.by_kind == "staff"}
    return {person.id: person for person in db.session.scalars(sa.select(Staff).where(Staff.id.in_(ids)))}


# Whether the chains hold


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a chain is broken: an entry that is not as it was written, that is gone, or that the end does not know."""

    clinic_id: int
    seq: int
    what: str  # edited, missing, cut, head


@dataclass(frozen=True, slots=True)
class SignedHead:
    """Where a chain ended at an instant, with our word for it: kept outside the database, it shows a cut tail."""

    clinic_id: int
    seq: int
    hash: str  # hex
    at: datetime
    proof: str  # hex


def chains() -> list[int]:
    """The clinics that have a chain, INSTALLATION among them."""
    return list(
        db.session.scalars(sa.select(head.c.clinic_id).union(sa.select(entry.c.clinic_id)).order_by("clinic_id"))
    )


def signed_head(clinic_id: int, now: datetime) -> SignedHead | None:
    """Where the chain ends now, None if it has not begun."""
    found = db.session.execute(sa.select(head.c.seq, head.c.hash).where(head.c.clinic_id == clinic_id)).one_or_none()
    if found is None:
        return None
    made = SignedHead(clinic_id, found.seq, found.hash.hex(), now, "")
    return SignedHead(made.clinic_id, made.seq, made.hash, made.at, _proof(made))


def is_genuine(signed: SignedHead) -> bool:
    """Whether a head was signed with this installation's key."""
    return hmac.compare_digest(signed.proof.encode(), _proof(signed).encode())


def _proof(signed: SignedHead) -> str:
    said = f"head:{signed.clinic_id}:{signed.seq}:{signed.hash}:{signed.at.astimezone(UTC).isoformat()}"
    return hmac.digest(_key(), said.encode(), hashlib.sha256).hex()


def _entries(clinic_id: int) -> Iterator[sa.Row[Any]]:
    """The clinic's entries by number, read by the thousand: a chain may be long."""
    query = sa.select(entry).where(entry.c.clinic_id == clinic_id).order_by(entry.c.seq).limit(1000)
    rows = db.session.execute(query).all()
    while rows:
        yield from rows
        rows = db.session.execute(query.where(entry.c.seq > rows[-1].seq)).all()


def verify(clinic_id: int, heads: Iterable[SignedHead] = ()) -> Iterator[Fault]:
    """Where the clinic's chain is broken, by number; nothing if it holds, and every head lies on it.

    Entries that were edited, put in or swapped are not what their hash says; those deleted leave a gap; a tail that
    was cut off is known to the chain's end or to a head that was kept elsewhere.
    """
    known = {signed.seq: signed.hash for signed in heads if signed.clinic_id == clinic_id}
    # Read first: what is added meanwhile lies beyond it.
    end = db.session.execute(sa.select(head.c.seq, head.c.hash).where(head.c.clinic_id == clinic_id)).one_or_none()
    last, newest, found = 0, b"", {0: b""}
    for row in _entries(clinic_id):
        said = Said(row.clinic_id, row.at, row.by_kind, row.by_id, row.action, row.object, row.facts)
        if row.seq != last + 1:
            yield Fault(clinic_id, last + 1, "missing")
        elif not hmac.compare_digest(row.hash, _hash(newest, row.seq, said)):
            yield Fault(clinic_id, row.seq, "edited")
        last, newest = row.seq, row.hash
        if last in known or (end and last == end.seq):
            found[last] = newest
    if end is None:
        if last:
            yield Fault(clinic_id, last, "cut")
    elif found.get(end.seq) != end.hash:
        yield Fault(clinic_id, end.seq, "cut")
    for seq, hash in sorted(known.items()):
        if found.get(seq, b"").hex() != hash:
            yield Fault(clinic_id, seq, "head")
