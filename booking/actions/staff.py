"""What staff do to get in and out (mailed links, passwords, second factors, sessions), and what owners do with staff.

A link signs in once; a session is a row, and the browser holds its secret, a new one whenever somebody proves who they
are. What a person may do is asked elsewhere, of the role that they have in the clinic at hand. How people change what
they prove themselves with is `actions/account`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode

from booking.domain import totp
from booking.domain.access import WORKER, Caller, browser_mark, new_secret, plain_code
from booking.domain.audit import Action, thing
from booking.domain.audit import Kind as Thing
from booking.domain.errors import Busy, Invalid, LastOwner, NotFound, NotProven
from booking.domain.feed import Kind as Feed
from booking.domain.message import Facts, Kind
from booking.formats import passkey
from booking.store import audit, feed, hashed, outbox, own, staff
from booking.store import clinic as clinics
from booking.store.base import db, rest, settings, transaction
from booking.store.staff import SignedIn, Staff

LINK_LASTS = timedelta(minutes=15)
INVITATION_LASTS = timedelta(hours=72)
LONGEST = timedelta(hours=12)
HALF_LASTS = timedelta(minutes=10)  # for the second factor
FRESH = timedelta(minutes=5)  # so long after a proof sensitive steps ask for no other
CHALLENGE_LASTS = timedelta(minutes=5)
NOTED_EVERY = timedelta(minutes=1)  # a session's use is written down no more often than this
IDLE_MINUTES = range(5, 31)  # that a clinic may choose from
ROLES = ("owner", "front-desk", "practitioner")


# Coming in


class State(StrEnum):
    """How a session stands."""

    OPEN = "open"
    FACTOR_DUE = "factor-due"  # a link or a password was shown, the second factor not yet
    LOCKED = "locked"  # idle for too long, or the screen was locked: a password or a passkey opens it
    OLD = "old"  # twelve hours are over: everything has to be shown again
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in."""

    device: str = ""  # like "Firefox, Windows"
    marks: frozenset[str] | None = None  # of those who signed in there before; None: nobody is to be told
    session: str | None = None  # the secret of the session that it has, which ends
    language: str = "en"


ANY = Browser()


@transaction
def invite(
    clinic_id: int, email: str, *, name: str, role: str, language: str, now: datetime, by: Caller = WORKER
) -> str:
    """Give a person this role in the clinic, mail them a link and return it: it signs in once within 72 hours.

    Who has no account yet gets one; a disabled one is opened again. Inviting somebody again changes their role.
    Raises LastOwner if that would leave the clinic without an owner.
    """
    person = staff.find_or_add(email, name=name, now=now)
    person.disabled_at = None
    _keep_an_owner(clinic_id, person.id, role)
    staff.give_role(clinic_id, person.id, role)
    audit.record(clinic_id, Action.STAFF_INVITED, by=by, now=now, object=_who(person.id), role=role)
    expires_at = now + INVITATION_LASTS
    link = staff.new_link(person.id, expires_at=expires_at)
    facts = Facts(name=person.name, link=link, expires_at=expires_at)
    outbox.to_staff(Kind.SIGN_IN, person.email, facts, clinic_id=clinic_id, language=language, now=now)
    return link


@transaction
def send_sign_in(email: str, *, language: str, then: str | None = None, now: datetime) -> None:
    """Mail a link that signs the person in once within 15 minutes, and leads on to the path `then`.

    Nothing is sent to an address without an account or to a disabled one. Nobody can tell: nothing comes back, and
    the same rows are written either way.
    """
    person = staff.by_email(email)
    expires_at = now + LINK_LASTS
    if person is None or person.disabled_at is not None:
        # The work of a mail, without one: what is written is taken back before anybody sees it.
        facts = Facts(name=email, link=new_secret("li"), expires_at=expires_at)
        outbox.forget(outbox.to_staff(Kind.SIGN_IN, email, facts, clinic_id=None, language=language, now=now))
        return
    link = staff.new_link(person.id, expires_at=expires_at)
    if then:
        link += "?" + urlencode({"next": then})
    facts = Facts(name=person.name, link=link, expires_at=expires_at)
    outbox.to_staff(Kind.SIGN_IN, person.email, facts, clinic_id=None, language=language, now=now)


