"""Staff users, their roles in clinics, what they prove themselves with, sign-in links and sessions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.access import digest, new_secret
from booking.domain.errors import NotFound
from booking.store.base import Base, connection, db, settings, table
from booking.store.clinic import Clinic, clinic
from booking.store.sealed import seal, unseal


class Staff(Base):
    """A person who works with the desk. One account per person, with roles in several clinics if need be."""

    __tablename__ = "staff"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(254), unique=True)  # in lower case
    name: Mapped[str] = mapped_column(sa.String(100))
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    password: Mapped[str | None] = mapped_column(sa.String(200))  # argon2id, as `store/hashed` writes it
    totp: Mapped[bytes | None]  # the sealed seed of an authenticator app
    totp_step: Mapped[int | None] = mapped_column(sa.BigInteger)  # of the last code taken: each is taken once
    signed_in_at: Mapped[datetime | None]


class Role(Base):
    __tablename__ = "role"
    __table_args__ = (sa.CheckConstraint("role in ('owner', 'front-desk', 'practitioner')", name="role"),)

    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), primary_key=True)
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(sa.String(12))


class SignInLink(Base):
    """A mailed link that signs its owner in once."""

    __tablename__ = "sign_in_link"

    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Session(Base):
    """A signed-in browser. The cookie holds the secret; the table only its digest."""

    __tablename__ = "session"

    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    proven_at: Mapped[datetime | None]  # when its owner last showed a link, a password or a passkey
    locked_at: Mapped[datetime | None]  # the screen was locked; a password or a passkey opens it again
    factor_due: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # half signed in
    device: Mapped[str] = mapped_column(sa.String(60), default="", server_default="")  # like "Firefox, Windows"


class Passkey(Base):
    """A passkey of a person: its public half. The private one never leaves their device."""

    __tablename__ = "passkey"

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"), index=True)
    credential: Mapped[str] = mapped_column(sa.String(1400), unique=True)  # its id, base64url
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(sa.BigInteger)
    name: Mapped[str] = mapped_column(sa.String(60))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """A code that stands in for the second factor once; a used one is deleted."""

    __tablename__ = "recovery_code"

    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)


class Challenge(Base):
    """What a passkey was asked to sign, by which browser; a used one is deleted."""

    __tablename__ = "challenge"

    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    browser: Mapped[str] = mapped_column(sa.String(64))
    expires_at: Mapped[datetime] = mapped_column(index=True)


def by_email(email: str) -> Staff | None:
    """The account of an address in any letter case, None if there is none; disabled ones too."""
    return db.session.scalar(sa.select(Staff).where(Staff.email == email.lower()))


def find_or_add(email: str, *, name: str, now: datetime) -> Staff:
    """The account of an address; where there is none yet, a new one with this name."""
    staff = by_email(email)
    if staff is None:
        staff = Staff(email=email.lower(), name=name, created_at=now)
        db.session.add(staff)
        db.session.flush()
    return staff


def role(clinic_id: int, staff_id: int) -> str | None:
    """What the person is in the clinic: owner, front-desk or practitioner; None for somebody else's clinic."""
    return db.session.scalar(sa.select(Role.role).where(Role.clinic_id == clinic_id, Role.staff_id == staff_id))


def give_role(clinic_id: int, staff_id: int, role: str) -> None:
    """Let the person work in the clinic in this role, whatever it was before."""
    db.session.merge(Role(clinic_id=clinic_id, staff_id=staff_id, role=role))
    db.session.flush()


def clinics_of(staff_id: int) -> list[Clinic]:
    """The clinics in which the person has a role, by name."""
    query = sa.select(Clinic).join(Role, Role.clinic_id == Clinic.id).where(Role.staff_id == staff_id)
    return list(db.session.scalars(query.order_by(Clinic.name, Clinic.id)))


def new_link(staff_id: int, *, expires_at: datetime) -> str:
    """A new link that signs the person in once: its whole address. Only the digest of its secret is kept."""
    secret = new_secret("li")
    db.session.add(SignInLink(digest=digest(secret), staff_id=staff_id, expires_at=expires_at))
    db.session.flush()
    return f"{settings().public_url}/login/{secret}"


def owner_of_link(secret: str, now: datetime) -> Staff | None:
    """Whom a link would sign in now; None if it is unknown, used or over, or the account is disabled."""
    query = sa.select(Staff).join(SignInLink, SignInLink.staff_id == Staff.id)
    return db.session.scalar(
        query.where(
            SignInLink.digest == digest(secret),
            SignInLink.used_at.is_(None),
            SignInLink.expires_at > now,
            Staff.disabled_at.is_(None),
        )
    )


def use_link(secret: str, now: datetime) -> bool:
    """Use a link up. False if somebody else was first, or it is over: of two at once, one gets True."""
    used = (
        sa.update(SignInLink)
        .where(SignInLink.digest == digest(secret), SignInLink.used_at.is_(None), SignInLink.expires_at > now)
        .values(used_at=now)
        .returning(SignInLink.digest)
    )
    return db.session.scalar(used) is not None


