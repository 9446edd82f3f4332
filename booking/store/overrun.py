"""Visits that take longer than planned: the time that they would take then, and who waits for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from booking.domain.appointment import OVER
from booking.domain.plan import Shape
from booking.domain.time import TICK, tick_after, tick_of
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.hold import Candidate, Hold, HoldTick, Wanted
from booking.store.patient import Patient
from booking.store.practitioner import Actor


def longer(hold: Hold, by: int) -> Wanted:
    """The time of a visit that stays `by` ticks longer, with whom and where it is.

    Whoever is busy when the stay ends, or after it, is busy so much longer.
    """
    start, stop = tick_of(hold.starts_at), tick_after(hold.ends_at)
    taken: dict[int, list[int]] = {}
    own = sa.select(HoldTick.actor_id, HoldTick.tick).where(HoldTick.hold_id == hold.id).order_by(HoldTick.tick)
    for actor, tick in db.session.execute(own):
        taken.setdefault(actor, []).append(tick - start)
    for ticks in taken.values():
        if ticks[-1] >= stop - start - 1:
            ticks += range(ticks[-1] + 1, ticks[-1] + 1 + by)
    room = _stretches(taken.get(hold.room_id or 0, ()))
    stay = stop - start + by
    shape = Shape(
        practitioner=_stretches(taken.get(hold.practitioner_id, ())),
        room=room,
        room_during_stay=tuple((offset, min(length, stay - offset)) for offset, length in room if offset < stay),
        stay=stay,
        total=max(stay, *(ticks[-1] + 1 for ticks in taken.values())) if taken else stay,
    )
    rooms = (hold.room_id,) if hold.room_id else ()
    return Wanted(
        clinic=hold.clinic_id,
        service=hold.service_id,
        new_patient=hold.new_patient,
        start=start,
        shape=shape,
        candidates=(Candidate(hold.practitioner_id, hold.location_id, rooms),),
        exact=(hold.starts_at, hold.ends_at + by * TICK),
    )


def waiting(visit: Appointment, until: datetime) -> list[tuple[Appointment, Patient]]:
    """The visits that want the practitioner, or a room for one, between the end of this visit and then; by start."""
    rooms_for_one = sa.select(Actor.id).where(Actor.id == visit.room_id, Actor.capacity == 1)
    theirs = (
        sa.select(Hold.appointment_id)
        .join(HoldTick, HoldTick.hold_id == Hold.id)
        .where(
            HoldTick.clinic_id == visit.clinic_id,
            sa.or_(HoldTick.actor_id == visit.practitioner_id, HoldTick.actor_id.in_(rooms_for_one)),
            HoldTick.tick >= tick_of(visit.ends_at),
            HoldTick.tick < tick_after(until),
        )
    )
    query = (
        sa.select(Appointment, Patient)
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(
            Appointment.clinic_id == visit.clinic_id,
            Appointment.id.in_(theirs),
            Appointment.id != visit.id,
            Appointment.starts_at >= visit.ends_at,
            Appointment.status.not_in(OVER),
        )
        .order_by(Appointment.starts_at, Appointment.id)
    )
    return [(appointment, patient) for appointment, patient in db.session.execute(query)]


def _stretches(ticks: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Sorted ticks as stretches of (offset, length)."""
    found: list[tuple[int, int]] = []
    for tick in ticks:
        if found and sum(found[-1]) == tick:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((tick, 1))
    return tuple(found)
