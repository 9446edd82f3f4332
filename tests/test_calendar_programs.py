"""Our calendars in other people's programs: a CalDAV server keeps them (Radicale), a command-line client fetches the
feed (vdirsyncer) and another one shows it (khal).

Events are compared by what they mean, since every program writes the lines in its own way.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import vobject
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar

from booking.actions import appointment as visits
from booking.actions import exporting, outbox
from booking.actions import feed as feed_actions
from booking.domain.access import PATIENT, WORKER, Caller
from booking.domain.appointment import Status
from booking.domain.feed import Detail, Kind
from booking.domain.message import Visit
from booking.formats import feed, ical, itip
from booking.store import feed as feeds
from booking.store.base import db
from booking.store.clinic import Clinic
from booking.store.practitioner import Actor
from tests.cast import ELM, Make
from tests.formats.cast import ADA
from tests.formats.cast import visit as visit_of
from tests.servers import caldav
from tests.servers.caldav import Refused, Server
from tests.servers.smtp import Mailbox

OWNER = Caller("staff", 1, "owner")
MINUTE, HALF_AN_HOUR = timedelta(minutes=1), timedelta(minutes=30)
NAME = "Zoë 🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉🦉 O;Brien, \\n\u2028END:VEVENT"
HOSTILE = (
    'Press "2";\r\nATTENDEE:mailto:eve@example.com\u2028BEGIN:VALARM\x0b\x85 then 🚪\\n, 𠮷家\u202e\ud800 ' + "🦉" * 60
)
# The clinic's file refuses control characters, so here is what it takes.
HOSTILE_ELM = ELM.replace("The blue door", r"The blue 🚪, \"2\" \\n; 𠮷家\nEND:VEVENT\n" + "🦉" * 60)
HOSTILE_ELM = HOSTILE_ELM.replace("Elm House", "Elm 🌳; House, BEGIN:VALARM")

# Where and when (in UTC) the times are hard to write, or to read.
TIMES = {
    "in winter": ("Europe/London", "2027-01-11T09:00"),
    "across the jump in spring": ("Europe/London", "2027-03-28T00:45"),
    "right after it": ("Europe/London", "2027-03-28T01:00"),
    "the repeated hour, first": ("Europe/London", "2027-10-31T00:30"),
    "the repeated hour, second": ("Europe/London", "2027-10-31T01:15"),
    "right after both": ("Europe/London", "2027-10-31T02:00"),
    "on another day of change": ("America/Chicago", "2027-03-14T08:00"),
    "after a jump of half an hour": ("Australia/Lord_Howe", "2027-10-02T15:30"),
    "where clocks never change": ("America/Phoenix", "2027-07-01T16:00"),
    "where no yearly rule holds": ("Africa/Cairo", "2027-04-30T07:00"),
}


def written(zone: str, start: str, number: int = 0) -> Visit:
    """Ada's visit there and then, in hostile words."""
    starts_at = datetime.fromisoformat(start).replace(tzinfo=UTC)
    return visit_of(
        uid=f"{zone}-{start}-{number}@mail.example.com",
        zone=zone,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=45),
        patient=NAME,
        clinic=f'Elm "North" Clinic; 🌳, {HOSTILE}',
        directions=HOSTILE,
        parking=HOSTILE,
        address=(HOSTILE, "London N1 9XX"),
    )


# What an event means, as two libraries understand it that share no code.


def meaning(text: str) -> list[tuple[Any, Any]]:
    """Each event of a calendar with all that it says, in the order of UIDs; times as instants."""
    first = sorted(_by_vobject(event) for event in getattr(_readable(text), "vevent_list", []))
    second = sorted(_by_icalendar(event) for event in Calendar.from_ical(text).events)
    return list(zip(first, second, strict=True))


NUMBERS = count()


def _readable(text: str) -> Any:
    """The calendar read by vobject, with zones under names that it never heard of: it knows their VTIMEZONE only."""
    number = next(NUMBERS)
    return vobject.readOne(re.sub(r"(?<=\bTZID[:=])(?=\w+/)", f"Unknown-{number}/", text))