# Sessions


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who a session's secret belongs to, and how things stand with both. Whether it is still good is asked of it."""

    session: str  # its digest
    id: int
    email: str
    name: str
    role: str | None  # in the clinic that was asked about
    has_password: bool
    has_totp: bool
    has_passkey: bool
    idle_minutes: int  # the strictest of their clinics
    created_at: datetime
    seen_at: datetime
    proven_at: datetime | None
    locked_at: datetime | None
    factor_due: bool

    @property
    def has_second_factor(self) -> bool:
        return self.has_totp or self.has_passkey


people, roles, sessions, passkeys = table(Staff), table(Role), table(Session), table(Passkey)
IDLE_MINUTES = 30  # of whom no clinic has
_theirs = roles.alias()
_STRICTEST = (
    sa.select(sa.func.min(clinic.c.idle_minutes))
    .join(_theirs, _theirs.c.clinic_id == clinic.c.id)
    .where(_theirs.c.staff_id == people.c.id)
    .scalar_subquery()
)
# Asked in every request of the desk: one statement, built once, and rows rather than objects.
SESSION = (
    sa.select(
        sessions.c.digest,
        people.c.id,
        people.c.email,
        people.c.name,
        roles.c.role,
        people.c.password.is_not(None),
        people.c.totp.is_not(None),
        sa.exists().where(passkeys.c.staff_id == people.c.id),
        sa.func.coalesce(_STRICTEST, IDLE_MINUTES),
        sessions.c.created_at,
        sessions.c.seen_at,
        sessions.c.proven_at,
        sessions.c.locked_at,
        sessions.c.factor_due,
    )
    .join(people, people.c.id == sessions.c.staff_id)
    .outerjoin(roles, sa.and_(roles.c.staff_id == people.c.id, roles.c.clinic_id == sa.bindparam("clinic")))
    .where(
        sessions.c.digest == sa.bindparam("digest"),
        sessions.c.ended_at.is_(None),
        people.c.disabled_at.is_(None),
    )
)


def session(secret: str, *, clinic_id: int | None = None) -> SignedIn | None:
    """Who a session belongs to, with their role in that clinic; None if it is unknown or ended, or they are disabled.

    It may be old, idle or locked: the caller looks.
    """
    row = connection().execute(SESSION, {"digest": digest(secret), "clinic": clinic_id}).one_or_none()
    return None if row is None else SignedIn(*row)


def sessions_of(staff_id: int, *, seen_after: datetime) -> list[Session]:
    """The person's sessions that have not ended and were used since then, the last used first."""
    query = sa.select(Session).where(
        Session.staff_id == staff_id, Session.ended_at.is_(None), Session.seen_at > seen_after
    )
    return list(db.session.scalars(query.order_by(Session.seen_at.desc(), Session.digest)))


def add_session(
    secret: str,
    staff_id: int,
    *,
    now: datetime,
    created_at: datetime | None = None,
    device: str = "",
    half: bool = False,
) -> None:
    """Keep a signed-in browser by the digest of its secret; with `half` it still owes the second factor."""
    row = Session(
        digest=digest(secret),
        staff_id=staff_id,
        created_at=created_at or now,
        seen_at=now,
        proven_at=now,
        factor_due=half,
        device=device,
    )
    db.session.add(row)
    db.session.flush()


TOUCH = sa.update(sessions).where(sessions.c.digest == sa.bindparam("of")).values(seen_at=sa.bindparam("at"))


def touch_session(secret: str, now: datetime) -> None:
    """Remember that a session was used just now."""
    connection().execute(TOUCH, {"of": digest(secret), "at": now})


def lock_session(secret: str, now: datetime) -> None:
    """Close a session until its owner proves themselves again."""
    db.session.execute(sa.update(Session).where(Session.digest == digest(secret)).values(locked_at=now))


def end_session(secret: str, now: datetime) -> None:
    """End a session for good; an unknown one or one that has ended stays as it is."""
    db.session.execute(
        sa.update(Session).where(Session.digest == digest(secret), Session.ended_at.is_(None)).values(ended_at=now)
    )


def renew_session(secret: str, now: datetime, *, created_at: datetime | None = None) -> str:
    """End a session and return the secret of one in its place: its owner has just proven themselves, on this device.

    It began when the old one did, or at `created_at`. Raises NotFound if another request was first.
    """
    ended = sa.update(sessions).where(sessions.c.digest == digest(secret), sessions.c.ended_at.is_(None))
    returned = ended.values(ended_at=now).returning(sessions.c.staff_id, sessions.c.created_at, sessions.c.device)
    old = db.session.execute(returned).one_or_none()
    if old is None:
        raise NotFound
    fresh = new_secret("ss")
    add_session(fresh, old.staff_id, now=now, created_at=created_at or old.created_at, device=old.device)
    return fresh


def end_sessions(staff_id: int, now: datetime, *, but: str = "") -> None:
    """End all of the person's sessions, except the one with the secret `but`."""
    db.session.execute(
        sa.update(Session)
        .where(Session.staff_id == staff_id, Session.ended_at.is_(None), Session.digest != digest(but))
        .values(ended_at=now)
    )


