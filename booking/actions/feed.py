"""Feeds: making their addresses, renewing and ending them, and how much they tell."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from booking.domain.access import Caller, new_id
from booking.domain.audit import Action, thing
from booking.domain.audit import Kind as Thing
from booking.domain.errors import NotFound
from booking.domain.feed import Detail, Kind
from booking.domain.message import Facts, Recipient
from booking.domain.message import Kind as Mail
from booking.store import audit, outbox
from booking.store import feed as feeds
from booking.store.base import connection, db, transaction
from booking.store.feed import Feed
from booking.store.patient import Patient


@transaction
def make(
    clinic_id: int, kind: Kind, subject_id: int, *, by: Caller, now: datetime, detail: Detail = Detail.INITIALS
) -> Feed:
    """Give somebody a feed; the one they have, if they have one. Raises NotFound for who is not there."""
    found = feeds.of(clinic_id, kind, subject_id, lock=True)
    if found is not None:
        return found
    if not feeds.is_subject(clinic_id, kind, subject_id):
        raise NotFound
    made = Feed(
        public_id=new_id(),
        clinic_id=clinic_id,
        kind=kind,
        subject_id=subject_id,
        detail=detail,
        version=1,
        created_at=now,
    )
    db.session.add(made)
    _record(made, Action.FEED_MADE, by, now, detail=detail)
    return made


@transaction
def renew(clinic_id: int, kind: Kind, subject_id: int, *, by: Caller, now: datetime) -> Feed:
    """Give the feed another address; the old one opens nothing from now on. Raises NotFound where there is none."""
    found = _locked(clinic_id, kind, subject_id)
    found.version += 1
    found.last_used_on = None
    _record(found, Action.FEED_RENEWED, by, now)
    return found


@transaction
def tell(clinic_id: int, kind: Kind, subject_id: int, detail: Detail, *, by: Caller, now: datetime) -> None:
    """Say how much the feed tells of the patients. Raises NotFound where there is none."""
    found = _locked(clinic_id, kind, subject_id)
    if found.detail != detail:
        was, found.detail = found.detail, detail
        _record(found, Action.FEED_CHANGED, by, now, detail=detail, was=was)


@transaction
def end(clinic_id: int, kind: Kind, subject_id: int, *, by: Caller, now: datetime) -> None:
    """Take the feed away: its address opens nothing any more, and never will again. Harmless without one."""
    found = feeds.of(clinic_id, kind, subject_id, lock=True)
    if found is not None:
        db.session.delete(found)
        _record(found, Action.FEED_ENDED, by, now)


@transaction
def mail_address(clinic_id: int, patient_id: int, *, anew: bool, by: Caller, now: datetime) -> None:
    """Mail a patient the address of the feed of all their visits; with `anew` another one, and the old one ends.

    It goes to the record's own e-mail address and is shown to nobody: whoever booked in the patient's name, or was
    sent the link of one visit, is not to see the others. Raises NotFound where the record has no e-mail address.
    """
    someone = db.session.get(Patient, patient_id)
    if someone is None or someone.clinic_id != clinic_id or not someone.email:
        raise NotFound
    found = make(clinic_id, Kind.PATIENT, patient_id, by=by, now=now, detail=Detail.NAMES)
    if anew:
        found = renew(clinic_id, Kind.PATIENT, patient_id, by=by, now=now)
    outbox.put(
        clinic_id=clinic_id,
        appointment_id=None,
        kind=Mail.FEED,
        role=Recipient.PATIENT,
        method=None,
        address=someone.email,
        language=someone.language,
        facts=Facts(link=feeds.address(found)),
        now=now,
    )


NOTE = (
    sa.update(feeds.feed)
    .where(feeds.feed.c.id == sa.bindparam("feed"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("digest", "changed_at", "last_used_on")})
)
READ = (
    sa.select(feeds.feed.c.digest, feeds.feed.c.changed_at)
    .where(feeds.feed.c.id == sa.bindparam("feed"))
    .with_for_update()
)


@transaction
def note_read(feed_id: int, digest: str, now: datetime) -> datetime:
    """Write down that the feed was read today and what it was; since when it is that, in whole seconds.

    That instant never goes back and is another for each change, even for two in one second: readers that know no
    ETag ask by it.
    """
    row = connection().execute(READ, {"feed": feed_id}).one_or_none()
    if row is None:
        raise NotFound
    changed_at: datetime | None = row.changed_at
    if row.digest != digest or changed_at is None:
        second = now.replace(microsecond=0)
        changed_at = max(second, changed_at + timedelta(seconds=1)) if changed_at else second
    new = {"new_digest": digest, "new_changed_at": changed_at, "new_last_used_on": now.date()}
    connection().execute(NOTE, {"feed": feed_id, **new})
    return changed_at


def _locked(clinic_id: int, kind: Kind, subject_id: int) -> Feed:
    found = feeds.of(clinic_id, kind, subject_id, lock=True)
    if found is None:
        raise NotFound
    return found


def _record(found: Feed, action: Action, by: Caller, now: datetime, **facts: str) -> None:
    is_patient = found.kind == Kind.PATIENT
    object = thing(Thing.PATIENT, found.subject_id) if is_patient else ""
    of = {} if is_patient else {"of": f"{found.kind}:{found.subject_id}"}
    audit.record(found.clinic_id, action, by=by, now=now, object=object, **of, **facts)
