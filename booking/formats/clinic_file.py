"""The clinic file: TOML that describes a clinic, read into values with every fault at once, and written back.

Everything refers to everything by slug here; ids, archiving and stranded visits are `actions/clinic`'s business.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Any, TypeVar

from booking.domain.availability import TICK_MINUTES, NewPatients, Stage, StageFault, stage_faults
from booking.domain.errors import BookingError
from booking.domain.time import closing_instant, opening_instant
from booking.formats import toml_reader as read
from booking.formats.toml_lines import lines
from booking.formats.toml_reader import Fault as Fault
from booking.formats.toml_reader import Reader

# Slugs of clinics that the URLs need for themselves.
RESERVED = frozenset(
    "a account api desk admin login logout unlock feeds static healthz readyz metrics mailbox csp-report".split()  # noqa: SIM905
)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LARGEST = 512 * 1024  # characters of a file
DAY = 24 * 60

Text = str | Mapping[str, str]  # what a patient reads: one string, or one for each language

W = TypeVar("W", int, datetime)


class Confirmation(StrEnum):
    INSTANT = "instant"
    REQUEST = "request"  # the desk confirms
    REQUEST_NEW = "request-new"  # the desk confirms new patients


class Notices(StrEnum):
    """Which mails the clinic's own address gets of what its patients do."""

    NONE = "none"
    REQUESTS = "requests"
    ALL = "all"


class Declines(StrEnum):
    """What it comes to if a patient declines the invite in their calendar."""

    NOTE = "note"  # the desk sees it
    CANCEL = "cancel"  # as if they had pressed Cancel, while they still may


class StaffRole(StrEnum):
    OWNER = "owner"
    FRONT_DESK = "front-desk"
    PRACTITIONER = "practitioner"


class ClinicFileInvalid(BookingError):
    """The file can't be loaded; all its faults, in the order of its lines."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = list(faults)


@dataclass(frozen=True, slots=True)
class Clinic:
    """Phones are E.164. Notice and lapses are minutes, the horizon is days."""

    slug: str
    name: str
    phone: str
    email: str
    region: str
    website: str | None = None
    languages: tuple[str, ...] = ("en",)
    confirmation: Confirmation = Confirmation.INSTANT
    request_lapses: int = 1440
    hold_minutes: int = 10
    minimum_notice: int = 120
    horizon: int = 60
    cancellation_notice: int = 720
    open_visits_per_patient: int = 4
    notices: Notices = Notices.REQUESTS
    day_sheet: bool = False  # tomorrow's names and times, mailed to the clinic in the evening
    declines: Declines = Declines.NOTE
    contact: Text | None = None
    privacy: Text | None = None
    before_you_come: tuple[Text, ...] = ()
    conditions: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Location:
    slug: str
    name: str
    address: tuple[str, ...]
    zone: str
    phone: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    directions: Text | None = None
    transit: Text | None = None
    parking: Text | None = None
    access: Text | None = None
    map_url: str | None = None


@dataclass(frozen=True, slots=True)
class Room:
    slug: str
    name: str
    location: str
    places: int = 1


@dataclass(frozen=True, slots=True)
class Service:
    """`conditions` are the clinic's, named in its first language."""

    slug: str
    name: Text
    stages: tuple[Stage, ...]
    public_name: Text | None = None
    description: Text | None = None
    online: bool = True
    every: int = 15
    price: Text | None = None
    rooms: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    new_patients: NewPatients = NewPatients.SAME
    first_visit: str | None = None
    new_patient_stages: tuple[Stage, ...] | None = None


@dataclass(frozen=True, slots=True)
class Hours:
    """Weekly, wall clock of the location: days from Monday = 0, minutes from midnight; `until` is the last day."""

    days: frozenset[int]
    opens: int
    closes: int
    location: str
    weeks: int = 1
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class ExtraHours:
    on: date
    opens: int
    closes: int
    location: str


@dataclass(frozen=True, slots=True)
class TimeOff:
    """Wall clock (naive), read in the zone of each location."""

    starts: datetime
    ends: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class Closure:
    """Wall clock (naive), of one location, of one room, or of the whole clinic."""

    starts: datetime
    ends: datetime
    name: str
    location: str | None = None
    room: str | None = None