def _by_vobject(component: Any) -> list[Any]:
    said = []
    for child in component.getChildren():
        if child.name == "VALARM":
            said.append(f"VALARM {_by_vobject(child)}")
            continue
        value = _instant(child.value) if isinstance(child.value, datetime) else child.value
        params = sorted((name, values) for name, values in child.params.items() if "TZID" not in name)
        said.append(f"{child.name} {params} {value}")
    return sorted(said)


def _by_icalendar(event: Any) -> list[str]:
    assert event.errors == []
    said = []
    for name, value in event.property_items():
        # Radicale's vobject takes the comma in geo:51.5,-0.1 for the end of a text, in Apple's own events too.
        if name == "X-APPLE-STRUCTURED-LOCATION":
            continue
        of = getattr(value, "dt", None)
        meant = _instant(of) if isinstance(of, datetime) else value
        params = sorted((k, v) for k, v in getattr(value, "params", {}).items() if k not in ("TZID", "VALUE"))
        said.append(f"{name} {params} {meant}")
    return sorted(said)


def start_and_end(text: str) -> tuple[datetime, datetime]:
    """The instants of the only event, by its own VTIMEZONE."""
    event = _readable(text).vevent
    return _instant(event.dtstart.value), _instant(event.dtend.value)


def _instant(time: datetime) -> datetime:
    assert time.tzinfo is not None, "a floating time: its VTIMEZONE was not understood"
    return time.astimezone(UTC)


def apart(text: str) -> list[bytes]:
    """Each event of a calendar as a calendar object of its own, as a CalDAV server wants them."""
    head = text[: text.index("BEGIN:VEVENT\r\n")]
    events = re.findall("^BEGIN:VEVENT\r\n.*?^END:VEVENT\r\n", text, re.DOTALL | re.MULTILINE)
    return [f"{head}{event}END:VCALENDAR\r\n".encode() for event in events]


def as_kept(invite: bytes) -> bytes:
    """An invite as a calendar program keeps it: without METHOD (RFC 4791, 4.1)."""
    kept = re.sub(rb"METHOD:\w+\r\n", b"", invite)
    assert kept != invite
    return kept


# A CalDAV server


@pytest.fixture(scope="module")
def started() -> Iterator[Server]:
    try:
        with caldav.running() as server:
            yield server
    except caldav.Missing as missing:
        pytest.fail(str(missing), pytrace=False)


CALENDARS = count()


@pytest.fixture
def calendar(started: Server) -> str:
    """The path of an empty calendar on the server."""
    return started.make_calendar(f"calendar-{next(CALENDARS)}")


def in_feed(told: Visit) -> bytes:
    kind, detail = Kind.PRACTITIONER, Detail.NAMES
    block = feed.block(told, Status.BOOKED, kind=kind, detail=detail, room=HOSTILE)
    return feed.calendar(feed.name(kind, HOSTILE, HOSTILE, "en"), "Europe/London", [block], year=2027)


@pytest.mark.parametrize(
    "write",
    [ical.single_file, lambda told: as_kept(itip.request(told, ADA)), in_feed],
    ids=["file", "invite", "feed"],
)
@pytest.mark.parametrize("time", TIMES)
def test_a_calendar_server_keeps_every_time_and_text(
    time: str, write: Callable[[Visit], bytes], started: Server, calendar: str
) -> None:
    told = written(*TIMES[time])
    ours = write(told)
    path = f"{calendar}a.ics"
    started.put(path, ours)
    found = started.between(calendar, told.starts_at, told.starts_at + MINUTE)
    for text in (started.get(path), found[path]):
        assert start_and_end(text) == (told.starts_at, told.ends_at)
        assert meaning(text) == meaning(ours.decode())
    assert started.between(calendar, told.starts_at - MINUTE, told.starts_at) == {}
    assert list(started.between(calendar, told.ends_at - MINUTE, told.ends_at)) == [path]
    assert started.between(calendar, told.ends_at, told.ends_at + MINUTE) == {}


