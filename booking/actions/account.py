"""What people who work at a clinic change about how they prove who they are: password, second factors, sessions.

Each change is told to them by mail, and the session from which it was made gets a new secret. Nobody does any of this
for somebody else: an owner can invite and dismiss, not choose a password.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from booking.domain import password as passwords
from booking.domain import totp
from booking.domain.access import Caller, new_recovery_code, plain_code
from booking.domain.audit import Action, thing
from booking.domain.audit import Kind as Thing
from booking.domain.errors import Invalid, NotFound, NotProven
from booking.domain.message import Facts, Kind
from booking.formats import passkey
from booking.store import audit, hashed, outbox, staff
from booking.store.base import db, rest, settings, transaction
from booking.store.staff import Passkey, Staff

RECOVERY_CODES = 10


@dataclass(frozen=True, slots=True)
class Added:
    """A second factor was added: the session's new secret, and recovery codes if there were none yet."""

    session: str
    codes: tuple[str, ...]


def set_password(session: str, staff_id: int, password: str, *, language: str, now: datetime) -> str:
    """Give the person this password, end all their other sessions and return the new secret of this one.

    Raises Invalid for a password that is too short, too long or easily guessed.
    """
    person = staff.account(staff_id)
    about = [person.name, person.email, settings().host, *(clinic.name for clinic in staff.clinics_of(staff_id))]
    has_factor = person.totp is not None or bool(staff.passkeys_of(staff_id))
    fault = passwords.fault(password, has_factor=has_factor, about=about)
    if fault is not None:
        raise Invalid({"password": fault})
    rest()
    return _keep_password(session, staff_id, hashed.hashed(password), language, now)


@transaction
def _keep_password(session: str, staff_id: int, kept: str, language: str, now: datetime) -> str:
    person = staff.lock_account(staff_id)
    person.password = kept
    staff.end_sessions(staff_id, now, but=session)
    _tell(person, Kind.PASSWORD_CHANGED, Action.PASSWORD_CHANGED, "", language, now)
    return staff.renew_session(session, now)


@transaction
def add_app(session: str, staff_id: int, seed: bytes, code: str, *, said: str, language: str, now: datetime) -> Added:
    """Take an authenticator app, in the place of an earlier one, that shows the code of this seed; `said` names it.

    Raises NotProven if the code is not the seed's now.
    """
    step = totp.step_of(seed, plain_code(code), now)
    if step is None:
        raise NotProven
    person = staff.lock_account(staff_id)
    staff.keep_seed(person, seed, step=step)
    return _added(person, session, said, language, now)


@transaction
def remove_app(staff_id: int, *, said: str, language: str, now: datetime) -> None:
    """Forget the person's authenticator app. Repeating it is harmless."""
    person = staff.lock_account(staff_id)
    if person.totp is not None:
        person.totp = person.totp_step = None
        _removed(person, said, language, now)


@transaction
def add_passkey(
    session: str, staff_id: int, answer: str, browser: str, *, name: str, said: str, language: str, now: datetime
) -> Added:
    """Take the passkey that the browser of this id made for its challenge, under a name of the person's choice.

    Raises NotProven for anything else.
    """
    asked = passkey.challenge_of(answer)
    if not staff.use_challenge(asked, browser, now):
        raise NotProven
    made = passkey.registered(answer, asked, passkey.Site.of(settings().public_url))
    if staff.passkey(made.credential) is not None:
        raise NotProven
    person = staff.lock_account(staff_id)
    row = Passkey(
        staff_id=staff_id,
        credential=made.credential,
        public_key=made.public_key,
        sign_count=made.sign_count,
        name=name,
        created_at=now,
    )
    db.session.add(row)
    return _added(person, session, said, language, now)


@transaction
def remove_passkey(staff_id: int, passkey_id: int, *, said: str, language: str, now: datetime) -> None:
    """Forget a passkey of the person's. Raises NotFound if it is not theirs."""
    person = staff.lock_account(staff_id)
    found = next((key for key in staff.passkeys_of(staff_id) if key.id == passkey_id), None)
    if found is None:
        raise NotFound
    db.session.delete(found)
    db.session.flush()
    _removed(person, said, language, now)


@transaction
def new_recovery_codes(staff_id: int, now: datetime) -> tuple[str, ...]:
    """Ten new recovery codes, in the place of all earlier ones; only their digests are kept.

    Raises NotFound for somebody without a second factor, who has nothing to recover.
    """
    person = staff.lock_account(staff_id)
    if person.totp is None and not staff.passkeys_of(staff_id):
        raise NotFound
    _record(staff_id, Action.FACTOR_ADDED, now, what="recovery-codes")
    return _new_codes(staff_id)


@transaction
def end_other_sessions(session: str, staff_id: int, now: datetime) -> None:
    """Sign the person out everywhere but here."""
    staff.end_sessions(staff_id, now, but=session)
    _record(staff_id, Action.SIGNED_OUT, now, what="others")


def _added(person: Staff, session: str, said: str, language: str, now: datetime) -> Added:
    codes = () if staff.recovery_codes_left(person.id) else _new_codes(person.id)
    _tell(person, Kind.FACTOR_ADDED, Action.FACTOR_ADDED, said, language, now)
    return Added(staff.renew_session(session, now), codes)


def _removed(person: Staff, said: str, language: str, now: datetime) -> None:
    if person.totp is None and not staff.passkeys_of(person.id):
        staff.keep_recovery_codes(person.id, ())
    _tell(person, Kind.FACTOR_REMOVED, Action.FACTOR_REMOVED, said, language, now)


def _new_codes(staff_id: int) -> tuple[str, ...]:
    codes = tuple(new_recovery_code() for _ in range(RECOVERY_CODES))
    staff.keep_recovery_codes(staff_id, codes)
    return codes


def _tell(person: Staff, kind: Kind, action: Action, said: str, language: str, now: datetime) -> None:
    """Mail the person what was done with their account, and record it."""
    clinic = next(iter(staff.clinics_of(person.id)), None)
    facts = Facts(name=person.name, message=said, link=f"{settings().public_url}/account")
    to = clinic.id if clinic else None
    outbox.to_staff(kind, person.email, facts, clinic_id=to, language=language, now=now)
    _record(person.id, action, now)


def _record(staff_id: int, action: Action, now: datetime, **facts: str) -> None:
    """Record it in each clinic of the person."""
    by, object = Caller("staff", staff_id), thing(Thing.STAFF, staff_id)
    for clinic in staff.clinics_of(staff_id):
        audit.record(clinic.id, action, by=by, now=now, object=object, **facts)