@dataclass(frozen=True, slots=True)
class Practitioner:
    slug: str
    name: str
    services: tuple[str, ...]
    email: str | None = None
    invites: bool = False
    credentials: str | None = None
    licence: str | None = None
    about: Text | None = None
    conditions: tuple[str, ...] = ()
    hours: tuple[Hours, ...] = ()
    extra_hours: tuple[ExtraHours, ...] = ()
    time_off: tuple[TimeOff, ...] = ()


@dataclass(frozen=True, slots=True)
class StaffUser:
    email: str  # in lower case
    name: str
    role: StaffRole


@dataclass(frozen=True, slots=True)
class ClinicFile:
    """All that a clinic file says. `revision` is the settings revision it was dumped at; a file by hand has none."""

    clinic: Clinic
    locations: tuple[Location, ...]
    rooms: tuple[Room, ...] = ()
    services: tuple[Service, ...] = ()
    practitioners: tuple[Practitioner, ...] = ()
    closures: tuple[Closure, ...] = ()
    staff: tuple[StaffUser, ...] = ()
    revision: int | None = field(default=None, compare=False)


def parse(text: str) -> ClinicFile:
    """Return what the file says.

    Raises ClinicFileInvalid with every fault at once (a text that is not TOML has one).
    """
    text = text.removeprefix("\ufeff")
    if len(text) > LARGEST:
        raise ClinicFileInvalid([Fault(1, "", f"at most {LARGEST} characters", str(len(text)))])
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ClinicFileInvalid([_syntax_fault(text, str(error))]) from None
    except RecursionError:
        raise ClinicFileInvalid([Fault(1, "", "TOML", "values nested too deep")]) from None
    return _read(read.Source(values, lines(text)))


def from_values(values: Mapping[str, Any]) -> ClinicFile:
    """Return what a file would say that `tomllib` reads as these values.

    Raises ClinicFileInvalid with every fault at once; they know their paths, and no lines.
    """
    return _read(read.Source(values, {}))


def _read(source: read.Source) -> ClinicFile:
    result = _clinic_file(read.Table(read.Spot(source, ()), source.values))
    if source.faults:
        raise ClinicFileInvalid(sorted(source.faults, key=lambda fault: fault.line))
    return result


def _syntax_fault(text: str, message: str) -> Fault:
    said, _, place = message.partition(" (at ")
    number = re.match(r"line (\d+)", place)
    return Fault(int(number[1]) if number else text.count("\n") + 1, "", "TOML", said[:1].lower() + said[1:])


# What the file holds, table by table.


def _text(one: Reader[str], languages: Sequence[str]) -> Reader[Text]:
    """What patients read: one string, or a table with a string for each language, the first of them at least."""

    def in_languages(spot: read.Spot, value: object) -> Text:
        if not isinstance(value, dict):
            return one(spot, value)
        table = read.Table(spot, value)
        texts = {languages[0]: table.need(languages[0], one)}
        texts |= {language: table.need(language, one) for language in languages[1:] if table.has(language)}
        table.close()
        return texts

    return in_languages


def _references(known: list[str], what: str) -> Reader[tuple[str, ...]]:
    return read.distinct(read.list_of(read.one_of(known, what)))


def _clinic_slug(spot: read.Spot, value: object) -> str:
    if isinstance(value, str) and value in RESERVED:
        return spot.wrong("a slug that no other page has", value, "")
    return read.slug(spot, value)


def _days(spot: read.Spot, value: object) -> frozenset[int]:
    days: set[int] = set()
    for part in value.split(",") if isinstance(value, str) else [""]:
        first, _, last = (name.strip().capitalize() for name in part.partition("-"))
        if first not in DAYS or (last or first) not in DAYS or ("-" in part and not last):
            return spot.wrong('days such as "Mon-Fri" or "Tue,Thu"', value, frozenset[int]())
        begin = DAYS.index(first)
        days |= {(begin + n) % 7 for n in range((DAYS.index(last or first) - begin) % 7 + 1)}
    return frozenset(days)


