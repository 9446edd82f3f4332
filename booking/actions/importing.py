"""Moving in: visits and patients of another program. `examine` says what would become of each row and changes
nothing; `write` then writes those that are to be written, some hundred in each transaction.

Nobody is told of a visit that was taken over: its mails begin with its first change, which is then told like a first
booking, and with the reminder the day before. Visits that are over take no time. What is left takes whole ticks; two
that meet inside one tick share it, squeezed in.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from booking import apart
from booking.domain import opening
from booking.domain.access import new_id, new_reference
from booking.domain.appointment import OVER, Status, lapses_at
from booking.domain.moving import (
    HINDERS,
    OVER_CAPACITY,
    STATUSES,
    WRITTEN,
    Book,
    Fate,
    Fault,
    Piece,
    Row,
    Stay,
    Unreadable,
    nearest,
    status_of,
    stay,
)
from booking.domain.moving import Room as Space
from booking.domain.plan import NewPatients, Plan, Practitioner, Service, shape, stages_for
from booking.domain.stranding import Visit as Standing
from booking.domain.stranding import unfit
from booking.domain.time import EPOCH, Window, local, tick_after, tick_of, wall_instants
from booking.formats import contact, visits_ical, visits_table
from booking.store import clinic as clinics
from booking.store import diary, imported, patient, practitioner
from booking.store import hold as holds
from booking.store.base import settings, transaction
from booking.store.clinic import Clinic, Policy
from booking.store.hold import Candidate, Hold, Locked, Wanted
from booking.store.imported import Same
from booking.store.patient import Person
from booking.store.sealed import seal

BATCH = 250  # rows in one transaction: others wait for no longer than that takes
LONGEST = 24 * 60  # minutes of a visit
AHEAD = timedelta(days=731)  # two years, in which visits that repeat are taken
PATIENCE = 600.0  # seconds that reading a calendar may take
YES, NO = frozenset({"yes", "y", "true", "1", "new"}), frozenset({"", "no", "n", "false", "0", "returning"})
Busy = dict[patient.Mark, list[tuple[datetime, datetime]]]  # when patients have visits
_START = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.0+)?\s?(Z|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True, slots=True)
class Understood:
    """A row in the clinic's own terms."""

    person: Person
    identity: str
    note: str
    status: Status
    visit: Taken | None  # None: a patient without a visit
    digest: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What visit it is, and whether its time still has to be taken."""

    service: int
    practitioner: int
    location: int
    room: int | None
    new: bool
    zone: str
    stay: Stay
    is_ahead: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a row: what is wrong with it, or what there is to know about it."""

    line: int
    fate: Fate
    said: str = ""  # which visit, without a name
    faults: tuple[Fault, ...] = ()
    remarks: tuple[str, ...] = ()
    understood: Understood | None = None


def read(content: bytes, clinic_id: int, *, now: datetime) -> visits_table.Table:
    """The rows of a file, CSV or iCalendar; of an event that repeats those of the next two years. Raises Unreadable."""
    if not visits_ical.is_calendar(content):
        return visits_table.read(content)
    words = _Words.of(clinic_id, diary.current_plan(clinic_id))
    try:
        rows = apart.run(
            PATIENCE,
            visits_ical.read,
            content,
            services=[*words.services],
            practitioners=[*words.practitioners],
            locations=[*words.locations],
            until=(now + AHEAD).date(),
        )
    except apart.GaveUp:
        raise Unreadable("it takes too long or too much memory to read: import it in parts") from None
    return visits_table.Table(rows, ())


def examine(
    clinic_id: int, rows: Iterable[Row], *, now: datetime, zone: str | None = None, squeeze: bool = False
) -> list[Verdict]:
    """What becomes of each row, in the file's order. Changes nothing.

    `zone` is that of times without an offset; without it the location's. With `squeeze` visits whose time is taken
    are squeezed in. Raises NotFound.
    """
    desk = _Desk.of(clinic_id, now, zone)
    found = [desk.understand(row) for row in rows]
    return list(_judged(desk, found, squeeze=squeeze))


def batches(verdicts: Iterable[Verdict]) -> list[list[Verdict]]:
    """What `write` is to write, in portions of one transaction each: in the order of time, so that a portion's visits
    are neighbours, and those that go over capacity last, so that they stand in nobody's way."""
    wanted = sorted((verdict for verdict in verdicts if verdict.fate in WRITTEN), key=_turn)
    return [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]


