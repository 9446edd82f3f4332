"""What the doctor looks at: settings, keys, mail, database, clock, and what must always hold in the data."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from booking import clock, create_app, imap, mail, settings
from booking.domain.time import tick_of
from booking.settings import Settings, SettingsError
from booking.store import clinic, invariants, outside, schema
from booking.store.base import context
from booking.store.outside import State
from booking.store.schema import WrongSchema


def findings() -> Iterator[tuple[str, list[str]]]:
    """What is looked at, by name, each with its faults."""
    try:
        found = settings.read()
    except SettingsError as error:
        yield "settings", str(error).splitlines()
        return
    yield f"settings ({found.env})", []
    yield "keys", _key_faults(found)
    yield "mail", _mail_faults(found)
    # An installation without a mail server of its own has no better: said, and no fault.
    proof = "with DMARC's proof" if found.mail_authserv else "from unproven senders: BOOKING_MAIL_AUTHSERV is not set"
    yield f"answers to invites ({proof})", _mailbox_faults(found)
    schema_faults = _schema_faults(found)
    yield "database and schema", schema_faults
    if schema_faults:
        return
    yield from _data_findings(found)


def _key_faults(found: Settings) -> list[str]:
    """Generated secrets must be for their owner's eyes only."""
    kept = [path for name in ("secret_key", "field_key") if (path := found.instance / name).exists()]
    return [f"{path} can be read by others: chmod 600 it" for path in kept if path.stat().st_mode & 0o77]


def _mail_faults(found: Settings) -> list[str]:
    """Does a mail server answer there? Nothing is sent."""
    if not found.smtp_url:
        return []  # kept in the instance folder; production refuses that itself
    by = mail.server(found.smtp_url)
    try:
        socket.create_connection((by.host, by.port), timeout=5).close()
    except OSError as error:
        return [f"{by.host}:{by.port} does not answer: {error}"]
    return []


def _mailbox_faults(found: Settings) -> list[str]:
    """Does the mailbox for answers open? Nothing in it is read."""
    if not found.imap_url:
        return []
    try:
        imap.check(found.imap_url)
    except imap.Unreachable as error:
        return [f"the mailbox of BOOKING_IMAP_URL does not open: {error}"]
    return []


def _schema_faults(found: Settings) -> list[str]:
    try:
        schema.check(sa.create_engine(found.database, poolclass=sa.NullPool))
    except WrongSchema as wrong:
        return [str(wrong)]
    except DBAPIError as error:
        return [f"the database does not answer: {error.orig}"]
    return []


def _data_findings(found: Settings) -> Iterator[tuple[str, list[str]]]:
    with context(create_app(found)):
        now = clock.now()
        yield "clock", _clock_faults(now)
        yield "sealed fields open with this key", invariants.unopened()
        yield "practitioners' own calendars are read", _calendar_faults(now)
        yield from invariants.faults(tick_of(now))


def _calendar_faults(now: datetime) -> list[str]:
    """The calendars elsewhere of which the desk is warned too."""
    return [
        f"{one.slug}: {state.practitioner}'s {_calendar_fault(state)}"
        for one in clinic.everyone()
        for state in outside.states(one.id)
        if state.is_waiting or state.is_to_warn_of(now)
    ]


def _calendar_fault(state: State) -> str:
    if state.is_waiting:
        return "account is there, but none of its calendars is chosen"
    return f"was last read {state.read_at:%Y-%m-%d %H:%M} UTC" if state.read_at else "was never read"


def _clock_faults(now: datetime) -> list[str]:
    """Rows from the future mean that the clock went back, or is wrong by now."""
    newest = invariants.newest()
    if newest and newest > now + timedelta(minutes=5):
        return [f"the database knows of {newest:%Y-%m-%d %H:%M} UTC, the clock says {now:%Y-%m-%d %H:%M} UTC"]
    return []