def _clinic_file(root: read.Table) -> ClinicFile:
    settings = read.Table(root.spot.inside("clinic"), root.values.get("clinic", read.MISSING))
    root.known.append("clinic")
    revision = settings.get("revision", read.whole(1, 2**31), None)
    clinic = _clinic(settings)
    languages = clinic.languages or ("en",)
    reasons = [_first(text, languages) for text in clinic.conditions]
    regional = read.phone(clinic.region)

    tables = {name: root.tables(name) for name in ("locations", "rooms", "services", "practitioners", "closures")}
    slugs = {name: _slugs(tables[name]) for name in ("locations", "rooms", "services", "practitioners")}
    if not tables["locations"]:
        root.spot.inside("locations").wrong("at least one location", read.MISSING, None)
    result = ClinicFile(
        clinic,
        locations=tuple(_location(table, languages, regional) for table in tables["locations"]),
        rooms=tuple(_room(table, slugs["locations"]) for table in tables["rooms"]),
        services=tuple(
            _service(table, languages, reasons, slugs["rooms"], slugs["services"]) for table in tables["services"]
        ),
        practitioners=tuple(
            _practitioner(table, languages, reasons, slugs["services"], slugs["locations"])
            for table in tables["practitioners"]
        ),
        closures=tuple(_closure(table, slugs["locations"], slugs["rooms"]) for table in tables["closures"]),
        staff=_staff(root.tables("staff")),
        revision=revision,
    )
    root.close()
    _check_first_visits(tables["services"], result.services)
    zones = {location.slug: location.zone for location in result.locations}
    for table, practitioner in zip(tables["practitioners"], result.practitioners, strict=True):
        _check_overlaps(table.spot, practitioner, zones)
    return result


def _first(text: Text, languages: Sequence[str]) -> str:
    return text if isinstance(text, str) else text.get(languages[0], "")


def _slugs(tables: list[read.Table]) -> list[str]:
    """The slugs of some entries, so that others can refer to them whatever else is wrong with them."""
    slugs: list[str] = []
    for table in tables:
        slug = table.values.get("slug")
        if isinstance(slug, str) and slug in slugs:
            table.spot.inside("slug").wrong("a slug of its own", slug, None)
        elif isinstance(slug, str) and read.SLUG.fullmatch(slug):
            slugs.append(slug)
    return slugs


def _clinic(table: read.Table) -> Clinic:
    languages = table.get("languages", read.distinct(read.list_of(read.language, 20, 1)), ("en",))
    known = [language for language in languages if language] or ["en"]
    region = table.need("region", read.region)
    prose, short = _text(read.prose(4000), known), _text(read.one_line(200), known)
    minutes = read.whole(0, 60 * DAY)
    clinic = Clinic(
        slug=table.need("slug", _clinic_slug),
        name=table.need("name", read.one_line(100)),
        phone=table.need("phone", read.phone(region)),
        email=table.need("email", read.email),
        region=region,
        website=table.get("website", read.url, None),
        languages=tuple(known),
        confirmation=Confirmation(table.get("confirmation", read.one_of(list(Confirmation)), "") or "instant"),
        request_lapses=table.get("request_lapses", read.whole(5, 60 * DAY), 1440),
        hold_minutes=table.get("hold_minutes", read.whole(1, 60), 10),
        minimum_notice=table.get("minimum_notice", minutes, 120),
        horizon=table.get("horizon", read.whole(1, 730), 60),
        cancellation_notice=table.get("cancellation_notice", minutes, 720),
        open_visits_per_patient=table.get("open_visits_per_patient", read.whole(1, 100), 4),
        notices=Notices(table.get("notices", read.one_of(list(Notices)), "") or "requests"),
        day_sheet=table.get("day_sheet", read.flag, False),
        declines=Declines(table.get("declines", read.one_of(list(Declines)), "") or "note"),
        contact=table.get("contact", prose, None),
        privacy=table.get("privacy", prose, None),
        before_you_come=table.get("before_you_come", read.list_of(short), ()),
        conditions=table.get("conditions", read.distinct(read.list_of(short)), ()),
    )
    table.close()
    return clinic