def invited(link: str, now: datetime) -> Staff:
    """Whom a link would sign in now. Raises NotFound if it is unknown, over or used; nothing changes."""
    person = staff.owner_of_link(link, now)
    if person is None:
        raise NotFound
    return person


@transaction
def sign_in(link: str, *, browser: Browser = ANY, now: datetime) -> str:
    """Use the link up and return the secret of a new session; the browser's earlier one, if any, ends.

    Who has a second factor owes it still. Raises NotFound if the link is unknown, over or used.
    """
    person = invited(link, now)
    if not staff.use_link(link, now):
        raise NotFound
    return _enter(person, browser, now, half=_has_second_factor(person), how="link")


def sign_in_with_password(email: str, password: str, *, browser: Browser = ANY, now: datetime) -> str:
    """Return the secret of a new session; who has a second factor owes it still.

    Raises NotProven if the address is unknown, the account disabled or without a password, or the password wrong:
    after the same work in each case.
    """
    staff_id, kept = staff.password_of(email) or (None, None)
    rest()
    if not hashed.matches(password, kept):
        _note_failure(staff_id, "password", now)
        raise NotProven
    assert staff_id is not None
    assert kept is not None
    renewed = hashed.hashed(password) if hashed.is_dated(kept) else kept
    return _enter_with_password(staff_id, kept, renewed, browser, now)


@transaction
def _enter_with_password(staff_id: int, kept: str, renewed: str, browser: Browser, now: datetime) -> str:
    person = staff.lock_account(staff_id)
    if person.password != kept or person.disabled_at is not None:
        raise NotProven  # it was changed while it was checked
    person.password = renewed
    return _enter(person, browser, now, half=_has_second_factor(person), how="password")


def prove_factor(session: str, code: str, *, browser: Browser = ANY, now: datetime) -> str:
    """Take the code of the person's app, or a recovery code, that a half session owes; the secret of the whole one.

    Each code is taken once. Raises NotFound if the session owes nothing or is over, NotProven for a wrong code.
    """
    found = staff.session(session)
    if found is None or state(found, now) is not State.FACTOR_DUE:
        raise NotFound
    try:
        return _enter_with_code(found.id, session, code, browser, now)
    except NotProven:
        _note_failure(found.id, "code", now)
        raise


@transaction
def _enter_with_code(staff_id: int, session: str, code: str, browser: Browser, now: datetime) -> str:
    person = staff.lock_account(staff_id)
    if not _take_code(person, code, now):
        raise NotProven
    staff.end_session(session, now)
    return _enter(person, browser, now, half=False, how="code")


@transaction
def challenge(browser: str, now: datetime) -> bytes:
    """What the browser of this id is to have signed by a passkey within five minutes, once."""
    made = passkey.new_challenge()
    staff.keep_challenge(made, browser, expires_at=now + CHALLENGE_LASTS)
    return made


def sign_in_with_passkey(
    answer: str, browser_id: str, *, only: int | None = None, browser: Browser = ANY, now: datetime
) -> str:
    """Return the secret of a new session for what a passkey signed: it is both factors at once.

    With `only` it has to be that person's. Raises NotProven for anything else than a passkey we know that signed the
    challenge of this browser, with its owner present and recognized.
    """
    try:
        return _enter_with_passkey(answer, browser_id, only, browser, now)
    except NotProven:
        _note_failure(only, "passkey", now)
        raise


@transaction
def _enter_with_passkey(answer: str, browser_id: str, only: int | None, browser: Browser, now: datetime) -> str:
    key = staff.passkey(passkey.credential_of(answer))
    if key is None or (only is not None and key.staff_id != only):
        raise NotProven
    asked = passkey.challenge_of(answer)
    if not staff.use_challenge(asked, browser_id, now):
        raise NotProven
    key.sign_count = passkey.verified(
        answer, asked, passkey.Site.of(settings().public_url), public_key=key.public_key, sign_count=key.sign_count
    )
    key.used_at = now
    return _enter(staff.account(key.staff_id), browser, now, half=False, how="passkey")


