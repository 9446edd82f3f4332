"""Clinics as files: load one, check one, write one back. The owner's screens do the same with the values of a file.

A load is one transaction: all of the file or nothing. Entries go by their slug; those that are gone from the file
are archived and come back with their slug. No future visit is ever dropped. What the settings were before is kept, so
that a change can be undone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from booking.domain.access import WORKER, Caller
from booking.domain.audit import Action
from booking.domain.availability import NewPatients, Plan, ReasonCode, Stage, Window
from booking.domain.errors import BookingError, Invalid, NotAllowed, NotFound
from booking.domain.stranding import Visit, unfit
from booking.domain.time import tick_after, tick_of
from booking.formats import clinic_file as file
from booking.formats.clinic_file import ClinicFile, ClinicFileInvalid, Fault, StaffUser, Text
from booking.store import audit, diary, entries, staff, version
from booking.store.appointment import Appointment
from booking.store.base import db, transaction
from booking.store.clinic import Clinic, Location, bump_board, by_id, by_slug
from booking.store.entries import Entries
from booking.store.practitioner import Actor, AvailableTime, ExtraTime, NotAvailable, Service, ServiceActor

STRANDED = "stranded"  # the mark that the desk sees


@dataclass(frozen=True, slots=True)
class StrandedVisit:
    """A visit that the new settings leave no room for, as the desk knows it, and why. Names nobody."""

    reference: str
    public_id: str
    starts_at: datetime
    zone: str
    practitioner: str
    service: str
    reasons: tuple[ReasonCode, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did. `new_staff` are not told of it yet; `stranded` visits stay and are marked for the desk."""

    clinic_id: int
    revision: int  # of the settings, from now on
    created: bool
    changed: bool
    stranded: tuple[StrandedVisit, ...] = ()
    new_staff: tuple[StaffUser, ...] = ()


class Stranded(BookingError):
    """The file would strand these visits, by start; nothing was changed."""

    def __init__(self, visits: Sequence[StrandedVisit]) -> None:
        super().__init__(f"stranded: {[visit.reference for visit in visits]}")
        self.visits = tuple(visits)


class OlderFile(BookingError):
    """The settings have changed since the file was written; nothing was changed."""

    def __init__(self, revision: int, current: int) -> None:
        super().__init__(f"written at settings revision {revision}, now {current}")
        self.revision = revision
        self.current = current


def check(text: str) -> list[Fault]:
    """Every fault of a clinic file, in the order of its lines. Nothing is read or changed."""
    try:
        file.parse(text)
    except ClinicFileInvalid as invalid:
        return invalid.faults
    return []


def dump(slug: str) -> str:
    """The clinic as a file, with the revision of its settings. Raises NotFound."""
    clinic = by_slug(slug)
    users = tuple(
        StaffUser(person.email, person.name, file.StaffRole(role)) for person, role in entries.staff(clinic.id)
    )
    return file.dump(replace(_stored(clinic, entries.read(clinic.id)), staff=users), clinic.revision)


def load(text: str, *, keep_visits: bool = False, force: bool = False, now: datetime) -> Loaded:
    """Create the clinic that a file describes, or bring it to what the file says; a second time nothing changes.

    Raises ClinicFileInvalid; OlderFile unless `force`; and Stranded where future visits would lose their hours,
    room or practitioner, unless `keep_visits`: then they stay as they are, marked for the desk.
    """
    change = _Change(Action.CLINIC_LOADED, "", WORKER, now)
    return _load(file.parse(text), change, keep_visits=keep_visits, force=force)


def current(slug: str) -> ClinicFile:
    """The clinic's settings with their revision, as a file without staff would say them. Raises NotFound."""
    clinic = by_slug(slug)
    return replace(_stored(clinic, entries.read(clinic.id)), revision=clinic.revision)


def before(clinic_id: int, revision: int) -> ClinicFile | None:
    """The settings as they were at this revision, if they changed since and that is still known."""
    known = version.find(clinic_id, revision)
    return file.parse(known.file) if known else None


def save(wanted: ClinicFile, part: str, *, keep_visits: bool = False, by: Caller, now: datetime) -> Loaded:
    """Bring the clinic to what a screen made of `current`; `part` names for the audit what was on the screen.

    Raises OlderFile if the settings were changed since they were read, and Stranded unless `keep_visits`, as `load`.
    """
    return _load(wanted, _Change(Action.SETTINGS_CHANGED, part, by, now), keep_visits=keep_visits)