def _location(table: read.Table, languages: Sequence[str], phone: Reader[str]) -> Location:
    prose = _text(read.prose(2000), languages)
    for this, other in (("latitude", "longitude"), ("longitude", "latitude")):
        if table.has(other) and not table.has(this):
            table.spot.inside(this).wrong(f"{this} together with {other}", read.MISSING, None)
    location = Location(
        slug=table.need("slug", read.slug),
        name=table.need("name", read.one_line(100)),
        address=table.need("address", read.list_of(read.one_line(100), 6, 1)),
        zone=table.need("zone", read.zone),
        phone=table.get("phone", phone, None),
        latitude=table.get("latitude", read.degrees(90), None),
        longitude=table.get("longitude", read.degrees(180), None),
        directions=table.get("directions", prose, None),
        transit=table.get("transit", prose, None),
        parking=table.get("parking", prose, None),
        access=table.get("access", prose, None),
        map_url=table.get("map_url", read.url, None),
    )
    table.close()
    return location


def _room(table: read.Table, locations: list[str]) -> Room:
    slug = table.need("slug", read.slug)
    room = Room(
        slug=slug,
        name=table.get("name", read.one_line(100), slug.replace("-", " ").capitalize()),
        location=table.need("location", read.one_of(locations, "the locations")),
        places=table.get("places", read.whole(1, 100), 1),
    )
    table.close()
    return room


def _service(
    table: read.Table, languages: Sequence[str], reasons: list[str], rooms: list[str], services: list[str]
) -> Service:
    name, prose = _text(read.one_line(100), languages), _text(read.prose(2000), languages)
    service = Service(
        slug=table.need("slug", read.slug),
        name=table.need("name", name),
        public_name=table.get("public_name", name, None),
        description=table.get("description", prose, None),
        online=table.get("online", read.flag, True),
        every=table.get("every", read.whole(5, 720, 5), 15),
        price=table.get("price", name, None),
        rooms=table.get("rooms", _references(rooms, "the rooms"), ()),
        conditions=table.get("conditions", _references(reasons, "the clinic's conditions"), ()),
        new_patients=NewPatients(table.get("new_patients", read.one_of(list(NewPatients)), "") or "same"),
        first_visit=table.get("first_visit", read.one_of(services, "the services"), None),
        stages=table.need("stages", _stages),
        new_patient_stages=table.get("new_patient_stages", _stages, None),
    )
    table.close()
    _check_goes_with(table, "new_patient_stages", service.new_patients, NewPatients.LONGER)
    _check_goes_with(table, "first_visit", service.new_patients, NewPatients.NO)
    if not service.rooms:
        for key, stages in (("stages", service.stages), ("new_patient_stages", service.new_patient_stages)):
            if stages and not any(stage.practitioner for stage in stages):
                expected = "a stage in which the practitioner is busy, or rooms"
                table.spot.inside(key).wrong(expected, read.Said("a visit that takes nobody's time"), None)
    return service


def _check_goes_with(table: read.Table, key: str, chosen: NewPatients, needed: NewPatients) -> None:
    spot = table.spot.inside(key)
    if chosen is needed and not table.has(key):
        spot.wrong(f'{key}, since new_patients = "{needed}"', read.MISSING, None)
    if chosen is not needed and table.has(key):
        spot.wrong(f'it only with new_patients = "{needed}"', read.Said(f'new_patients = "{chosen}"'), None)


def _check_first_visits(tables: list[read.Table], services: tuple[Service, ...]) -> None:
    refused = {service.slug for service in services if service.new_patients is NewPatients.NO}
    for table, service in zip(tables, services, strict=True):
        if service.first_visit in refused:
            expected = "a service that takes new patients"
            table.spot.inside("first_visit").wrong(expected, service.first_visit, None)


_STAGES = {
    StageFault.MINUTES: "minutes in fives",
    StageFault.TURNOVER: "stages without the patient only at the end",
    StageFault.NO_PATIENT: "a stage with the patient",
    StageFault.TOO_LONG: "stages of at most 24 hours together",
}