# What people prove themselves with


def account(staff_id: int) -> Staff:
    """The row of a person who is there."""
    return db.session.get_one(Staff, staff_id)


def lock_account(staff_id: int) -> Staff:
    """The person's row as it is now, locked against others until the transaction ends."""
    return db.session.get_one(Staff, staff_id, with_for_update=True, populate_existing=True)


def password_of(email: str) -> tuple[int, str] | None:
    """The id and the hashed password of an address; None for an unknown or disabled one, or without a password."""
    query = sa.select(Staff.id, Staff.password).where(Staff.email == email.lower(), Staff.disabled_at.is_(None))
    row = db.session.execute(query).one_or_none()
    return None if row is None or row.password is None else (row.id, row.password)


def keep_seed(person: Staff, seed: bytes, *, step: int) -> None:
    """Keep the seed of the person's authenticator app, sealed, and the step of the code that showed that it works."""
    person.totp, person.totp_step = seal(seed, f"staff.totp:{person.id}"), step


def seed_of(person: Staff) -> bytes | None:
    """The seed of the person's authenticator app, None without one. Raises InvalidTag if sealed with another key."""
    return None if person.totp is None else unseal(person.totp, f"staff.totp:{person.id}")


def keep_recovery_codes(staff_id: int, codes: Iterable[str]) -> None:
    """Keep the digests of these codes in the place of all that the person had."""
    db.session.execute(sa.delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))
    db.session.add_all(RecoveryCode(staff_id=staff_id, digest=digest(code)) for code in codes)
    db.session.flush()


def use_recovery_code(staff_id: int, code: str) -> bool:
    """Use a code up. False if it is not one of the person's: of two at once, one gets True."""
    used = sa.delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id, RecoveryCode.digest == digest(code))
    return db.session.scalar(used.returning(RecoveryCode.digest)) is not None


def recovery_codes_left(staff_id: int) -> int:
    """How many of the person's recovery codes are unused."""
    return db.session.scalar(sa.select(sa.func.count()).where(RecoveryCode.staff_id == staff_id)) or 0


def passkeys_of(staff_id: int) -> list[Passkey]:
    """The person's passkeys in the order in which they were made."""
    return list(db.session.scalars(sa.select(Passkey).where(Passkey.staff_id == staff_id).order_by(Passkey.id)))


def passkey(credential: str) -> Passkey | None:
    """The passkey of that credential id (base64url), None if it is unknown or its owner is disabled."""
    query = sa.select(Passkey).join(Staff, Staff.id == Passkey.staff_id)
    return db.session.scalar(query.where(Passkey.credential == credential, Staff.disabled_at.is_(None)))


def keep_challenge(challenge: bytes, browser: str, *, expires_at: datetime) -> None:
    """Remember what this browser was given to sign."""
    db.session.add(Challenge(digest=digest(challenge.hex()), browser=browser, expires_at=expires_at))
    db.session.flush()


def use_challenge(challenge: bytes, browser: str, now: datetime) -> bool:
    """Use up what this browser was given to sign. False if it was not, not lately, or it was used."""
    used = sa.delete(Challenge).where(
        Challenge.digest == digest(challenge.hex()), Challenge.browser == browser, Challenge.expires_at > now
    )
    return db.session.scalar(used.returning(Challenge.digest)) is not None


# The people of a clinic


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who works in a clinic, as its owner sees them."""

    id: int
    name: str
    email: str
    role: str
    has_second_factor: bool
    signed_in_at: datetime | None  # None: never yet


def members(clinic_id: int) -> list[Member]:
    """Who has a role in the clinic, by name."""
    second = sa.or_(Staff.totp.is_not(None), sa.exists().where(Passkey.staff_id == Staff.id))
    query = (
        sa.select(Staff.id, Staff.name, Staff.email, Role.role, second, Staff.signed_in_at)
        .join(Role, Role.staff_id == Staff.id)
        .where(Role.clinic_id == clinic_id)
        .order_by(Staff.name, Staff.id)
    )
    return [Member(*row) for row in db.session.execute(query)]


def owners(clinic_id: int) -> list[int]:
    """The ids of the clinic's owners, whose roles stay locked until the transaction ends."""
    query = sa.select(Role.staff_id).where(Role.clinic_id == clinic_id, Role.role == "owner")
    return list(db.session.scalars(query.order_by(Role.staff_id).with_for_update()))


def take_role(clinic_id: int, staff_id: int) -> None:
    """Let the person work in the clinic no more; their roles elsewhere stay."""
    db.session.execute(sa.delete(Role).where(Role.clinic_id == clinic_id, Role.staff_id == staff_id))


def prune(before: datetime) -> None:
    """Forget the links and challenges that ended and the sessions that began before an instant."""
    db.session.execute(sa.delete(SignInLink).where(SignInLink.expires_at < before))
    db.session.execute(sa.delete(Session).where(Session.created_at < before))
    db.session.execute(sa.delete(Challenge).where(Challenge.expires_at < before))
