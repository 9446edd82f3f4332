"""Practitioners' calendars elsewhere: adding, choosing and removing them, and reading those that are due.

They are read by the worker, never in a request, and never inside a transaction. What can't be read changes nothing
about the time that is taken.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError

from booking import apart, fetch
from booking.domain import opening
from booking.domain.access import WORKER, Caller, new_id
from booking.domain.audit import Action
from booking.domain.errors import Busy, Invalid, NotFound
from booking.domain.outside import Fault, Found, Unreadable, next_try, span
from booking.domain.time import Window
from booking.fetch import Fetched, Source
from booking.formats import busy
from booking.formats.busy import Entry
from booking.store import audit, diary, hold, outside
from booking.store.base import db, rest, settings, transaction
from booking.store.clinic import bump_board
from booking.store.outside import OutsideCalendar, Place
from booking.store.practitioner import Actor

log = logging.getLogger(__name__)

MOST = 5  # calendars of one practitioner
LONGEST = 40.0  # seconds that working out a calendar may take
# How the address of an account may answer when it is asked for a calendar.
NO_CALENDAR_ITSELF = (Fault.ADDRESS, Fault.DENIED, Fault.GONE, Fault.STATUS, Fault.NO_CALENDAR)
LEASE = timedelta(minutes=10)  # after which another worker tries what one has begun


@transaction
def add(clinic_id: int, practitioner_id: int, place: Place, *, by: Caller, now: datetime) -> OutsideCalendar:
    """Let a practitioner's own calendar block their time; the worker reads it within seconds.

    With a user the place may be that of a CalDAV account. Then the worker takes its only calendar, or keeps the list
    of them for somebody to choose. Raises NotFound for who is not there, and Invalid, with a `Fault` or "known" or
    "many", for the url.
    """
    someone = db.session.get(Actor, practitioner_id)
    if someone is None or someone.clinic_id != clinic_id or someone.kind != "practitioner" or someone.archived_at:
        raise NotFound
    hold.lock(clinic_id, {practitioner_id})  # two at once would not see each other
    made = _made(clinic_id, practitioner_id, [place], by=by, now=now)
    if not made:
        raise Invalid({"url": "known"})
    return made[0]


@transaction
def choose(clinic_id: int, public_id: str, numbers: Collection[int], *, by: Caller, now: datetime) -> None:
    """Let these calendars of an account block time, by their numbers in its list from 0 on, and forget the account.

    Those that are there already stay as they are. Raises NotFound if there is nothing to choose, and Invalid, with
    "none" or "many", for the url.
    """
    practitioner = outside.get(clinic_id, public_id).actor_id
    hold.lock(clinic_id, {practitioner})
    account = outside.get(clinic_id, public_id, lock=True)
    found = outside.choices_of(account)
    if not found or db.session.get_one(Actor, practitioner).archived_at:
        raise NotFound
    chosen = [one for number, one in enumerate(found) if number in numbers]
    if not chosen:
        raise Invalid({"url": "none"})
    _take(account, chosen, by=by, now=now)


def _take(account: OutsideCalendar, chosen: Iterable[Found], *, by: Caller, now: datetime) -> None:
    """Enter these calendars of an account in its stead."""
    login = outside.place_of(account)
    places = [Place(one.url, login.user, login.password, one.name) for one in chosen]
    db.session.delete(account)
    db.session.flush()
    _made(account.clinic_id, account.actor_id, places, by=by, now=now)
    bump_board(account.clinic_id)


def _made(
    clinic_id: int, practitioner_id: int, places: list[Place], *, by: Caller, now: datetime
) -> list[OutsideCalendar]:
    """Enter calendars of a practitioner who is locked, but for those that are there already. Raises Invalid."""
    there = outside.of_practitioner(clinic_id, practitioner_id)
    known = {place.url.rstrip("/") for one in there if (place := outside.opened(one))}
    new = [place for place in places if place.url.rstrip("/") not in known]
    if len(there) + len(new) > MOST:
        raise Invalid({"url": "many"})
    made = []
    for place in new:
        try:
            origin = fetch.origin(place.url, settings().calendar_origins_allowed)
        except Unreadable as unreadable:
            raise Invalid({"url": unreadable.fault.value}) from None
        public_id = new_id()
        row = OutsideCalendar(
            public_id=public_id,
            clinic_id=clinic_id,
            actor_id=practitioner_id,
            host=origin.partition("://")[2],
            address=outside.sealed(place, public_id),
            created_at=now,
            next_at=now,
        )
        db.session.add(row)
        audit.record(clinic_id, Action.CALENDAR_ADDED, by=by, now=now, of=f"practitioner:{practitioner_id}")
        made.append(row)
    return made


@transaction
def remove(clinic_id: int, public_id: str, *, by: Caller, now: datetime) -> None:
    """Read the calendar no more; its busy times block nothing from now on. Raises NotFound."""
    hold.lock(clinic_id, {outside.get(clinic_id, public_id).actor_id})
    found = outside.get(clinic_id, public_id, lock=True)
    outside.put(found, {}, since=now)
    db.session.delete(found)
    audit.record(clinic_id, Action.CALENDAR_REMOVED, by=by, now=now, of=f"practitioner:{found.actor_id}")
    bump_board(clinic_id)


def read_due(now: datetime) -> bool:
    """Read the calendar that has waited longest; False if none is due. A failure is noted, and tried again later."""
    if not outside.is_any_due(now):
        return False
    claim = _claim(now)
    if claim is None:
        return False
    try:
        _read(claim, now)
    except Unreadable as unreadable:
        _failed(claim, unreadable.fault, now)
    except (DBAPIError, Busy):
        raise  # it is read again when the lease runs out
    except Exception as error:  # whatever a stranger's server sends, the other calendars are read
        log.error("a calendar can't be dealt with: %s", type(error).__name__)
        _failed(claim, Fault.NO_CALENDAR, now)
    return True


@dataclass(frozen=True, slots=True)
class Claim:
    """A calendar that is this worker's to read. Its address is still sealed: one that does not open is a failure."""

    clinic: int
    practitioner: int
    id: str
    email: str
    zone: str
    etag: str
    modified: str