def unlock(session: str, password: str, *, code: str = "", now: datetime) -> str:
    """Open a locked or idle session again, or prove anew who is there; the new secret of the session.

    One older than twelve hours begins anew, and asks for the second factor too. Raises NotFound if the session has
    ended, NotProven if the password or the code is wrong.
    """
    found = staff.session(session)
    if found is None or state(found, now) not in (State.OPEN, State.LOCKED, State.OLD):
        raise NotFound
    _staff_id, kept = staff.password_of(found.email) or (None, None)
    rest()
    if not hashed.matches(password, kept):
        _note_failure(found.id, "password", now)
        raise NotProven
    try:
        return _unlock(found, session, code, now)
    except NotProven:
        _note_failure(found.id, "code", now)
        raise


@transaction
def _unlock(found: SignedIn, session: str, code: str, now: datetime) -> str:
    if state(found, now) is not State.OLD:
        return staff.renew_session(session, now)
    if found.has_second_factor and not _take_code(staff.lock_account(found.id), code, now):
        raise NotProven
    return staff.renew_session(session, now, created_at=now)


# Being there


def state(found: SignedIn, now: datetime) -> State:
    """How the session stands at `now`."""
    if found.factor_due:
        return State.FACTOR_DUE if now - found.created_at < HALF_LASTS else State.OVER
    if now - found.created_at >= 2 * LONGEST:
        return State.OVER
    if now - found.created_at >= LONGEST:
        return State.OLD
    idle = now - found.seen_at >= timedelta(minutes=found.idle_minutes)
    return State.LOCKED if idle or found.locked_at is not None else State.OPEN


def is_fresh(found: SignedIn, now: datetime) -> bool:
    """Whether its owner proved who they are within the last five minutes."""
    return found.proven_at is not None and now - found.proven_at < FRESH


def who(session: str, now: datetime) -> SignedIn | None:
    """Who is signed in by this session's secret, None if nobody is: see `State`. Asking counts as use."""
    found = staff.session(session)
    if found is None or state(found, now) is not State.OPEN:
        return None
    note_use(session, found, now)
    return found


def note_use(session: str, found: SignedIn, now: datetime) -> None:
    """Write down that the session is used, once a minute."""
    if now - found.seen_at < NOTED_EVERY:
        return
    with suppress(Busy):  # the next request writes it down
        transaction(staff.touch_session)(session, now)


@transaction
def lock(session: str, now: datetime) -> None:
    """Lock the screen: the session opens again for its owner only. An unknown one stays as it is."""
    staff.lock_session(session, now)


@transaction
def sign_out(session: str, now: datetime) -> None:
    """End a session. Repeating it is harmless, as is one that never was."""
    found = staff.session(session)
    if found is not None:
        staff.end_session(session, now)
        _record(Action.SIGNED_OUT, found.id, now)


# Owners and their staff


@transaction
def change_role(clinic_id: int, staff_id: int, role: str, *, by: Caller, now: datetime) -> None:
    """Give somebody who works in the clinic another role, at once.

    Raises NotFound if they do not work there, Invalid for no role, LastOwner if no owner would be left.
    """
    if role not in ROLES:
        raise Invalid({"role": "unknown"})
    old = staff.role(clinic_id, staff_id)
    if old is None:
        raise NotFound
    if old == role:
        return
    _keep_an_owner(clinic_id, staff_id, role)
    staff.give_role(clinic_id, staff_id, role)
    audit.record(clinic_id, Action.STAFF_ROLE_CHANGED, by=by, now=now, object=_who(staff_id), old=old, new=role)


@transaction
def dismiss(clinic_id: int, staff_id: int, *, by: Caller, now: datetime) -> None:
    """Take somebody's role in the clinic, end their feed there and all their sessions at once; other roles stay.

    Raises NotFound if they do not work there, LastOwner if no owner would be left.
    """
    role = staff.role(clinic_id, staff_id)
    if role is None:
        raise NotFound
    _keep_an_owner(clinic_id, staff_id, None)
    staff.take_role(clinic_id, staff_id)
    staff.end_sessions(staff_id, now)
    _end_feed(clinic_id, db.session.get_one(Staff, staff_id).email, by, now)
    audit.record(clinic_id, Action.STAFF_REMOVED, by=by, now=now, object=_who(staff_id), role=role)


