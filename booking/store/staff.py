"""Staff users, their roles in clinics, sign-in links and sessions."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.access import digest, new_secret
from booking.store.base import Base, db, settings
from booking.store.clinic import Clinic


class Staff(Base):
    """A person who works with the desk. One account per person, with roles in several clinics if need be."""

    __tablename__ = "staff"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(254), unique=True)  # in lower case
    name: Mapped[str] = mapped_column(sa.String(100))
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Role(Base):
    __tablename__ = "role"
    __table_args__ = (sa.CheckConstraint("role in ('owner', 'front-desk', 'practitioner')", name="role"),)

    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), primary_key=True)
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"), primary_key=True)
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


def unused_links(staff_id: int, *, since: datetime) -> int:
    """How many of the person's links that were never opened end after `since`."""
    query = sa.select(sa.func.count()).where(
        SignInLink.staff_id == staff_id, SignInLink.used_at.is_(None), SignInLink.expires_at > since
    )
    return db.session.scalar(query) or 0


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


def add_session(secret: str, staff_id: int, *, now: datetime) -> None:
    """Keep a signed-in browser by the digest of its secret."""
    db.session.add(Session(digest=digest(secret), staff_id=staff_id, created_at=now, seen_at=now))
    db.session.flush()


def session(secret: str, *, created_after: datetime, seen_after: datetime) -> tuple[Staff, datetime] | None:
    """Who is signed in by a session, and when it was last seen; None if it ended, grew old or stood idle."""
    query = (
        sa.select(Staff, Session.seen_at)
        .join(Session, Session.staff_id == Staff.id)
        .where(
            Session.digest == digest(secret),
            Session.ended_at.is_(None),
            Session.created_at > created_after,
            Session.seen_at > seen_after,
            Staff.disabled_at.is_(None),
        )
    )
    found = db.session.execute(query).one_or_none()
    return None if found is None else (found[0], found[1])


def touch_session(secret: str, now: datetime) -> None:
    """Remember that a session was used just now."""
    db.session.execute(sa.update(Session).where(Session.digest == digest(secret)).values(seen_at=now))


def end_session(secret: str, now: datetime) -> None:
    """End a session for good; an unknown one or one that has ended stays as it is."""
    db.session.execute(
        sa.update(Session).where(Session.digest == digest(secret), Session.ended_at.is_(None)).values(ended_at=now)
    )


def prune(before: datetime) -> None:
    """Forget the links that ended and the sessions that began before an instant."""
    db.session.execute(sa.delete(SignInLink).where(SignInLink.expires_at < before))
    db.session.execute(sa.delete(Session).where(Session.created_at < before))