def _stages(spot: read.Spot, value: object) -> tuple[Stage, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= 20:
        return spot.wrong("a list of 1 to 20 stages such as {minutes = 30}", value, ())
    tables = [read.Table(spot.inside(number), entry) for number, entry in enumerate(value)]
    stages = []
    for table in tables:
        stage = Stage(
            minutes=table.need("minutes", read.whole(TICK_MINUTES, 600, TICK_MINUTES)),
            practitioner=table.get("practitioner", read.flag, True),
            room=table.get("room", read.flag, True),
            patient=table.get("patient", read.flag, True),
        )
        table.close()
        stages.append(stage)
    for fault in stage_faults(stages):
        where = spot
        if fault is StageFault.TURNOVER:
            where = tables[[stage.patient for stage in stages].index(False)].spot.inside("patient")
        total = sum(stage.minutes for stage in stages)
        where.wrong(_STAGES[fault], read.Said(f"{len(stages)} stages, {total} minutes"), None)
    return tuple(stages)


def _practitioner(
    table: read.Table, languages: Sequence[str], reasons: list[str], services: list[str], locations: list[str]
) -> Practitioner:
    practitioner = Practitioner(
        slug=table.need("slug", read.slug),
        name=table.need("name", read.one_line(100)),
        services=table.need("services", _references(services, "the services")),
        email=table.get("email", read.email, None),
        invites=table.get("invites", read.flag, False),
        credentials=table.get("credentials", read.one_line(200), None),
        licence=table.get("licence", read.one_line(100), None),
        about=table.get("about", _text(read.prose(2000), languages), None),
        conditions=table.get("conditions", _references(reasons, "the clinic's conditions"), ()),
        hours=tuple(_hours(each, locations) for each in table.tables("hours")),
        extra_hours=tuple(_extra_hours(each, locations) for each in table.tables("extra_hours")),
        time_off=tuple(_time_off(each) for each in table.tables("time_off")),
    )
    if practitioner.invites and not table.has("email"):
        table.spot.inside("email").wrong("an e-mail address, since invites = true", read.MISSING, None)
    table.close()
    return practitioner


def _from_to(table: read.Table, reader: Reader[W]) -> tuple[W, W]:
    faults = table.spot.source.faults
    before = len(faults)
    begin, end = table.need("from", reader), table.need("to", reader)
    if len(faults) == before and end <= begin:
        table.spot.inside("to").wrong("an end after the beginning", table.values["to"], None)
    return begin, end


def _hours(table: read.Table, locations: list[str]) -> Hours:
    opens, closes = _from_to(table, read.clock)
    hours = Hours(
        days=table.need("days", _days),
        opens=opens,
        closes=closes,
        location=table.need("location", read.one_of(locations, "the locations")),
        weeks=table.get("weeks", read.whole(1, 13), 1),
        since=table.get("since", read.day, None),
        until=table.get("until", read.day, None),
    )
    if table.has("weeks") and not table.has("since"):
        table.spot.inside("since").wrong("a date from whose week `weeks` counts", read.MISSING, None)
    if hours.since and hours.until and hours.until < hours.since:
        table.spot.inside("until").wrong("a last day not before `since`", hours.until, None)
    table.close()
    return hours


def _extra_hours(table: read.Table, locations: list[str]) -> ExtraHours:
    on = table.need("on", read.day)
    opens, closes = _from_to(table, read.clock)
    location = table.need("location", read.one_of(locations, "the locations"))
    table.close()
    return ExtraHours(on, opens, closes, location)


def _time_off(table: read.Table) -> TimeOff:
    starts, ends = _from_to(table, read.wall_time)
    note = table.get("note", read.one_line(200), "")
    table.close()
    return TimeOff(starts, ends, note)


def _closure(table: read.Table, locations: list[str], rooms: list[str]) -> Closure:
    if table.has("on"):
        on = table.need("on", read.day)
        starts = datetime.combine(on, datetime.min.time())
        ends = starts + timedelta(days=1)
        for key in ("from", "to"):
            if table.has(key):
                table.spot.inside(key).wrong("either `on`, or `from` and `to`", table.values[key], None)
    else:
        starts, ends = _from_to(table, read.wall_time)
    closure = Closure(
        starts,
        ends,
        name=table.need("name", read.one_line(200)),
        location=table.get("location", read.one_of(locations, "the locations"), None),
        room=table.get("room", read.one_of(rooms, "the rooms"), None),
    )
    if table.has("location") and table.has("room"):
        table.spot.inside("room").wrong("a location or a room, not both", table.values["room"], None)
    table.close()
    return closure


def _staff(tables: list[read.Table]) -> tuple[StaffUser, ...]:
    users: list[StaffUser] = []
    for table in tables:
        user = StaffUser(
            email=table.need("email", read.email).lower(),
            name=table.need("name", read.one_line(100)),
            role=StaffRole(table.need("role", read.one_of(list(StaffRole))) or StaffRole.FRONT_DESK),
        )
        table.close()
        if user.email and user.email in [other.email for other in users]:
            table.spot.inside("email").wrong("each address once", user.email, None)
        users.append(user)
    return tuple(users)


def _check_overlaps(spot: read.Spot, practitioner: Practitioner, zones: Mapping[str, str]) -> None:
    """Nobody can be in two places: openings in different locations may not overlap, in UTC, on any day."""
    entries: list[tuple[str, int, Hours | ExtraHours]] = [
        *(("hours", number, line) for number, line in enumerate(practitioner.hours)),
        *(("extra_hours", number, line) for number, line in enumerate(practitioner.extra_hours)),
    ]
    entries = [entry for entry in entries if entry[2].location in zones and entry[2].opens < entry[2].closes]
    if len({line.location for _, _, line in entries}) < 2:
        return
    openings = [
        (
            opening_instant(day, line.opens, zones[line.location]),
            closing_instant(day, line.closes, zones[line.location]),
            place,
            line.location,
            day,
        )
        for place, (_, _, line) in enumerate(entries)
        for day in _days_of(line, practitioner)
    ]
    told = set()
    active: list[tuple[datetime, int, str]] = []
    for starts, ends, place, location, day in sorted(openings):
        active = [opening for opening in active if opening[0] > starts]
        for _, other, elsewhere in active:
            first, second = sorted((place, other))
            if elsewhere == location or (first, second) in told:
                continue
            told.add((first, second))
            expected = "no overlap with {}[{}], which is in another location".format(*entries[first])
            key, number, _ = entries[second]
            spot.inside(key).inside(number).wrong(expected, read.Said(f"both on {DAYS[day.weekday()]} {day}"), None)
        active.append((ends, place, location))


def _days_of(line: Hours | ExtraHours, practitioner: Practitioner) -> Iterator[date]:
    """The days of a line, over a span in which any two lines that ever meet do so at least once.

    Once both have begun, their pattern repeats after the common multiple of their weeks; a year more shows how zones
    with different daylight saving meet.
    """
    if isinstance(line, ExtraHours):
        yield line.on
        return
    known = [day for hours in practitioner.hours for day in (hours.since, hours.until) if day]
    known += [extra.on for extra in practitioner.extra_hours] or [date(2026, 1, 5)]
    begun = [hours.since for hours in practitioner.hours if hours.since]
    begun += [extra.on for extra in practitioner.extra_hours]
    weeks = {hours.weeks for hours in practitioner.hours} or {1}
    span = max(math.lcm(one, other) for one in weeks for other in weeks) + 53
    earliest, latest = min(known) - timedelta(weeks=53), max(begun, default=min(known)) + timedelta(weeks=span)
    day = max(line.since or earliest, earliest)
    anchor = line.since or day
    anchor -= timedelta(days=anchor.weekday())
    while day <= min(line.until or latest, latest):
        if day.weekday() in line.days and (day - anchor).days // 7 % line.weeks == 0:
            yield day
        day += timedelta(days=1)


def as_values(clinic_file: ClinicFile) -> dict[str, Any]:
    """Return the file as `tomllib` would read it: `from_values` of it is equal to `clinic_file`."""
    clinic = clinic_file.clinic
    settings = {"revision": clinic_file.revision} if clinic_file.revision is not None else {}
    settings |= _written(clinic) | {"phone": _as_written(clinic.phone, clinic.region)}
    values: dict[str, Any] = {"clinic": settings}
    for name in ("locations", "rooms", "services", "practitioners", "closures", "staff"):
        entries = [_written(entry) for entry in getattr(clinic_file, name)]
        if entries:
            values[name] = entries
    for location in values["locations"]:
        if "phone" in location:
            location["phone"] = _as_written(location["phone"], clinic.region)
    return values


def dump(clinic_file: ClinicFile, revision: int) -> str:
    """Return the file's text, at a settings revision: `parse` of it is equal to `clinic_file`."""
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(f"{clinic_file.clinic.name}, as it stood at settings revision {revision}."))
    document.add(tomlkit.comment("Loading this file over settings that changed since then needs --force."))
    for name, value in as_values(replace(clinic_file, revision=revision)).items():
        if isinstance(value, Mapping):
            document.add(name, _table(value))
        else:
            entries = tomlkit.aot()
            for entry in value:
                entries.append(_table(entry))
            document.add(name, entries)
    return tomlkit.dumps(document)