def may_undo(clinic_id: int, revision: int, by: Caller) -> bool:
    """Whether the change that led to this revision of the settings is known, and the caller's to undo: owners undo
    all changes, others their own."""
    known = version.find(clinic_id, revision - 1)
    return known is not None and (by.role == file.StaffRole.OWNER or by.id == known.changed_by is not None)


def undo(clinic_id: int, revision: int, *, keep_visits: bool = False, by: Caller, now: datetime) -> Loaded:
    """Bring the settings back to what they were before the change that led to this revision.

    Raises OlderFile if they were changed again since, NotAllowed for another's change, Stranded unless `keep_visits`.
    """
    known = before(clinic_id, revision - 1)
    if known is None or not may_undo(clinic_id, revision, by):
        raise NotAllowed
    change = _Change(Action.SETTINGS_CHANGED, "undo", by, now)
    return _load(replace(known, revision=revision), change, keep_visits=keep_visits)


@transaction
def add_time_off(
    clinic_id: int,
    practitioner: str,
    from_: datetime,
    to: datetime,
    note: str = "",
    *,
    keep_visits: bool = False,
    by: Caller,
    now: datetime,
) -> Loaded:
    """Give a practitioner (by slug) time off from one wall clock time (naive, whole five minutes) to another.

    The front desk may, and practitioners for themselves: the caller sees to that. Raises NotFound, Invalid for
    "from", "to" or "note", and Stranded where visits lie in it, unless `keep_visits`: then they stay, marked for the
    desk.
    """
    values = _locked_values(clinic_id)
    entry = {"from": from_, "to": to} | ({"note": note} if note else {})
    _practitioner(values, practitioner).setdefault("time_off", []).append(entry)
    change = _Change(Action.TIME_OFF_ADDED, f"practitioners:{practitioner}", by, now)
    try:
        return _load(file.from_values(values), change, keep_visits=keep_visits)
    except ClinicFileInvalid as invalid:
        raise Invalid({str(fault.path[-1]): _FAULTS[fault.path[-1]] for fault in invalid.faults}) from None


_FAULTS: Mapping[str | int, str] = {"from": "period", "to": "period", "note": "text"}


@transaction
def remove_time_off(
    clinic_id: int, practitioner: str, from_: datetime, to: datetime, *, by: Caller, now: datetime
) -> Loaded:
    """Take back a practitioner's time off with exactly these ends (naive wall clock). Raises NotFound if it is gone."""
    values = _locked_values(clinic_id)
    person = _practitioner(values, practitioner)
    kept = [entry for entry in person.get("time_off", []) if (entry["from"], entry["to"]) != (from_, to)]
    if len(kept) == len(person.get("time_off", [])):
        raise NotFound
    person["time_off"] = kept
    change = _Change(Action.TIME_OFF_REMOVED, f"practitioners:{practitioner}", by, now)
    return _load(file.from_values(values), change)


def _locked_values(clinic_id: int) -> dict[str, Any]:
    slug = by_id(clinic_id).slug
    entries.locked(slug)
    return file.as_values(current(slug))


def _practitioner(values: Mapping[str, Any], slug: str) -> dict[str, Any]:
    for person in values.get("practitioners", []):
        if person["slug"] == slug:
            found: dict[str, Any] = person
            return found
    raise NotFound


@dataclass(frozen=True, slots=True)
class _Change:
    """Who changes what, for the audit."""

    action: Action
    part: str
    by: Caller
    now: datetime


@transaction
def _load(wanted: ClinicFile, change: _Change, *, keep_visits: bool = False, force: bool = False) -> Loaded:
    now = change.now
    clinic = entries.locked(wanted.clinic.slug)
    if clinic is None:
        clinic = Clinic(slug=wanted.clinic.slug, created_at=now, revision=1)
        _apply(clinic, wanted, Entries([], [], [], [], [], [], []), now)
        _record(clinic, change)
        new_staff = _add_staff(clinic.id, wanted.staff, now)
        return Loaded(clinic.id, 1, created=True, changed=True, new_staff=new_staff)

    known = entries.read(clinic.id)
    stored = _stored(clinic, known)
    if stored == replace(wanted, staff=()):
        new_staff = _add_staff(clinic.id, wanted.staff, now)
        return Loaded(clinic.id, clinic.revision, created=False, changed=bool(new_staff), new_staff=new_staff)
    if wanted.revision is not None and wanted.revision < clinic.revision and not force:
        raise OlderFile(wanted.revision, clinic.revision)
    plan = diary.current_plan(clinic.id)
    said = file.dump(stored, clinic.revision)
    version.keep(clinic.id, clinic.revision, said, staff_id=_staff_id(change.by), now=now)
    clinic.revision += 1
    _apply(clinic, wanted, known, now)
    visits = _strand(plan, diary.fresh_plan(clinic.id, clinic.revision), now)
    if visits and not keep_visits:
        raise Stranded(visits)
    _record(clinic, change)
    new_staff = _add_staff(clinic.id, wanted.staff, now)
    return Loaded(clinic.id, clinic.revision, created=False, changed=True, stranded=visits, new_staff=new_staff)


