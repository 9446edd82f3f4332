"""What staff do to get in and out: invitations, mailed sign-in links, sessions.

A link signs in once; a session is a row, and the browser holds its secret. What a person may do is asked
elsewhere, of the role that they have in the clinic at hand.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlencode

from booking.domain.access import new_secret
from booking.domain.errors import Busy, NotFound
from booking.domain.message import Facts, Kind, Recipient
from booking.store import outbox, staff
from booking.store.base import transaction
from booking.store.staff import Staff

LINK_LASTS = timedelta(minutes=15)
INVITATION_LASTS = timedelta(hours=72)
LINKS_A_DAY = 5  # that were asked for and never opened
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
NOTED_EVERY = timedelta(minutes=1)  # a session's use is written down no more often than this


@transaction
def invite(clinic_id: int, email: str, *, name: str, role: str, language: str, now: datetime) -> str:
    """Give a person this role in the clinic, mail them a link and return it: it signs in once within 72 hours.

    Who has no account yet gets one; a disabled one is opened again. Inviting somebody again changes their role.
    """
    person = staff.find_or_add(email, name=name, now=now)
    person.disabled_at = None
    staff.give_role(clinic_id, person.id, role)
    expires_at = now + INVITATION_LASTS
    link = staff.new_link(person.id, expires_at=expires_at)
    _mail(person.email, Facts(name=person.name, link=link, expires_at=expires_at), clinic_id, language, now)
    return link


@transaction
def send_sign_in(email: str, *, language: str, then: str | None = None, now: datetime) -> None:
    """Mail a link that signs the person in once within 15 minutes, and leads on to the path `then`.

    Nothing is sent to an address without an account, to a disabled one, or after five links in a day that were
    not opened. Nobody can tell: nothing comes back, and the same rows are written either way.
    """
    person = staff.by_email(email)
    unused = staff.unused_links(person.id if person else 0, since=now - timedelta(days=1))
    expires_at = now + LINK_LASTS
    if person is None or person.disabled_at is not None or unused >= LINKS_A_DAY:
        _mail_nobody(email, Facts(name=email, link=new_secret("li"), expires_at=expires_at), language, now)
        return
    link = staff.new_link(person.id, expires_at=expires_at)
    if then:
        link += "?" + urlencode({"next": then})
    _mail(person.email, Facts(name=person.name, link=link, expires_at=expires_at), None, language, now)


def invited(link: str, now: datetime) -> Staff:
    """Whom a link would sign in now. Raises NotFound if it is unknown, over or used; nothing changes."""
    person = staff.owner_of_link(link, now)
    if person is None:
        raise NotFound
    return person


@transaction
def sign_in(link: str, *, instead_of: str | None = None, now: datetime) -> str:
    """Use the link up and return the secret of a new session; the browser's earlier one, if any, ends.

    Raises NotFound if the link is unknown, over or used.
    """
    person = invited(link, now)
    if not staff.use_link(link, now):
        raise NotFound
    if instead_of is not None:
        staff.end_session(instead_of, now)
    session = new_secret("ss")
    staff.add_session(session, person.id, now=now)
    return session


@transaction
def sign_out(session: str, now: datetime) -> None:
    """End a session. Repeating it is harmless, as is one that never was."""
    staff.end_session(session, now)


def who(session: str, now: datetime) -> Staff | None:
    """Who is signed in by this session's secret.

    None if it is unknown or ended, stood idle for 30 minutes, is older than 12 hours, or the account is disabled.
    Asking counts as use.
    """
    found = staff.session(session, created_after=now - LONGEST, seen_after=now - IDLE)
    if found is None:
        return None
    person, seen_at = found
    if now - seen_at >= NOTED_EVERY:
        _note_use(session, now)
    return person


def _note_use(session: str, now: datetime) -> None:
    with suppress(Busy):  # the next request writes it down
        transaction(staff.touch_session)(session, now)


def _mail(address: str, facts: Facts, clinic_id: int | None, language: str, now: datetime) -> int:
    return outbox.put(
        clinic_id=clinic_id,
        appointment_id=None,
        kind=Kind.SIGN_IN,
        role=Recipient.STAFF,
        method=None,
        address=address,
        language=language,
        now=now,
        facts=facts,
    )


def _mail_nobody(address: str, facts: Facts, language: str, now: datetime) -> None:
    """The work of a mail, without one: what is written is taken back before anybody sees it."""
    outbox.forget(_mail(address, facts, None, language, now))