_NAMES = {"opens": "from", "closes": "to", "starts": "from", "ends": "to"}
_ALWAYS = (Clinic, Room)  # their settings are written even where they are what they would be anyway


def _written(entry: Any) -> dict[str, Any]:
    """An entry's keys and values as the file has them, without those that go without saying."""
    values: dict[str, Any] = {}
    for spec in entry.__dataclass_fields__.values():
        value = getattr(entry, spec.name)
        if value is None or value == () or (value == spec.default and not isinstance(entry, _ALWAYS)):
            continue
        values[_NAMES.get(spec.name, spec.name)] = _plain(spec.name, value)
    if isinstance(entry, Closure) and _is_whole_day(entry):
        del values["to"]
        values = {"on": values.pop("from").date(), **values}
    return values


def _plain(name: str, value: Any) -> Any:
    if name in ("opens", "closes"):
        return f"{value // 60:02}:{value % 60:02}"
    if name == "days":
        return _days_written(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [_written(entry) if hasattr(entry, "__dataclass_fields__") else entry for entry in value]
    return value


def _days_written(days: frozenset[int]) -> str:
    parts = []
    for _, group in groupby(enumerate(sorted(days)), key=lambda pair: pair[1] - pair[0]):
        run = [DAYS[day] for _, day in group]
        parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else run
    return ",".join(parts)


def _is_whole_day(closure: Closure) -> bool:
    midnight = datetime.combine(closure.starts.date(), datetime.min.time())
    return closure.starts == midnight and closure.ends == midnight + timedelta(days=1)


def _as_written(phone: str, region: str) -> str:
    import phonenumbers

    number = phonenumbers.parse(phone)
    at_home = phonenumbers.region_code_for_number(number) == region
    style = phonenumbers.PhoneNumberFormat.NATIONAL if at_home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(number, style)


def _table(values: Mapping[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.table()
    # Long texts in several languages read best as tables of their own, which must follow the plain keys.
    long = {key: value for key, value in values.items() if isinstance(value, Mapping) and len(str(value)) > 100}
    for key, value in values.items():
        if key not in long:
            table.add(key, _item(value))
    for key, texts in long.items():
        table.add(key, _table(texts))
    return table


def _item(value: Any) -> Any:
    import tomlkit

    if isinstance(value, Mapping):
        inline = tomlkit.inline_table()
        for key, entry in value.items():
            inline.add(key, _item(entry))
        return inline
    if isinstance(value, list):
        array = tomlkit.array()
        for entry in value:
            array.append(_item(entry))
        return array.multiline(any(isinstance(entry, Mapping) for entry in value) or len(str(value)) > 100)
    if isinstance(value, str):
        return tomlkit.string(value, multiline="\n" in value)
    return value