def test_a_whole_feed_becomes_a_calendar_of_the_server(started: Server) -> None:
    # Radicale writes the VTIMEZONEs of a whole calendar anew, and lets winter begin an hour late.
    told = [written(*where, number) for number, (time, where) in enumerate(TIMES.items()) if time != "right after both"]
    blocks = [feed.block(one, Status.BOOKED, kind=Kind.PATIENT, detail=Detail.BUSY) for one in told]
    ours = feed.calendar("Visits 🌳", "Europe/London", blocks, year=2027)
    path = f"/{started.user}/whole/"
    started.put(path, ours)
    assert meaning(started.get(path)) == meaning(ours.decode())
    for one in told:
        found = started.between(path, one.starts_at, one.starts_at + MINUTE)
        assert (one.starts_at, one.ends_at) in map(start_and_end, found.values())


def test_an_event_follows_its_mails_on_the_server(
    app: Flask, make: Make, mailbox: Mailbox, set_clock: Callable[[datetime], None], started: Server, calendar: str
) -> None:
    make.clinic(HOSTILE_ELM)
    visit = make.appointment("Wed 10:00", person=make.person(NAME, email="zoe@example.com"))
    first, later = make.at("Wed 10:00"), make.at("Thu 15:00")

    def mailed() -> bytes:
        with app.app_context():
            outbox.deliver(make.now)
        [part] = [p for p in mailbox.to("zoe@example.com")[-1].walk() if p.get_content_type() == "text/calendar"]
        return as_kept(part.get_payload(decode=True))

    def statuses(start: datetime) -> list[str]:
        found = started.between(calendar, start.astimezone(UTC), start.astimezone(UTC) + MINUTE)
        return [_readable(text).vevent.status.value for text in found.values()]

    path = f"{calendar}{visit.public_id}.ics"
    invite = mailed()
    tag = started.put(path, invite)
    assert meaning(started.get(path)) == meaning(invite.decode())
    assert statuses(first) == ["CONFIRMED"]

    make.now += HALF_AN_HOUR
    set_clock(make.now)
    with app.app_context():
        visits.reschedule(make.elm, visit.public_id, later, by=PATIENT, now=make.now)
    update = mailed()
    with pytest.raises(Refused, match="409"):  # it is the same event, so it can't be there twice
        started.put(f"{calendar}another.ics", update)
    newer = started.put(path, update, instead_of=tag)
    with pytest.raises(Refused, match="412"):
        started.put(path, invite, instead_of=tag)
    assert meaning(started.get(path)) == meaning(update.decode())
    assert (statuses(first), statuses(later)) == ([], ["CONFIRMED"])

    make.now += HALF_AN_HOUR
    set_clock(make.now)
    with app.app_context():
        visits.cancel(make.elm, visit.public_id, by=PATIENT, now=make.now)
    cancel = mailed()
    started.put(path, cancel, instead_of=newer)
    assert meaning(started.get(path)) == meaning(cancel.decode())
    assert (statuses(first), statuses(later)) == ([], ["CANCELLED"])


def test_the_server_keeps_the_file_the_feed_and_the_export(
    app: Flask, make: Make, client: FlaskClient, tmp_path: Path, started: Server
) -> None:
    make.clinic(HOSTILE_ELM, horizon=100)
    made = [
        make.appointment(start, weeks=weeks, service="needles", person=make.person(name, email=f"a{weeks}@example.com"))
        for start, weeks, name in (("Mon 09:00", 1, NAME), ("Fri 16:00", 10, "Ada"), ("Mon 09:00", 11, NAME[::-1]))
    ]  # the clocks change between the last two
    with app.app_context():
        visits.cancel(make.elm, made[0].public_id, by=OWNER, now=make.now)
        clinic = db.session.get_one(Clinic, make.elm)
        exporting.everything(clinic, tmp_path / "out", clinic_file="", by=WORKER, now=make.now)
    client.get(make.link(made[1]))
    texts = {
        "file": client.get(f"/elm/appointments/{made[1].public_id}/invite.ics").text,
        "feed": client.get(feed_of_bo(app, make, Detail.NAMES).removeprefix("http://localhost")).text,
        "export": (tmp_path / "out/visits.ics").read_bytes().decode(),
    }
    for name, wanted in (("file", made[1:2]), ("feed", made), ("export", made)):
        calendar = started.make_calendar(name)
        for number, event in enumerate(apart(texts[name])):
            started.put(f"{calendar}{number}.ics", event)
            assert meaning(started.get(f"{calendar}{number}.ics")) == meaning(event.decode())
        for one in wanted:
            [found] = started.between(calendar, one.starts_at, one.starts_at + MINUTE).values()
            assert start_and_end(found) == (one.starts_at, one.ends_at)
            assert _readable(found).vevent.uid.value == one.uid