@transaction
def _claim(now: datetime) -> Claim | None:
    found = outside.due(now)
    if found is None:
        return None
    found.next_at = now + LEASE
    person = db.session.get_one(Actor, found.actor_id)
    plan = diary.current_plan(found.clinic_id)
    works_at = opening.workplaces(plan, person.id) or list(plan.locations)
    zone = plan.locations[works_at[0]].zone if works_at else "UTC"
    is_known = found.read_for == _for(now, zone, person.email or "")
    return Claim(
        clinic=found.clinic_id,
        practitioner=found.actor_id,
        id=found.public_id,
        email=person.email or "",
        zone=zone,
        etag=found.etag if is_known else "",
        modified=found.modified if is_known else "",
    )


def _for(now: datetime, zone: str, email: str) -> str:
    """What a reading is good for, as long as the server says that nothing changed: a window of days, and a reader."""
    return hashlib.sha256(f"{now.date()} {zone} {email}".encode()).hexdigest()[:32]


def _read(claim: Claim, now: datetime) -> None:
    calendar = outside.get(claim.clinic, claim.id)
    place = outside.place_of(calendar)
    # What was read once, or was chosen from an account, is a calendar, however confused its server may be now.
    may_be_account = bool(place.user) and not place.name and calendar.read_at is None
    rest()  # nobody waits for us while we wait for others
    since, until = span(now)
    source, allowed = Source(place.url, place.user, place.password), settings().calendar_origins_allowed
    try:
        fetched = fetch.fetch(
            source, since=since, until=until, allowed=allowed, etag=claim.etag, modified=claim.modified
        )
    except Unreadable as unreadable:
        if not may_be_account or unreadable.fault not in NO_CALENDAR_ITSELF:
            raise
        found = fetch.account(source, allowed=allowed)
        if found is None:
            raise
        _discovered(claim, found, now)
        return
    if fetched is None:
        _unchanged(claim, now)
        return
    try:
        entries = apart.run(
            LONGEST, busy.read, fetched.calendars, zone=claim.zone, since=since, until=until, owner=claim.email
        )
    except apart.GaveUp:
        raise Unreadable(Fault.TOO_MUCH) from None
    own = outside.own_visits(claim.clinic, claim.email, {entry.uid for entry in entries})
    rest()
    _succeeded(claim, fetched, [entry for entry in entries if entry.uid not in own], now)


@transaction
def _discovered(claim: Claim, found: Collection[Found], now: datetime) -> None:
    """Take the only calendar of an account, or let somebody choose; until then the account is not read."""
    if not found:
        raise Unreadable(Fault.NO_CALENDAR)
    account = _locked(claim)
    if account is None:
        return
    if len(found) == 1:
        _take(account, found, by=WORKER, now=now)
        return
    account.choices = outside.sealed_choices(found, account.public_id)
    account.fault = account.failing_since = None
    bump_board(claim.clinic)


@transaction
def _succeeded(claim: Claim, fetched: Fetched, entries: list[Entry], now: datetime) -> None:
    calendar = _locked(claim)
    if calendar is None:
        return
    windows: dict[str, list[Window]] = {}
    for entry in entries:
        windows.setdefault(outside.key_of(entry.uid), []).extend(entry.windows)
    odd = {outside.key_of(entry.uid) for entry in entries if not entry.is_understood}
    outside.put(calendar, windows, keep=odd, since=span(now)[0])
    calendar.etag, calendar.modified = fetched.etag, fetched.modified
    calendar.read_for = _for(now, claim.zone, claim.email)
    if calendar.unread != len(odd):
        calendar.unread = len(odd)
        bump_board(claim.clinic)
    _is_well(calendar, now)


@transaction
def _unchanged(claim: Claim, now: datetime) -> None:
    if calendar := _locked(claim):
        _is_well(calendar, now)


def _is_well(calendar: OutsideCalendar, now: datetime) -> None:
    calendar.read_at, calendar.next_at = now, next_try(now, None)
    if calendar.fault is not None:
        calendar.fault = calendar.failing_since = None
        bump_board(calendar.clinic_id)


@transaction
def _failed(claim: Claim, fault: Fault, now: datetime) -> None:
    calendar = _locked(claim)
    if calendar is None:
        return
    calendar.failing_since = calendar.failing_since or now
    calendar.next_at = next_try(now, calendar.failing_since)
    if calendar.fault != fault:
        calendar.fault = fault.value
        bump_board(claim.clinic)


def _locked(claim: Claim) -> OutsideCalendar | None:
    """The calendar as it is now, None if it was removed meanwhile. Nobody books with the practitioner until the end."""
    hold.lock(claim.clinic, {claim.practitioner})
    try:
        return outside.get(claim.clinic, claim.id, lock=True)
    except NotFound:
        return None