def _staff_id(by: Caller) -> int | None:
    return by.id if by.kind == "staff" else None


def _record(clinic: Clinic, change: _Change) -> None:
    audit.record(
        clinic.id, change.action, by=change.by, now=change.now, object=change.part, revision=str(clinic.revision)
    )


def _strand(before: Plan, after: Plan, now: datetime) -> tuple[StrandedVisit, ...]:
    """Mark the visits that fitted the settings before and don't any more, and return them by start.

    Those that were marked and fit again lose the mark.
    """
    ahead = entries.visits_ahead(after.clinic, now)
    facts = [_visit(appointment, ticks) for appointment, ticks in ahead]
    was, misfits = unfit(before, facts), unfit(after, facts)
    why = {id: codes - was.get(id, frozenset()) for id, codes in misfits.items()}
    found = sorted(
        (appointment for appointment, _ in ahead if why.get(appointment.id)), key=lambda a: (a.starts_at, a.id)
    )
    mended = [a for a, _ in ahead if a.needs_desk == STRANDED and a.id not in misfits]
    for appointment in found:
        appointment.needs_desk = STRANDED
    for appointment in mended:
        appointment.needs_desk = None
    if found or mended:
        bump_board(after.clinic)
    practitioners = {**after.practitioners, **before.practitioners}
    services = {**after.services, **before.services}
    return tuple(
        StrandedVisit(
            a.reference,
            a.public_id,
            a.starts_at,
            a.zone,
            practitioners[a.practitioner_id].name,
            services[a.service_id].name,
            tuple(sorted(why[a.id])),
        )
        for a in found
    )


def _visit(appointment: Appointment, room_ticks: list[int]) -> Visit:
    return Visit(
        appointment.id,
        appointment.service_id,
        appointment.practitioner_id,
        appointment.location_id,
        appointment.room_id,
        Window(tick_of(appointment.starts_at), tick_after(appointment.ends_at)),
        room_ticks,
    )


def _add_staff(clinic_id: int, users: Iterable[StaffUser], now: datetime) -> tuple[StaffUser, ...]:
    """Give those who have no role in the clinic yet the one of the file; return them. Nobody loses one."""
    added = []
    for user in users:
        person = staff.find_or_add(user.email, name=user.name, now=now)
        if staff.role(clinic_id, person.id) is None:
            staff.give_role(clinic_id, person.id, user.role)
            added.append(user)
    return tuple(added)


# From the file to rows.


def _apply(clinic: Clinic, wanted: ClinicFile, known: Entries, now: datetime) -> None:
    """Make the clinic's rows say what the file says."""
    actors = {kind: {row.slug: row for row in known.actors if row.kind == kind} for kind in ("room", "practitioner")}
    if known.actors:
        _bump(actors, _stored(clinic, known), wanted)
    _set(clinic, _columns(wanted.clinic))
    db.session.add(clinic)
    db.session.flush()
    locations = _kept(Location, clinic.id, {row.slug: row for row in known.locations}, wanted.locations, now)
    for location in wanted.locations:
        _set(locations[location.slug], _columns(location))
    db.session.flush()
    rooms = _kept(Actor, clinic.id, actors["room"], wanted.rooms, now, kind="room")
    for room in wanted.rooms:
        place = locations[room.location].id
        _set(rooms[room.slug], {"name": room.name, "capacity": room.places, "location_id": place})
    reasons = {_first(text): text for text in wanted.clinic.conditions}
    people = _kept(Actor, clinic.id, actors["practitioner"], wanted.practitioners, now, kind="practitioner")
    for person in wanted.practitioners:
        columns = _columns(person, but=("services", "hours", "extra_hours", "time_off"))
        _set(people[person.slug], columns | {"conditions": [reasons[name] for name in person.conditions]})
    services = _kept(Service, clinic.id, {row.slug: row for row in known.services}, wanted.services, now)
    for service in wanted.services:
        columns = _columns(service, but=("rooms", "first_visit"))
        _set(services[service.slug], columns | {"conditions": [reasons[name] for name in service.conditions]})
    db.session.flush()
    for service in wanted.services:
        first_visit = services[service.first_visit].id if service.first_visit else None
        services[service.slug].first_visit_id = first_visit
    entries.clear_times(clinic.id, but=[row.id for row in actors["practitioner"].values() if row.archived_at])
    db.session.add_all(_links(clinic.id, wanted, services, people, rooms))
    db.session.add_all(_times(clinic.id, wanted, locations, people, rooms))
    db.session.flush()