def _turn(verdict: Verdict) -> tuple[bool, datetime]:
    visit = verdict.understood and verdict.understood.visit
    return verdict.fate in OVER_CAPACITY, visit.stay.starts_at if visit else EPOCH


def hindered(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The rows that can't be imported as they are."""
    return [verdict for verdict in verdicts if verdict.fate in HINDERS]


@transaction
def write(clinic_id: int, batch: Sequence[Verdict], *, now: datetime) -> list[Verdict]:
    """Write these rows. What another process wrote meanwhile is left as it is; returned are those whose time somebody
    else took meanwhile, or whose patient has another visit then: they were not written, and can be imported again."""
    rows = [(verdict, verdict.understood) for verdict in batch if verdict.understood]
    ahead = [one.visit for _, one in rows if one.visit and one.visit.is_ahead]
    actors = {actor for visit in ahead for actor in (visit.practitioner, visit.room) if actor is not None}
    locked = holds.lock(clinic_id, actors)
    fresh = imported.remember(clinic_id, {one.digest for _, one in rows}, now)
    rows = [(verdict, one) for verdict, one in rows if one.digest in fresh]
    busy = _busy_again(clinic_id, rows)
    people = patient.find_or_add_all(clinic_id, {one.identity: one.person for _, one in rows}, now)
    clinic = clinics.policy(clinic_id)
    late: list[Verdict] = []
    past: list[_Made] = []
    coming: list[tuple[Verdict, _Made]] = []
    for verdict, one in rows:
        if one.visit is None:
            continue
        if verdict.fate is not Fate.SQUEEZED and one.visit.is_ahead and _is_busy(busy, one, one.visit):
            late.append(verdict)
            continue
        codes = {"squeezed": True} if verdict.fate in OVER_CAPACITY else {}
        made = _Made(one.visit, _row(clinic, one, one.visit, people[one.identity], now), codes)
        if one.visit.is_ahead:
            coming.append((verdict, made))
        else:
            past.append(made)
    placed = _placed_all(clinic_id, coming, locked, now)
    for made, id in zip(past, imported.add([made.row for made in past]), strict=True):
        made.id = id
    written = [*past, *(made for (_, made), is_placed in zip(coming, placed, strict=True) if is_placed)]
    imported.record([(made.id, made.row, made.codes) for made in written], now)
    late += [verdict for (verdict, _), is_placed in zip(coming, placed, strict=True) if not is_placed]
    imported.forget(clinic_id, [verdict.understood.digest for verdict in late if verdict.understood])
    clinics.bump_board(clinic_id)
    return late


def _busy_again(clinic_id: int, rows: Sequence[tuple[Verdict, Understood]]) -> Busy:
    """When the patients of the visits to come have others, as it is now and stays: they are locked."""
    ahead = [(one, one.visit.stay) for _, one in rows if one.visit and one.visit.is_ahead]
    if not ahead:
        return {}
    people = {one.identity: one.person for one, _ in ahead}
    since, until = min(stay.starts_at for _, stay in ahead), max(stay.ends_at for _, stay in ahead)
    return imported.busy_again(clinic_id, people, since, until)


def _is_busy(busy: Busy, one: Understood, visit: Taken) -> bool:
    """Whether the patient has another visit then."""
    return any(
        start < visit.stay.ends_at and visit.stay.starts_at < end
        for mark in _marks(one)
        for start, end in busy.get(mark, ())
    )


def _marks(one: Understood) -> list[patient.Mark]:
    return patient.marks(one.person.name, one.person.email, one.person.phone, one.identity)


@dataclass(slots=True)
class _Made:
    """A visit that is about to be written."""

    visit: Taken
    row: dict[str, Any]
    codes: dict[str, Any]  # how it came about
    id: int = 0  # 0: not written yet


def _placed_all(clinic_id: int, coming: Sequence[tuple[Verdict, _Made]], locked: Locked, now: datetime) -> list[bool]:
    """Write the visits that are to come and take their time; whether each got it."""
    shares = _still_shares(clinic_id, coming, now)
    asked = [one for one, may in zip(coming, shares, strict=True) if may]

    def owners(found: Mapping[int, Hold]) -> list[int]:
        ids = imported.add([asked[n][1].row for n in found])
        for n, id in zip(found, ids, strict=True):
            asked[n][1].id = id
        return ids

    wanted = [_wanted(clinic_id, made.visit, squeeze=verdict.fate in OVER_CAPACITY) for verdict, made in asked]
    held = holds.place_all(wanted, locked, now=now, owners=owners)
    imported.take_back([made.id for (_, made), hold in zip(asked, held, strict=True) if made.id and hold is None])
    got = {id(made) for (_, made), hold in zip(asked, held, strict=True) if hold}
    return [id(made) in got for _, made in coming]


def _still_shares(clinic_id: int, coming: Sequence[tuple[Verdict, _Made]], now: datetime) -> list[bool]:
    """Whether those that share a tick with a neighbour only do that still: somebody may have taken the time itself
    since, and whoever is squeezed in is not asked for by the guard. The others are left to it."""
    if Fate.SHARED not in {verdict.fate for verdict, _ in coming}:
        return [True] * len(coming)
    ticks = [Window(tick_of(made.visit.stay.starts_at), tick_after(made.visit.stay.until)) for _, made in coming]
    span = Window(min(window.start for window in ticks), max(window.stop for window in ticks))
    book = imported.book(diary.current_plan(clinic_id), now, span)
    found = []
    for verdict, made in coming:
        spaces = {book.room(actor, pieces) for actor, pieces in _pieces(made.visit)}
        found.append(verdict.fate is not Fate.SHARED or Space.FULL not in spaces)
        if found[-1]:
            for actor, pieces in _pieces(made.visit):
                book.take(actor, pieces)
    return found


def _pieces(visit: Taken) -> Iterator[tuple[int, Iterator[Piece]]]:
    yield visit.practitioner, visit.stay.pieces(visit.stay.practitioner)
    if visit.room is not None:
        yield visit.room, visit.stay.pieces(visit.stay.room)


def _wanted(clinic_id: int, visit: Taken, *, squeeze: bool) -> Wanted:
    return Wanted(
        clinic=clinic_id,
        service=visit.service,
        new_patient=visit.new,
        start=tick_of(visit.stay.starts_at),
        shape=visit.stay.shape(),
        candidates=(Candidate(visit.practitioner, visit.location, (visit.room,) if visit.room else ()),),
        exact=(visit.stay.starts_at, visit.stay.ends_at),
        squeeze=squeeze,
    )


def _row(clinic: Policy, one: Understood, visit: Taken, patient_id: int, now: datetime) -> dict[str, Any]:
    public_id = new_id()
    starts_at = visit.stay.starts_at
    is_request = one.status == Status.PENDING
    lapses = lapses_at(now, starts_at, request_lapses=clinic.request_lapses, minimum_notice=clinic.minimum_notice)
    return {
        "public_id": public_id,
        "reference": new_reference(),
        "clinic_id": clinic.id,
        "patient_id": patient_id,
        "service_id": visit.service,
        "practitioner_id": visit.practitioner,
        "room_id": visit.room,
        "location_id": visit.location,
        "new_patient": visit.new,
        "starts_at": starts_at,
        "ends_at": visit.stay.ends_at,
        "start_time": local(starts_at, visit.zone).replace(tzinfo=None),
        "zone": visit.zone,
        "status": one.status.value,
        "waits_for": "desk" if is_request else None,
        "lapses_at": lapses if is_request else None,
        "language": one.person.language,
        "note": seal(one.note, f"appointment.note:{public_id}") if one.note else None,
        "remind": True,
        "uid": f"{uuid.uuid4()}@{settings().mail_domain}",
        "sequence": 0,
        "stamped_at": now,
        "link_version": 1,
        "created_at": now,
        "updated_at": now,
        "version": 1,
    }


# What becomes of the rows


def _judged(desk: _Desk, found: Sequence[Verdict], *, squeeze: bool) -> Iterator[Verdict]:
    clinic_id, now = desk.clinic.id, desk.now
    rows = [verdict.understood for verdict in found if verdict.understood]
    here = imported.known(clinic_id)
    people = imported.identities(clinic_id) if any(one.visit is None for one in rows) else set()
    starts = [one.visit.stay.starts_at for one in rows if one.visit]
    visits = imported.visits(clinic_id, min(starts), max(starts)) if starts else set()
    book = imported.book(desk.plan, now)
    busy = imported.busy(clinic_id, now)
    lines: dict[str, int] = {}
    for verdict in found:
        one = verdict.understood
        if one is None:
            yield verdict
            continue
        same = one.visit and Same(one.identity, one.visit.stay.starts_at, one.visit.service, one.visit.practitioner)
        if one.digest in lines:
            yield _as(verdict, Fate.KNOWN, f"the same as line {lines[one.digest]}")
        elif one.digest in here or same in visits or (one.visit is None and one.identity in people):
            yield _as(verdict, Fate.KNOWN)
        elif one.visit is None:
            yield _as(verdict, Fate.PATIENT)
        elif not one.visit.is_ahead:
            yield _as(verdict, Fate.IMPORTED)
        else:
            yield _placed(desk.plan, book, busy, verdict, one, one.visit, squeeze=squeeze)
        lines.setdefault(one.digest, verdict.line)


def _placed(
    plan: Plan,
    book: Book,
    busy: Busy,
    verdict: Verdict,
    one: Understood,
    visit: Taken,
    *,
    squeeze: bool,
) -> Verdict:
    """Whether the visit's time is free, after all that came before it in the file; if it is written, it is no more."""
    own = visit.stay.pieces(visit.stay.practitioner)
    spaces = [book.room(visit.practitioner, own)]
    room = None
    if rooms := _rooms(plan, visit.service, visit.location):
        by_room = {id: book.room(id, visit.stay.pieces(visit.stay.room)) for id in rooms}
        room = min(rooms, key=lambda id: list(Space).index(by_room[id]))
        spaces.append(by_room[room])
    why = []
    if spaces[0] is Space.FULL:
        why.append(f"{plan.practitioners[visit.practitioner].slug} is taken then")
    if spaces[1:] == [Space.FULL]:
        why.append(f"{plan.rooms[room or 0].slug} is full then")
    if _is_busy(busy, one, visit):
        why.append("the patient has another visit then")
    if why and not squeeze:
        return _as(verdict, Fate.CLASH, *why)
    book.take(visit.practitioner, visit.stay.pieces(visit.stay.practitioner))
    if room is not None:
        book.take(room, visit.stay.pieces(visit.stay.room))
    for mark in _marks(one):
        busy.setdefault(mark, []).append((visit.stay.starts_at, visit.stay.ends_at))
    ticks = Window(tick_of(visit.stay.starts_at), tick_of(visit.stay.starts_at) + visit.stay.shape().stay)
    standing = Standing(0, visit.service, visit.practitioner, visit.location, room, ticks)
    outside = [f"outside what the settings allow ({code.value})" for code in unfit(plan, [standing]).get(0, ())]
    taken = Taken(
        visit.service,
        visit.practitioner,
        visit.location,
        room,
        visit.new,
        visit.zone,
        visit.stay,
        visit.is_ahead,
    )
    placed = Understood(one.person, one.identity, one.note, one.status, taken, one.digest)
    found = Verdict(verdict.line, Fate.IMPORTED, verdict.said, (), verdict.remarks, placed)
    if why:
        return _as(found, Fate.SQUEEZED, *why, *outside)
    if Space.SHARED in spaces:
        return _as(found, Fate.SHARED, "shares five minutes with a neighbour", *outside)
    return _as(found, Fate.IMPORTED, *outside)


def _as(verdict: Verdict, fate: Fate, *remarks: str) -> Verdict:
    return Verdict(verdict.line, fate, verdict.said, verdict.faults, (*verdict.remarks, *remarks), verdict.understood)


def _rooms(plan: Plan, service: int, location: int) -> list[int]:
    return [id for id in plan.services[service].rooms if plan.rooms[id].location == location]


# What the rows say


@dataclass(frozen=True, slots=True)
class _Words:
    """The ids of what the clinic has, by each word for it, folded."""

    services: Mapping[str, int]
    practitioners: Mapping[str, int]
    locations: Mapping[str, int]

    @classmethod
    def of(cls, clinic_id: int, plan: Plan) -> _Words:
        names = {row.id: _names(row.name) for row in practitioner.services(clinic_id)}
        emails = {row.id: [row.email] for row in practitioner.actors(clinic_id, "practitioner") if row.email}
        return cls(
            _by_word({one.id: (one.slug, *names.get(one.id, ())) for one in plan.services.values()}),
            _by_word({one.id: (one.slug, one.name, *emails.get(one.id, ())) for one in plan.practitioners.values()}),
            _by_word({one.id: (one.slug, one.name) for one in plan.locations.values()}),
        )


@dataclass(slots=True)
class _Desk:
    """The clinic, to read rows by."""

    clinic: Clinic
    plan: Plan
    now: datetime
    zone: str | None
    words: _Words
    contacts: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, clinic_id: int, now: datetime, zone: str | None) -> _Desk:
        plan = diary.current_plan(clinic_id)
        return cls(clinics.by_id(clinic_id), plan, now, zone, _Words.of(clinic_id, plan))

    def understand(self, row: Row) -> Verdict:
        """The row in the clinic's terms, or every fault of it."""
        faults: list[Fault] = []
        person = self._person(row, faults)
        note = contact.tidy_lines(row.note)
        if len(note) > contact.NOTE_LENGTH or not contact.is_readable(note):
            faults.append(Fault("note", note, f"at most {contact.NOTE_LENGTH} characters that can be read"))
        if not row.start and not row.service and not row.practitioner:
            if faults:
                return Verdict(row.line, Fate.FAULTY, faults=tuple(faults))
            identity = patient.identity_of(person.name, person.email, person.phone)
            digest = imported.digest("patient", identity)
            one = Understood(person, identity, note, Status.BOOKED, None, digest)
            return Verdict(row.line, Fate.PATIENT, "a patient", understood=one)
        return self._visit(row, person, note, faults)

    def _visit(self, row: Row, person: Person, note: str, faults: list[Fault]) -> Verdict:
        remarks = [row.remark] if row.remark else []
        service = self._service(row, faults)
        who = self._practitioner(row, service, faults)
        location = self._location(row, who, faults)
        new = self._new(row, service, faults)
        minutes = self._minutes(row, faults)
        zone = self.plan.locations[location].zone if location else ""
        starts_at = self._start(row, zone, faults, remarks) if zone else None
        status = status_of(row.status)
        if status is None:
            known = ("booked", "arrived", "checked-in", "fulfilled", "noshow", "cancelled", "pending")
            faults.append(Fault("status", row.status, f"one of {', '.join(known)}", nearest(row.status, STATUSES)))
        if service is None or who is None or location is None or starts_at is None or status is None or faults:
            return Verdict(row.line, Fate.FAULTY, _said(row), tuple(faults), tuple(remarks))
        length = stay(starts_at, shape(stages_for(service, new)), minutes)
        is_ahead = length.until > self.now and status not in OVER
        if length.ends_at <= self.now and status == Status.PENDING:
            status = Status.CANCELLED
            remarks.append("a request whose time is past: cancelled")
        if starts_at > self.now and status in (Status.FULFILLED, Status.NOSHOW, Status.ARRIVED, Status.CHECKED_IN):
            fault = Fault("status", row.status, "booked, pending or cancelled for a visit that is still to come")
            return Verdict(row.line, Fate.FAULTY, _said(row), (fault,), tuple(remarks))
        rooms = _rooms(self.plan, service.id, location)
        visit = Taken(service.id, who.id, location, rooms[0] if rooms else None, new, zone, length, is_ahead)
        identity = patient.identity_of(person.name, person.email, person.phone)
        digest = imported.digest(identity, starts_at.astimezone(UTC).isoformat(), service.id, who.id)
        one = Understood(person, identity, note, status, visit, digest)
        at = local(starts_at, zone)
        said = f"{at:%Y-%m-%d %H:%M} {service.slug}, {who.slug}"
        return Verdict(row.line, Fate.IMPORTED, said, remarks=tuple(remarks), understood=one)

    def _person(self, row: Row, faults: list[Fault]) -> Person:
        name, email, phone = contact.tidy(row.name), contact.tidy(row.email), contact.tidy(row.phone)
        if not contact.is_name(name):
            faults.append(Fault("name", name, f"a name of at most {contact.NAME_LENGTH} characters"))
        address = self._known(email, lambda: contact.email_address(email))
        if email and address is None:
            faults.append(Fault("email", email, "an e-mail address"))
        number = self._known(phone, lambda: contact.phone_number(phone, self.clinic.region))
        if phone and number is None:
            faults.append(Fault("phone", phone, f"a phone number, as one dials it in {self.clinic.region}"))
        return Person(name, address, number, str(self.clinic.languages[0]))

    def _known(self, text: str, read: Callable[[], str | None]) -> str | None:
        """What a contact comes to; they are often repeated, and dear to check."""
        if text and text not in self.contacts:
            self.contacts[text] = read()
        return self.contacts.get(text)

    def _service(self, row: Row, faults: list[Fault]) -> Service | None:
        id = self.words.services.get(_folded(row.service))
        if id is None:
            known = [one.slug for one in self.plan.services.values()]
            near = nearest(row.service, [*known, *self.words.services])
            faults.append(Fault("service", row.service, f"a service ({', '.join(known)})", near))
            return None
        return self.plan.services[id]

    def _practitioner(self, row: Row, service: Service | None, faults: list[Fault]) -> Practitioner | None:
        able = [one for one in self.plan.practitioners.values() if service and service.id in one.services]
        if not row.practitioner and len(able) == 1:
            return able[0]
        id = self.words.practitioners.get(_folded(row.practitioner))
        if id is None:
            known = [one.slug for one in self.plan.practitioners.values()]
            near = nearest(row.practitioner, [*known, *self.words.practitioners])
            if service or row.practitioner:
                faults.append(Fault("practitioner", row.practitioner, f"a practitioner ({', '.join(known)})", near))
            return None
        return self.plan.practitioners[id]

    def _location(self, row: Row, who: Practitioner | None, faults: list[Fault]) -> int | None:
        if row.location:
            id = self.words.locations.get(_folded(row.location))
            if id is None:
                known = [one.slug for one in self.plan.locations.values()]
                near = nearest(row.location, [*known, *self.words.locations])
                faults.append(Fault("location", row.location, f"a location ({', '.join(known)})", near))
            return id
        places = list(self.plan.locations)
        if who is not None and len(places) > 1:
            places = opening.workplaces(self.plan, who.id) or places
        if len(places) == 1:
            return places[0]
        if who is not None:
            known = [self.plan.locations[id].slug for id in places]
            faults.append(Fault("location", "", f"where it is ({', '.join(known)}), since {who.slug} works there"))
        return None

    def _new(self, row: Row, service: Service | None, faults: list[Fault]) -> bool:
        said = row.new.casefold()
        if said not in YES | NO:
            faults.append(Fault("new", row.new, "yes or no"))
        if service is not None and service.new_patients is NewPatients.ONLY:
            return True
        return said in YES

    def _minutes(self, row: Row, faults: list[Fault]) -> int | None:
        if not row.minutes:
            return None
        if not row.minutes.isascii() or not row.minutes.isdecimal() or not 0 < int(row.minutes[:6]) <= LONGEST:
            faults.append(Fault("minutes", row.minutes, f"minutes from 1 to {LONGEST}"))
            return None
        return int(row.minutes)

    def _start(self, row: Row, zone: str, faults: list[Fault], remarks: list[str]) -> datetime | None:
        expected = 'a time such as "2027-01-11 09:00" or "2027-01-11T09:00+01:00"'
        try:
            found = datetime.fromisoformat(row.start.replace(" ", "T", 1).replace(" ", ""))
        except ValueError:
            found = None
        if found is None or not _START.fullmatch(row.start) or not 1970 < found.year < 2100:
            faults.append(Fault("start", row.start, expected))
            return None
        if found.tzinfo is not None:
            return found.astimezone(UTC)
        instants = wall_instants(found, self.zone or zone)
        if not instants:
            faults.append(Fault("start", row.start, f"a time that the clocks of {self.zone or zone} show on that day"))
            return None
        if len(instants) > 1:
            remarks.append("that hour comes twice: taken as the first; write the offset to say which")
        return instants[0]


def _said(row: Row) -> str:
    return ", ".join(part[:40] for part in (row.start, row.service, row.practitioner) if part)


def _folded(word: str) -> str:
    return " ".join(word.casefold().split())


def _names(text: Any) -> tuple[str, ...]:
    """A text that may be one for each language."""
    return tuple(map(str, text.values())) if isinstance(text, dict) else (str(text),)


def _by_word(names: Mapping[int, Iterable[str]]) -> dict[str, int]:
    """The ids by each of their words; one that means two of them means the first."""
    found: dict[str, int] = {}
    for id, words in names.items():
        for word in words:
            found.setdefault(_folded(word), id)
    return found
