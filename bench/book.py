"""A book to measure on: Elm Clinic, ten practitioners in five rooms of two places, 100,000 patients.

The year ahead is full until its last five weeks, in which five of each day's eight hours are taken: about 20,000
visits. A bigger book has the same year, and more years behind it, as if nothing were ever swept away.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, islice
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from booking.demo.names import FAMILY, GIVEN
from booking.domain.access import digest, new_secret
from booking.domain.name import fold
from booking.domain.time import tick_of
from booking.store import patient
from booking.store.access import Key
from booking.store.appointment import Appointment, Change
from booking.store.base import db, dialect, table
from booking.store.clinic import Clinic, Location
from booking.store.hold import Hold, HoldTick
from booking.store.outbox import Message
from booking.store.patient import Patient
from booking.store.practitioner import Actor, AvailableTime, Service, ServiceActor

ZONE = "Europe/London"
PRACTITIONERS = 10
HOURS = range(9, 17)
YEAR = 365
OPEN_END = 35  # days at the end of the year that have free times
TAKEN = 5  # of the eight hours of such a day
VISIT_TICKS = 12  # 45 minutes and 15 of turnover
CHUNK = 10_000
PATIENTS = 100_000


@dataclass(frozen=True, slots=True)
class Book:
    """What the measurements need to know of it."""

    visits: int
    clinic: str
    service: str
    practitioner: str
    key: str
    month: date  # the first of the days with free times
    practitioners: int = PRACTITIONERS


def write(visits: int, now: datetime) -> Book:
    """Fill the empty database with at least this many visits."""
    today = now.astimezone(ZoneInfo(ZONE)).date()
    month = today + timedelta(days=YEAR - OPEN_END)
    key = new_secret("bk")
    if dialect() == "postgresql":
        # Five million foreign keys need not be looked up one by one: `booking doctor` finds the book in order.
        db.session.execute(sa.text("SET LOCAL session_replication_role = replica"))
    clinic, service, place, people, rooms = settings(now, key)
    patients = _patients(clinic, now)
    made = 0
    for chunk in _chunked(_times(visits, today, month)):
        made += _visits(chunk, clinic, service, place, people, rooms, patients, now)
    by_hold = next(index for index in table(HoldTick).indexes if index.name == "ix_hold_tick_hold")
    by_hold.drop(db.session.connection())  # making it anew is quicker than keeping it through five million rows
    for index, person in enumerate(people):
        _ticks(person, rooms[index // 2], index % 2)
    by_hold.create(db.session.connection())
    _history(now)
    if dialect() == "postgresql":
        for name in ("appointment", "hold"):  # their ids were given by us
            db.session.execute(sa.text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}"))
    db.session.commit()
    if dialect() == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
    else:
        db.session.execute(sa.text("ANALYZE"))
        db.session.commit()
    return Book(made, "elm", "visit", "p1", key, month)


def settings(now: datetime, key: str) -> tuple[int, int, int, list[int], list[int]]:
    """Write the clinic without its book: the ids of it, its service, its place, its people and its rooms."""
    clinic = Clinic(
        slug="elm",
        name="Elm Clinic",
        phone="+442079460142",
        email="desk@elm.example",
        region="GB",
        languages=["en"],
        confirmation="instant",
        request_lapses=1440,
        hold_minutes=10,
        minimum_notice=60,
        horizon=YEAR,
        cancellation_notice=720,
        open_visits_per_patient=4,
        before_you_come=[],
        conditions=[],
        created_at=now,
    )
    db.session.add(clinic)
    db.session.flush()
    place = Location(clinic_id=clinic.id, slug="main", name="Elm", address=["1 Elm Road", "London"], zone=ZONE)
    service = Service(
        clinic_id=clinic.id,
        slug="visit",
        name="Visit",
        every=15,
        conditions=[],
        stages=[
            {"minutes": 45, "practitioner": True, "room": True, "patient": True},
            {"minutes": 15, "practitioner": True, "room": True, "patient": False},
        ],
        new_patients="same",
    )
    db.session.add_all([place, service])
    db.session.flush()
    rooms = [
        Actor(clinic_id=clinic.id, kind="room", slug=f"r{n}", name=f"Room {n}", capacity=2, location_id=place.id)
        for n in range(PRACTITIONERS // 2)
    ]
    people = [
        Actor(clinic_id=clinic.id, kind="practitioner", slug=f"p{n}", name=f"Practitioner {n}", position=n)
        for n in range(PRACTITIONERS)
    ]
    db.session.add_all([*rooms, *people])
    db.session.flush()
    for person in people:
        db.session.add(
            AvailableTime(
                clinic_id=clinic.id,
                actor_id=person.id,
                location_id=place.id,
                days=0b0011111,
                opens=HOURS.start * 60,
                closes=HOURS.stop * 60,
            )
        )
    for position, actor in enumerate([*people, *rooms]):
        db.session.add(ServiceActor(clinic_id=clinic.id, service_id=service.id, actor_id=actor.id, position=position))
    later = now + timedelta(days=2)
    db.session.add(
        Key(clinic_id=clinic.id, name="bench", digest=digest(key), scopes=["book"], expires_at=later, created_at=now)
    )
    db.session.flush()
    return clinic.id, service.id, place.id, [one.id for one in people], [one.id for one in rooms]


def _patients(clinic: int, now: datetime) -> list[int]:
    rows = [
        {
            "public_id": f"p{n:025}",
            "clinic_id": clinic,
            "identity": digest(f"patient {n}"),
            "name": name,
            "email": f"{fold(name).replace(' ', '.')}{n}@example.com",
            "phone": f"+44207946{n:05}",
            "language": "en",
            "created_at": now,
        }
        for n, name in enumerate(names(PATIENTS))
    ]
    db.session.execute(sa.insert(Patient), rows)
    ids = list(db.session.scalars(sa.select(Patient.id).order_by(Patient.id)))
    for start in range(0, len(ids), CHUNK):
        patient.rekey(ids[start : start + CHUNK])
    return ids


def names(number: int) -> list[str]:
    """Names as a town has them: a few that thousands share, most of a few, and a middle name for every fifth."""
    chance = random.Random("elm")
    parts = [
        start + end
        for start in ["b", "br", "d", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "r", "s", "sh", "st", "t", "v", "z"]
        for end in ["a", "e", "i", "o", "an", "en", "or"]
    ]
    given = [*GIVEN, *("".join(chance.choices(parts, k=2)).title() for _ in range(3_000))]
    family = [*FAMILY, *("".join(chance.choices(parts, k=chance.choice((2, 3)))).title() for _ in range(30_000))]
    first = chance.choices(given, [1 / (n + 5) for n in range(len(given))], k=2 * number)
    last = chance.choices(family, [1 / (n + 20) for n in range(len(family))], k=number)
    return [
        f"{first[n]} {first[number + n]} {last[n]}" if n % 5 == 0 else f"{first[n]} {last[n]}" for n in range(number)
    ]


def _times(visits: int, today: date, month: date) -> Iterator[tuple[int, date, int]]:
    """Practitioner (by number), day and hour of each visit: the year ahead, then backwards from yesterday."""
    chance = random.Random("elm")
    days = [today + timedelta(days=n) for n in range(1, YEAR + 1)]
    ahead = 0
    for day in days:
        if day.weekday() < 5:
            for person in range(PRACTITIONERS):
                hours = list(HOURS) if day < month else sorted(chance.sample(HOURS, TAKEN))
                for hour in hours:
                    ahead += 1
                    yield person, day, hour
    behind = (today - timedelta(days=n) for n in count(1))
    workdays = (day for day in behind if day.weekday() < 5)
    past = ((person, day, hour) for day in workdays for person in range(PRACTITIONERS) for hour in HOURS)
    yield from islice(past, max(visits - ahead, 0))


def _visits(
    chunk: list[tuple[int, date, int]],
    clinic: int,
    service: int,
    place: int,
    people: list[int],
    rooms: list[int],
    patients: list[int],
    now: datetime,
) -> int:
    zone = ZoneInfo(ZONE)
    first = (db.session.scalar(sa.select(sa.func.max(Appointment.id))) or 0) + 1
    appointments: list[dict[str, Any]] = []
    holds: list[dict[str, Any]] = []
    for id, (person, day, hour) in enumerate(chunk, first):
        wall = datetime.combine(day, time(hour))
        starts_at = wall.replace(tzinfo=zone).astimezone(UTC)
        where = {
            "clinic_id": clinic,
            "service_id": service,
            "practitioner_id": people[person],
            "room_id": rooms[person // 2],
            "location_id": place,
            "new_patient": False,
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=45),
        }
        appointments.append(
            where
            | {
                "id": id,
                "public_id": f"a{id:025}",
                "reference": f"{id:08}",
                "patient_id": patients[id % len(patients)],
                "start_time": wall,
                "zone": ZONE,
                "status": "booked" if starts_at > now else "fulfilled",
                "language": "en",
                "remind": True,
                "uid": f"{id}@elm.example",
                "sequence": 0,
                "link_version": 1,
                "stamped_at": now,
                "created_at": now,
                "updated_at": now,
            }
        )
        holds.append(where | {"id": id, "appointment_id": id, "last_tick": tick_of(starts_at) + VISIT_TICKS - 1})
    db.session.execute(sa.insert(Appointment), appointments)
    db.session.execute(sa.insert(Hold), holds)
    return len(chunk)


def _ticks(person: int, room: int, seat: int) -> None:
    """The ticks of one practitioner's holds, theirs and the room's, made by the database itself."""
    offset = sa.union_all(*(sa.select(sa.literal(n).label("n")) for n in range(VISIT_TICKS))).subquery()
    columns = ["clinic_id", "actor_id", "tick", "seat", "hold_id"]
    tick = Hold.last_tick - offset.c.n
    for actor, taken in ((person, 0), (room, seat)):
        rows = (
            sa.select(Hold.clinic_id, sa.literal(actor), tick, sa.literal(taken), Hold.id)
            .join(offset, sa.true())
            .where(Hold.practitioner_id == person)
            .order_by(tick)
        )
        db.session.execute(sa.insert(HoldTick).from_select(columns, rows))


def _history(now: datetime) -> None:
    """One change and one mail that was sent for every visit."""
    changes = sa.select(
        Appointment.clinic_id,
        Appointment.id,
        sa.literal(now, Change.at.type),
        sa.literal("patient"),
        Appointment.status,
        sa.literal({}, Change.what.type),
    )
    names = ["clinic_id", "appointment_id", "at", "by_kind", "new_status", "what"]
    db.session.execute(sa.insert(Change).from_select(names, changes))
    sent = {
        "kind": "booked",
        "role": "patient",
        "method": "REQUEST",
        "address": "patient@example.com",
        "language": "en",
        "state": "sent",
        "attempts": 1,
    }
    moments = {name: sa.literal(now, Message.due_at.type) for name in ("due_at", "created_at", "ended_at")}
    mails = sa.select(
        Appointment.clinic_id,
        Appointment.id,
        sa.literal("<") + Appointment.uid + sa.literal(">"),
        *(sa.literal(value) for value in sent.values()),
        *moments.values(),
    )
    names = ["clinic_id", "appointment_id", "message_id", *sent, *moments]
    db.session.execute(sa.insert(Message).from_select(names, mails))


def _chunked(rows: Iterator[tuple[int, date, int]]) -> Iterator[list[tuple[int, date, int]]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