def _bump(actors: Mapping[str, Mapping[str, Actor]], before: ClinicFile, after: ClinicFile) -> None:
    """Raise the revision of every actor about whom the file says something else, or nothing any more."""
    for kind, old, new in (
        ("room", before.rooms, after.rooms),
        ("practitioner", before.practitioners, after.practitioners),
    ):
        said, says = ({entry.slug: entry for entry in entries_} for entries_ in (old, new))
        for slug, row in actors[kind].items():
            if said.get(slug) != says.get(slug):
                row.revision += 1


Row = TypeVar("Row", Location, Actor, Service)


def _kept(
    model: type[Row],
    clinic_id: int,
    known: Mapping[str, Row],
    wanted: Sequence[file.Location | file.Room | file.Practitioner | file.Service],
    now: datetime,
    **fixed: str,
) -> dict[str, Row]:
    """The rows of the wanted entries by slug, new ones among them; the others are archived."""
    rows = {
        entry.slug: known.get(entry.slug) or model(clinic_id=clinic_id, slug=entry.slug, **fixed) for entry in wanted
    }
    for position, row in enumerate(rows.values()):
        row.position, row.archived_at = position, None
    for slug, row in known.items():
        if slug not in rows and row.archived_at is None:
            row.archived_at = now
    db.session.add_all(rows.values())
    return rows


def _links(
    clinic_id: int,
    wanted: ClinicFile,
    services: Mapping[str, Service],
    people: Mapping[str, Actor],
    rooms: Mapping[str, Actor],
) -> Iterator[ServiceActor]:
    gives = [
        (slug, people[person.slug], n) for person in wanted.practitioners for n, slug in enumerate(person.services)
    ]
    uses = [(service.slug, rooms[slug], n) for service in wanted.services for n, slug in enumerate(service.rooms)]
    for service_slug, actor, position in gives + uses:
        service_id = services[service_slug].id
        yield ServiceActor(clinic_id=clinic_id, service_id=service_id, actor_id=actor.id, position=position)


def _times(
    clinic_id: int,
    wanted: ClinicFile,
    locations: Mapping[str, Location],
    people: Mapping[str, Actor],
    rooms: Mapping[str, Actor],
) -> Iterator[AvailableTime | ExtraTime | NotAvailable]:
    for person in wanted.practitioners:
        actor_id = people[person.slug].id
        for hours in person.hours:
            yield AvailableTime(
                clinic_id=clinic_id,
                actor_id=actor_id,
                location_id=locations[hours.location].id,
                days=sum(1 << day for day in hours.days),
                opens=hours.opens,
                closes=hours.closes,
                weeks=hours.weeks,
                since_on=hours.since,
                until_on=hours.until,
            )
        for extra in person.extra_hours:
            yield ExtraTime(
                clinic_id=clinic_id,
                actor_id=actor_id,
                location_id=locations[extra.location].id,
                opens_on=extra.on,
                opens=extra.opens,
                closes=extra.closes,
            )
        for off in person.time_off:
            yield NotAvailable(
                clinic_id=clinic_id, actor_id=actor_id, from_time=off.starts, to_time=off.ends, name=off.note
            )
    for closure in wanted.closures:
        yield NotAvailable(
            clinic_id=clinic_id,
            actor_id=rooms[closure.room].id if closure.room else None,
            location_id=locations[closure.location].id if closure.location else None,
            from_time=closure.starts,
            to_time=closure.ends,
            name=closure.name,
        )


