"""Doors: API keys, remembered idempotent answers, and rate limits shared by all processes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.errors import KeyReused
from booking.store.appointment import Appointment
from booking.store.base import Base, Stale, connection, db, dialect, insert_or_ignore, table, transaction


class Key(Base):
    """An API key of a clinic. Shown once when made; only its digest is kept."""

    __tablename__ = "key"

    id: Mapped[int] = mapped_column(primary_key=True)
    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"))
    name: Mapped[str] = mapped_column(sa.String(100))
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    scopes: Mapped[list[Any]]  # of read, book, desk
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Idempotency(Base):
    """A request that was carried out, so that its repetition gives the same appointment."""

    __tablename__ = "idempotency"

    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), primary_key=True)
    scope: Mapped[str] = mapped_column(sa.String(40), primary_key=True)  # "web", or the API key's id
    key: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    body_digest: Mapped[str] = mapped_column(sa.String(64))
    appointment_id: Mapped[int] = mapped_column(sa.ForeignKey("appointment.id"))
    created_at: Mapped[datetime] = mapped_column(index=True)


REMEMBER = insert_or_ignore(table(Idempotency))


class Rate(Base):
    """How often something was done in a stretch of time: one row per bucket and window."""

    __tablename__ = "rate"

    bucket: Mapped[str] = mapped_column(sa.String(100), primary_key=True)  # holds digests, never addresses
    window: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    count: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A request that may come twice: who sends it, its key, and the digest of all that it asks for."""

    scope: str
    key: str
    body_digest: str


key = table(Key)
KEY = sa.select(key.c.id, key.c.clinic_id, key.c.scopes).where(
    key.c.digest == sa.bindparam("digest"), key.c.revoked_at.is_(None), key.c.expires_at > sa.bindparam("now")
)


class KnownKey(NamedTuple):
    """What an API key opens."""

    id: int
    clinic_id: int
    scopes: list[str]


def key_by_digest(digest: str, now: datetime) -> KnownKey | None:
    """The API key of that digest, None if there is none or it has ended."""
    found = connection().execute(KEY, {"digest": digest, "now": now}).one_or_none()
    return KnownKey(*found) if found else None


def visit(public_id: str) -> Appointment | None:
    """The appointment that a link speaks of, whatever its clinic: the caller checks the link, then the clinic."""
    return db.session.scalar(sa.select(Appointment).where(Appointment.public_id == public_id))


rate = table(Rate)
COUNT = {
    name: insert.on_conflict_do_update(
        index_elements=[rate.c.bucket, rate.c.window], set_={"count": rate.c.count + 1}
    ).returning(rate.c.count)
    for name, insert in (("sqlite", sqlite.insert(rate)), ("postgresql", postgresql.insert(rate)))
}


@transaction
def count(bucket: str, seconds: int, now: datetime) -> tuple[int, int]:
    """Count one more in the bucket's present window; returns the count so far and the seconds until the next window.

    It is kept even if what is counted is then refused.
    """
    stamp = int(now.timestamp())
    window = stamp // seconds
    ends = (window + 1) * seconds
    row = {"bucket": bucket, "window": window, "count": 1, "expires_at": datetime.fromtimestamp(ends, UTC)}
    return connection().execute(COUNT[dialect()], row).scalar_one(), ends - stamp


FREE_TRIES = 10
FIRST_WAIT = 15  # seconds, then twice as long for each further try
LONGEST_WAIT = 300
REMEMBERED = timedelta(minutes=15)  # after the last try that was let through
SLOWED = -1  # in the place of a window: such rows last until they are forgotten
BEGIN_SLOWED = insert_or_ignore(table(Rate))


@transaction
def attempt(bucket: str, now: datetime) -> int:
    """Count one more try to guess a secret and return 0, or the seconds until the next one is let through.

    Ten are free; each further one has to wait twice as long as the one before, up to five minutes. A try that came too
    early is not counted, so nobody can keep somebody else out for long.
    """
    row = db.session.get(Rate, (bucket, SLOWED), with_for_update=True)
    if row is None:
        values = {"bucket": bucket, "window": SLOWED, "count": 1, "expires_at": now + REMEMBERED}
        if not db.session.connection().execute(BEGIN_SLOWED[dialect()], values).rowcount:
            raise Stale
        return 0
    if row.expires_at <= now:
        row.count = 0
    wait = 0 if row.count < FREE_TRIES else min(FIRST_WAIT << min(row.count - FREE_TRIES, 8), LONGEST_WAIT)
    left = row.expires_at - REMEMBERED + timedelta(seconds=wait) - now
    if row.count >= FREE_TRIES and left > timedelta():
        return ceil(left.total_seconds())
    row.count, row.expires_at = row.count + 1, now + REMEMBERED
    return 0


@transaction
def forgive(bucket: str, *, all: bool) -> None:
    """Take back one try of a bucket that turned out to be right, or all of them."""
    row = db.session.get(Rate, (bucket, SLOWED), with_for_update=True)
    if row is not None:
        row.count = 0 if all else max(row.count - 1, 0)


idempotency = table(Idempotency)
EARLIER = sa.select(idempotency.c.body_digest, idempotency.c.appointment_id).where(
    idempotency.c.clinic_id == sa.bindparam("clinic"),
    idempotency.c.scope == sa.bindparam("scope"),
    idempotency.c.key == sa.bindparam("key"),
)


def earlier(clinic_id: int, request: IdempotencyKey) -> int | None:
    """The id of the appointment that this very request made before; None if it is new.

    Raises KeyReused if the key came with another body.
    """
    asked = {"clinic": clinic_id, "scope": request.scope, "key": request.key}
    row = connection().execute(EARLIER, asked).one_or_none()
    if row is None:
        return None
    if row.body_digest != request.body_digest:
        raise KeyReused
    return int(row.appointment_id)


def remember(clinic_id: int, request: IdempotencyKey, appointment_id: int, now: datetime) -> None:
    """Write down what this request made, in its own transaction. Raises Stale if another process just did."""
    row = {
        "clinic_id": clinic_id,
        "scope": request.scope,
        "key": request.key,
        "body_digest": request.body_digest,
        "appointment_id": appointment_id,
        "created_at": now,
    }
    if not connection().execute(REMEMBER[dialect()], row).rowcount:
        raise Stale


def prune(now: datetime, *, idempotency_before: datetime) -> None:
    """Forget the limits' windows that have ended, and the remembered requests from before an instant."""
    db.session.execute(sa.delete(Rate).where(Rate.expires_at < now))
    db.session.execute(sa.delete(Idempotency).where(Idempotency.created_at < idempotency_before))