def _end_feed(clinic_id: int, email: str, by: Caller, now: datetime) -> None:
    """Who leaves has no calendar of the clinic's visits any more; the owner can make another feed."""
    someone = own.practitioner(clinic_id, email)
    found = feed.of(clinic_id, Feed.PRACTITIONER, someone.id, lock=True) if someone else None
    if found is not None:
        db.session.delete(found)
        audit.record(clinic_id, Action.FEED_ENDED, by=by, now=now, of=f"{found.kind}:{found.subject_id}")


@transaction
def set_rules(clinic_id: int, *, require_second_factor: bool, idle_minutes: int, by: Caller, now: datetime) -> None:
    """Say how the clinic's staff sign in. Raises Invalid for minutes out of range."""
    if idle_minutes not in IDLE_MINUTES:
        raise Invalid({"idle_minutes": "idle-minutes"})
    clinic = clinics.by_id(clinic_id)
    clinic.require_second_factor, clinic.idle_minutes = require_second_factor, idle_minutes
    clinic.revision += 1
    audit.record(clinic_id, Action.SETTINGS_CHANGED, by=by, now=now, what="sign-in")


def _keep_an_owner(clinic_id: int, staff_id: int, role: str | None) -> None:
    if role != "owner" and staff.owners(clinic_id) == [staff_id]:
        raise LastOwner


# What several of them do


def _enter(person: Staff, browser: Browser, now: datetime, *, half: bool, how: str) -> str:
    """A new session in the place of the browser's; told to the person if the browser is new and no mail led there."""
    if browser.session is not None:
        staff.end_session(browser.session, now)
    session = new_secret("ss")
    staff.add_session(session, person.id, now=now, device=browser.device, half=half)
    if half:
        return session
    person.signed_in_at = now
    _record(Action.SIGNED_IN, person.id, now, how=how)
    is_new = browser.marks is not None and browser_mark(settings().secret_key, person.id) not in browser.marks
    if is_new and how != "link":
        at = _clinics(person.id)[0]
        facts = Facts(name=person.name, message=browser.device, link=f"{settings().public_url}/account")
        outbox.to_staff(Kind.NEW_DEVICE, person.email, facts, clinic_id=at, language=browser.language, now=now)
    return session


def _has_second_factor(person: Staff) -> bool:
    return person.totp is not None or bool(staff.passkeys_of(person.id))


def _take_code(person: Staff, code: str, now: datetime) -> bool:
    """Whether this is a code of the person's app or one of their recovery codes, either of which is then used up."""
    given = plain_code(code)
    if len(given) != totp.DIGITS:
        return staff.use_recovery_code(person.id, given)
    seed = staff.seed_of(person)
    step = totp.step_of(seed, given, now, after=person.totp_step) if seed else None
    if step is None:
        return False
    person.totp_step = step
    return True


@transaction
def _note_failure(staff_id: int | None, how: str, now: datetime) -> None:
    """Write down that somebody could not prove who they are; an unknown address too, so that both take as long."""
    if staff_id is None:
        audit.record(None, Action.SIGN_IN_FAILED, by=Caller("public"), now=now, how=how)
    else:
        _record(Action.SIGN_IN_FAILED, staff_id, now, how=how)


def _record(action: Action, staff_id: int, now: datetime, **facts: str) -> None:
    """Record in each clinic of the person what they did with their account."""
    for clinic_id in _clinics(staff_id):
        audit.record(clinic_id, action, by=Caller("staff", staff_id), now=now, object=_who(staff_id), **facts)


def _clinics(staff_id: int) -> list[int | None]:
    return [clinic.id for clinic in staff.clinics_of(staff_id)] or [None]


def _who(staff_id: int) -> str:
    return thing(Thing.STAFF, staff_id)