def _set(row: Clinic | Location | Actor | Service, columns: Mapping[str, Any]) -> None:
    for name, value in columns.items():
        setattr(row, name, value)


def _columns(entry: Any, *, but: Collection[str] = ()) -> dict[str, Any]:
    """The fields of an entry as columns hold them; they bear the same names."""
    return {field.name: _column(getattr(entry, field.name)) for field in fields(entry) if field.name not in but}


def _column(value: Any) -> Any:
    if isinstance(value, tuple):
        return [asdict(entry) if isinstance(entry, Stage) else entry for entry in value]
    return value.value if isinstance(value, StrEnum) else value


# From rows to the file.


def _stored(clinic: Clinic, known: Entries) -> ClinicFile:
    """What the clinic's rows say, as a file without staff would. Archived entries are left out."""
    locations = {row.id: row for row in known.locations}
    live = [row for row in known.actors if row.archived_at is None]
    rooms = {row.id: row for row in live if row.kind == "room"}
    people = {row.id: row for row in live if row.kind == "practitioner"}
    services = {row.id: row for row in known.services}
    gives = {link: services[link.service_id].slug for link in known.links if link.actor_id in people}
    uses = {link: rooms[link.actor_id].slug for link in known.links if link.actor_id in rooms}
    return ClinicFile(
        clinic=_read(
            file.Clinic,
            clinic,
            confirmation=file.Confirmation(clinic.confirmation),
            notices=file.Notices(clinic.notices),
            declines=file.Declines(clinic.declines),
        ),
        locations=tuple(_read(file.Location, row) for row in known.locations if row.archived_at is None),
        rooms=tuple(
            file.Room(row.slug, row.name, locations[row.location_id].slug, row.capacity)
            for row in rooms.values()
            if row.location_id
        ),
        services=tuple(
            _read(
                file.Service,
                row,
                stages=_stages(row.stages),
                new_patient_stages=_stages(row.new_patient_stages) if row.new_patient_stages else None,
                new_patients=NewPatients(row.new_patients),
                rooms=tuple(slug for link, slug in uses.items() if link.service_id == row.id),
                conditions=tuple(map(_first, row.conditions)),
                first_visit=services[row.first_visit_id].slug if row.first_visit_id else None,
            )
            for row in known.services
            if row.archived_at is None
        ),
        practitioners=tuple(
            _read(
                file.Practitioner,
                row,
                services=tuple(slug for link, slug in gives.items() if link.actor_id == row.id),
                conditions=tuple(map(_first, row.conditions)),
                hours=tuple(_hours(time, locations) for time in known.hours if time.actor_id == row.id),
                extra_hours=tuple(
                    file.ExtraHours(time.opens_on, time.opens, time.closes, locations[time.location_id].slug)
                    for time in known.extra_hours
                    if time.actor_id == row.id
                ),
                time_off=tuple(
                    file.TimeOff(off.from_time, off.to_time, off.name)
                    for off in known.not_available
                    if off.actor_id == row.id
                ),
            )
            for row in people.values()
        ),
        closures=tuple(
            file.Closure(
                off.from_time,
                off.to_time,
                off.name,
                locations[off.location_id].slug if off.location_id else None,
                rooms[off.actor_id].slug if off.actor_id else None,
            )
            for off in known.not_available
            if off.actor_id is None or off.actor_id in rooms
        ),
    )


Entry = TypeVar("Entry", file.Clinic, file.Location, file.Service, file.Practitioner)


def _read(kind: type[Entry], row: Clinic | Location | Actor | Service, **given: Any) -> Entry:
    """An entry from the columns that bear its fields' names, and from those given."""
    columns: dict[str, Any] = {
        field.name: getattr(row, field.name) for field in fields(kind) if field.name not in given
    }
    columns = {name: tuple(value) if isinstance(value, list) else value for name, value in columns.items()}
    return kind(**given, **columns)


def _hours(row: AvailableTime, locations: Mapping[int, Location]) -> file.Hours:
    days = frozenset(day for day in range(7) if row.days >> day & 1)
    place = locations[row.location_id].slug
    return file.Hours(days, row.opens, row.closes, place, row.weeks, row.since_on, row.until_on)


def _stages(rows: Iterable[Mapping[str, Any]]) -> tuple[Stage, ...]:
    return tuple(Stage(**row) for row in rows)


def _first(text: Text) -> str:
    """A text in the clinic's first language, which the file puts first."""
    return text if isinstance(text, str) else next(iter(text.values()))