# Command-line clients


def feed_of_bo(app: Flask, make: Make, detail: Detail = Detail.INITIALS) -> str:
    """The address of Bo's feed."""
    with app.app_context():
        wanted = sa.select(Actor.id).where(Actor.clinic_id == make.elm, Actor.slug == "bo")
        bo = db.session.scalars(wanted).one()
        made = feed_actions.make(make.elm, Kind.PRACTITIONER, bo, detail=detail, by=OWNER, now=make.now)
        return feeds.address(made)


class Programs:
    """vdirsyncer and khal of somebody who has a home of their own, with a calendar in one of its folders."""

    def __init__(self, home: Path) -> None:
        self.home, self.calendar = home, home / "calendar"
        self.calendar.mkdir(parents=True)

    def subscribe(self, storages: dict[str, dict[str, str]]) -> None:
        """Set vdirsyncer up to bring each of these into the next one, and the last into the folder."""
        self.storages = {**storages, "files": {"type": "filesystem", "path": str(self.calendar), "fileext": ".ics"}}
        lines = ["[general]", f'status_path = "{self.home}/status"']
        for a, b in pairwise(self.storages):
            lines += [f"[pair {a}_{b}]", f'a = "{a}"', f'b = "{b}"', "collections = null"]
        for name, options in self.storages.items():
            lines += [f"[storage {name}]", *(f'{option} = "{value}"' for option, value in options.items())]
        (self.home / "vdirsyncer").write_text("\n".join(lines))
        self.vdirsyncer("discover")

    def sync(self) -> list[str]:
        """What vdirsyncer says that it did, one pair after the other."""
        pairs = [f"{a}_{b}" for a, b in pairwise(self.storages)]
        return [line for pair in pairs for line in self.vdirsyncer("sync", pair).splitlines()]

    def files(self) -> dict[str, tuple[int, str]]:
        """The calendar's files, with when each was written."""
        return {path.name: (path.stat().st_mtime_ns, path.read_text()) for path in self.calendar.iterdir()}

    def listed(self, first: str, last: str, *, zone: str = "Europe/London") -> list[dict[str, str]]:
        """What khal lists on these days, to somebody who lives in that zone."""
        config = self.home / "khal"
        config.write_text(KHAL.format(home=self.home, zone=zone))
        fields = [f"--json={field}" for field in ("start", "end", "title", "status")]
        said = self.run("khal", "-c", config, "list", *fields, first, last)
        return [event for day in said.splitlines() for event in json.loads(day)]

    def vdirsyncer(self, *arguments: str) -> str:
        return self.run("vdirsyncer", "-c", self.home / "vdirsyncer", *arguments)

    def run(self, program: str, *arguments: str | Path) -> str:
        """What a program says, which has to go well."""
        found = Path(sys.executable).with_name(program)
        if not found.exists():
            pytest.fail(f"this test needs {program}: install requirements-dev.lock (make lint does)", pytrace=False)
        # Nothing of this machine's: no home, no proxy, and a zone in which nobody of the tests lives.
        environment = {"HOME": str(self.home), "PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"}
        done = subprocess.run(
            [found, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert not re.search("error|warning|critical|traceback", said, re.IGNORECASE), said
        return said


KHAL = """\
[calendars]
[[bo]]
path = {home}/calendar
readonly = True
[sqlite]
path = {home}/khal.db
[locale]
local_timezone = {zone}
default_timezone = {zone}
timeformat = %H:%M
dateformat = %Y-%m-%d
longdateformat = %Y-%m-%d
datetimeformat = %Y-%m-%d %H:%M
longdatetimeformat = %Y-%m-%d %H:%M
"""


WEEK = ("2027-01-18", "2027-01-24")


def shown(listed: list[dict[str, str]]) -> list[tuple[str, str, str, str]]:
    return [(event["start"], event["end"], event["title"], event["status"]) for event in listed]


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path / "home")


def test_a_command_line_client_follows_the_feed(
    app: Flask, make: Make, live_server: str, set_clock: Callable[[datetime], None], programs: Programs
) -> None:
    make.clinic(horizon=100)
    programs.subscribe({"feed": {"type": "http", "url": feed_of_bo(app, make, Detail.NAMES)}})
    programs.sync()
    assert programs.files() == {}

    make.appointment("Mon 09:00", weeks=1, person=make.person(NAME, email="zoe@example.com"))
    moved = make.appointment("Mon 11:00", weeks=1)
    ended = make.appointment("Mon 14:00", weeks=1, person=make.person("Grace Hopper"))
    make.appointment("Mon 09:00", weeks=11, person=make.person("Alan Turing"))  # the day after the clocks changed
    programs.sync()
    before = programs.files()
    assert shown(programs.listed(*WEEK)) == [
        ("2027-01-18 09:00", "2027-01-18 09:30", NAME.replace("\u2028", " "), "CONFIRMED"),
        ("2027-01-18 11:00", "2027-01-18 11:30", "Ada Lovelace", "CONFIRMED"),
        ("2027-01-18 14:00", "2027-01-18 14:30", "Grace Hopper", "CONFIRMED"),
    ]
    for zone, hour in (("Europe/London", "09:00"), ("America/New_York", "04:00"), ("UTC", "08:00")):
        [(start, *_)] = shown(programs.listed("2027-03-29", "2027-03-30", zone=zone))
        assert start == f"2027-03-29 {hour}"

    assert programs.sync() == ["Syncing feed_files"]
    assert programs.files() == before  # not even written again

    make.now += HALF_AN_HOUR
    set_clock(make.now)
    with app.app_context():
        visits.reschedule(make.elm, moved.public_id, make.at("Wed 15:30", weeks=1), by=PATIENT, now=make.now)
        visits.cancel(make.elm, ended.public_id, by=PATIENT, now=make.now)
    programs.sync()
    assert shown(programs.listed(*WEEK))[1:] == [
        ("2027-01-18 14:00", "2027-01-18 14:30", "Cancelled: Grace Hopper", "CANCELLED"),
        ("2027-01-20 15:30", "2027-01-20 16:00", "Ada Lovelace", "CONFIRMED"),
    ]
    after = programs.files()
    assert len(after.items() & before.items()) == 2  # the others' files were left alone

    set_clock(make.now + timedelta(days=31))
    programs.sync()
    assert [title for _, _, title, _ in shown(programs.listed(*WEEK))[1:]] == ["Ada Lovelace"]


def test_a_client_brings_the_feed_to_a_calendar_server_and_from_there_home(
    app: Flask, make: Make, live_server: str, started: Server, calendar: str, programs: Programs
) -> None:
    account = {"username": started.user, "password": started.password}
    programs.subscribe(
        {
            "feed": {"type": "http", "url": feed_of_bo(app, make, Detail.NAMES)},
            "server": {"type": "caldav", "url": f"{started.url}{calendar}", **account},
        }
    )
    first = make.appointment("Mon 09:00", weeks=1, person=make.person(NAME, email="zoe@example.com"))
    make.appointment("Mon 11:00", weeks=1)
    programs.sync()
    [kept] = started.between(calendar, first.starts_at, first.starts_at + MINUTE).values()
    assert start_and_end(kept) == (first.starts_at, first.ends_at)
    assert [(start, title) for start, _, title, _ in shown(programs.listed(*WEEK))] == [
        ("2027-01-18 09:00", NAME.replace("\u2028", " ")),
        ("2027-01-18 11:00", "Ada Lovelace"),
    ]
    assert programs.sync() == ["Syncing feed_server", "Syncing server_files"]
