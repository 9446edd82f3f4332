"""What must hold over the whole database at any moment. `booking doctor` asks; a fault here is a defect, ours or a
hand's in the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TypeVar

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from sqlalchemy.orm import aliased

from booking.domain.appointment import OVER, Status
from booking.domain.time import tick_of
from booking.store import audit, patient_key
from booking.store.appointment import Appointment, Change, note_of
from booking.store.base import Base, db
from booking.store.hold import Hold, HoldTick
from booking.store.outbox import Message, facts_of
from booking.store.outside import OutsideCalendar, place_of
from booking.store.patient import Patient
from booking.store.patient_key import PatientKey
from booking.store.practitioner import Actor

R = TypeVar("R")

MESSAGES = 1000
RECORDS = 200
SHOWN = 5  # examples of one kind of fault


def faults(now_tick: int) -> Iterator[tuple[str, list[str]]]:
    """Every invariant by its name, with some examples of what breaks it (none: it holds).

    `now_tick` counts from the epoch; holds of visits that are over for a day may have been swept.
    """
    yield "no actor has more visits at one time than places", _over_capacity()
    yield "every visit to come has its hold", _without_hold(now_tick)
    yield "no visit that is over has a hold", _with_hold_though_over()
    yield "every hold agrees with its visit", _disagreeing()
    yield "every hold's ticks are its own", _wrong_ticks()
    yield "every row is of the same clinic as what it belongs to", _other_clinic()
    yield "a visit's status is its last change's", _wrong_status()
    yield "the SEQUENCE of a visit's invites never goes back", _sequence_gone_back()
    yield "every patient is found by name and contacts", _not_found()
    yield "a merged record has no visits of its own", _merged_with_visits()
    yield "the audit's chains hold", _broken_chains()


def _over_capacity() -> list[str]:
    """A squeeze-in is the one way over capacity, and its change says so."""
    crowd = (
        sa.select(HoldTick.actor_id, HoldTick.tick)
        .join(Actor, Actor.id == HoldTick.actor_id)
        .group_by(HoldTick.clinic_id, HoldTick.actor_id, HoldTick.tick, Actor.capacity)
        .having(sa.func.count() > Actor.capacity)
        .limit(SHOWN)
    )
    return [f"actor {actor} at tick {tick}" for actor, tick in db.session.execute(crowd) if not _squeezed(actor, tick)]


def _squeezed(actor: int, tick: int) -> bool:
    query = (
        sa.select(Change.what)
        .join(Hold, Hold.appointment_id == Change.appointment_id)
        .join(HoldTick, HoldTick.hold_id == Hold.id)
        .where(HoldTick.actor_id == actor, HoldTick.tick == tick)
    )
    return any(what.get("squeezed") for what in db.session.scalars(query))


def _without_hold(now_tick: int) -> list[str]:
    query = (
        sa.select(Appointment.public_id, Appointment.starts_at)
        .outerjoin(Hold, Hold.appointment_id == Appointment.id)
        .where(Appointment.status.in_((Status.PENDING, Status.BOOKED)), Hold.id.is_(None))
    )
    found = [public_id for public_id, starts_at in db.session.execute(query) if tick_of(starts_at) > now_tick]
    return _named("visit", found[:SHOWN])


def _with_hold_though_over() -> list[str]:
    query = (
        sa.select(Appointment.public_id)
        .join(Hold, Hold.appointment_id == Appointment.id)
        .where(Appointment.status.in_(OVER))
    )
    return _named("visit", db.session.scalars(query.limit(SHOWN)))


def _disagreeing() -> list[str]:
    query = (
        sa.select(Appointment.public_id)
        .join(Hold, Hold.appointment_id == Appointment.id)
        .where(
            sa.or_(
                Hold.clinic_id != Appointment.clinic_id,
                Hold.starts_at != Appointment.starts_at,
                Hold.practitioner_id != Appointment.practitioner_id,
                Hold.service_id != Appointment.service_id,
                Hold.location_id != Appointment.location_id,
                Hold.room_id.is_distinct_from(Appointment.room_id),
            )
        )
    )
    return _named("visit", db.session.scalars(query.limit(SHOWN)))


def _wrong_ticks() -> list[str]:
    stray = (
        sa.select(Hold.id)
        .join(HoldTick, HoldTick.hold_id == Hold.id)
        .where(
            sa.or_(
                HoldTick.clinic_id != Hold.clinic_id,
                HoldTick.tick > Hold.last_tick,
                HoldTick.expires_at.is_distinct_from(Hold.expires_at),
                sa.and_(HoldTick.actor_id != Hold.practitioner_id, HoldTick.actor_id.is_distinct_from(Hold.room_id)),
            )
        )
        .distinct()
    )
    incomplete = (
        sa.select(Hold.id)
        .outerjoin(HoldTick, HoldTick.hold_id == Hold.id)
        .group_by(Hold.id, Hold.last_tick)
        .having(sa.func.coalesce(sa.func.max(HoldTick.tick), -1) != Hold.last_tick)
    )
    found = {*db.session.scalars(stray.limit(SHOWN)), *db.session.scalars(incomplete.limit(SHOWN))}
    return _named("hold", sorted(found)[:SHOWN])


def _other_clinic() -> list[str]:
    """Every foreign key between two tables that both name a clinic."""
    found = []
    for table in Base.metadata.sorted_tables:
        for key in table.foreign_keys:
            parent = key.column.table.alias()
            if "clinic_id" not in table.c or "clinic_id" not in parent.c:
                continue
            query = (
                sa.select(sa.func.count())
                .select_from(table.join(parent, key.parent == parent.c[key.column.name]))
                .where(table.c.clinic_id != parent.c.clinic_id)
            )
            count = db.session.scalar(query)
            if count:
                found.append(f"{count} of {table.name}.{key.parent.name}")
    return found


def _wrong_status() -> list[str]:
    newest = sa.select(sa.func.max(Change.id).label("id")).group_by(Change.appointment_id).subquery()
    last = sa.select(Change.appointment_id, Change.new_status).join(newest, newest.c.id == Change.id).subquery()
    query = (
        sa.select(Appointment.public_id)
        .outerjoin(last, last.c.appointment_id == Appointment.id)
        .where(last.c.new_status.is_distinct_from(Appointment.status))
    )
    return _named("visit", db.session.scalars(query.limit(SHOWN)))


def _sequence_gone_back() -> list[str]:
    """Looks at the newest messages only, since what they carried is sealed and is wiped in the end."""
    newest = (
        sa.select(Message, Appointment)
        .join(Appointment, Appointment.id == Message.appointment_id)
        .where(Message.method.is_not(None), Message.facts.is_not(None))
        .order_by(Message.id.desc())
        .limit(MESSAGES)
    )
    last: dict[tuple[str, str], int] = {}
    found = []
    for message, visit in reversed(db.session.execute(newest).all()):
        try:
            facts = facts_of(message)
        except InvalidTag:
            continue  # `unopened` says so
        told = last.get((facts.uid, message.address), 0)
        if facts.sequence < told or (facts.uid == visit.uid and facts.sequence > visit.sequence):
            found.append(visit.public_id)
        last[facts.uid, message.address] = facts.sequence
    return _named("visit", found[:SHOWN])


def _broken_chains() -> list[str]:
    faults = (fault for clinic_id in audit.chains() for fault in audit.verify(clinic_id))
    return [f"clinic {fault.clinic_id}, entry {fault.seq}: {fault.what}" for fault in islice(faults, SHOWN)]


def _not_found() -> list[str]:
    """Looks at the keys of the newest records only; `booking migrate` makes those that are missing."""
    has_none = ~sa.exists().where(PatientKey.patient_id == Patient.id)
    is_old = sa.and_(Patient.merged_into_id.is_(None), sa.or_(Patient.keys_version != patient_key.VERSION, has_none))
    found = list(db.session.scalars(sa.select(Patient.public_id).where(is_old).limit(SHOWN)))
    newest = sa.select(Patient).where(Patient.merged_into_id.is_(None)).order_by(Patient.id.desc()).limit(RECORDS)
    for one in db.session.scalars(newest):
        keys = db.session.scalars(sa.select(PatientKey.key).where(PatientKey.patient_id == one.id))
        if not patient_key.keys_of(one.name, one.email, one.phone) <= set(keys):
            found.append(one.public_id)
    return _named("patient", dict.fromkeys(found[:SHOWN]))


def _merged_with_visits() -> list[str]:
    kept = aliased(Patient)
    query = (
        sa.select(Patient.public_id)
        .outerjoin(Appointment, Appointment.patient_id == Patient.id)
        .join(kept, kept.id == Patient.merged_into_id)
        .where(sa.or_(Appointment.id.is_not(None), kept.merged_into_id.is_not(None)))
        .distinct()
    )
    return _named("patient", db.session.scalars(query.limit(SHOWN)))


def _named(kind: str, ids: Iterable[object]) -> list[str]:
    return [f"{kind} {id}" for id in ids]


def unopened() -> list[str]:
    """Some of the newest encrypted notes and addresses that this process's key does not open."""
    notes = sa.select(Appointment).where(Appointment.note.is_not(None)).order_by(Appointment.id.desc()).limit(SHOWN)
    calendars = sa.select(OutsideCalendar).order_by(OutsideCalendar.id.desc()).limit(SHOWN)
    found = [f"visit {visit.public_id}" for visit in db.session.scalars(notes) if not _opens(note_of, visit)]
    return found + [f"calendar {one.public_id}" for one in db.session.scalars(calendars) if not _opens(place_of, one)]


def _opens(read: Callable[[R], object], row: R) -> bool:
    try:
        read(row)
    except InvalidTag:
        return False
    return True


def newest() -> datetime | None:
    """The instant of the last change of a visit that was written down."""
    return db.session.scalar(sa.select(sa.func.max(Change.at)))
