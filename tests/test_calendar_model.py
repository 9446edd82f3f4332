"""Random lives of visits: a calendar that is fed by our mails alone always ends where the database is.

Patients, the desk and calendars do anything in any order, while the mail server comes and goes. Whenever nothing is
left to send, each mailbox's calendar (`calendar_client`, a second parser) shows the visits that the database has for
its owner, at their times, and nothing else.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
import tomlkit
from flask import Flask
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from booking import mail
from booking.actions import appointment as appointments
from booking.actions import inbox
from booking.actions import outbox as sending
from booking.actions import patient as patients
from booking.actions import visit as day
from booking.domain.access import PATIENT, Caller, is_genuine, subject_of
from booking.domain.appointment import OPEN, OVER, Status, Why
from booking.domain.availability import Wish
from booking.domain.errors import BookingError
from booking.domain.message import Kind, Tell
from booking.domain.reminder import BEFORE
from booking.domain.reply import Outcome
from booking.settings import Settings
from booking.store import news
from booking.store.appointment import Appointment
from booking.store.base import CACHES, db, transaction
from booking.store.clinic import Clinic, Location
from booking.store.outbox import Message
from booking.store.patient import Patient, Person
from booking.store.practitioner import Actor, Service, invited
from booking.store.record import Merge
from tests.calendar_client import LONDON, CalendarClient, uid_in
from tests.cast import ELM, Make

CY = Caller("staff", 1, "front-desk")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
REASON, PRICE = "my back hurts", "47 pounds"
PRIVATE = (REASON, "acupuncture", PRICE)
NAMES = {"Ada Lovelace": "ada@example.com", "Bea Potter": "family@example.com", "Dan Potter": "family@example.com"}
SURNAMES = ("Lovelace", "Potter", "Stone")
ADDRESSES = ["ada@example.com", "Ada@Example.com", "family@example.com", "new@example.com", None]
PROGRAMS = ["gmail", "outlook", "apple", "thunderbird"]
PRACTITIONERS = {"bo": "bo@elm.example", "dee": "dee@elm.example", "fay": "fay@elm.example"}  # Fay wants no invites


def clinic_file() -> str:
    """Elm Clinic with three practitioners, who are there every day."""
    file: Any = tomlkit.parse(ELM)
    file["clinic"]["open_visits_per_patient"] = 5
    for service in file["services"]:
        service["price"] = PRICE
    bo = file["practitioners"][0]
    bo["hours"][0]["days"] = "Mon-Sun"
    people = []
    for slug, address in PRACTITIONERS.items():
        person = tomlkit.parse(tomlkit.dumps({"practitioners": [bo]}))["practitioners"][0]
        person |= {"slug": slug, "name": f"{slug.title()} Andersen", "email": address, "invites": slug != "fay"}
        people.append(person)
    file["practitioners"] = people
    return tomlkit.dumps(file)


class Wire:
    """Where mails are handed over. `mode` says what becomes of them: taken, refused for now, lost from sight, or no
    server is there."""

    def __init__(self, handed: Callable[[str, bytes, bool], None]) -> None:
        self.mode = "up"
        self.handed = handed

    def send(self, data: bytes, *, sender: str, to: str, by: mail.Server) -> None:
        assert f"<{sender}>".encode() in data
        if self.mode == "down":
            raise mail.Unreachable("ConnectionRefusedError")
        if self.mode == "busy":
            self.handed(to, data, False)
            raise mail.Transient(451)
        self.handed(to, data, True)
        if self.mode == "lost":
            raise mail.Transient("TimeoutError")  # it was taken, and we did not hear of it


def is_shown(machine: Lives) -> bool:
    return any(client.events for client in machine.calendars.values())


def is_quiet_enough(machine: Lives) -> bool:
    """Few visits, to which much happens."""
    return sum(row.status not in OVER for row in machine.rows()) < 3


def has(*statuses: Status) -> Callable[[Lives], bool]:
    """Whether some visit is so."""
    return lambda machine: any(row.status in statuses for row in machine.rows())


times = st.builds(
    lambda days, ticks: timedelta(days=days, hours=9, minutes=30 * ticks), st.integers(0, 3), st.integers(0, 2)
)
slugs = st.sampled_from(sorted(PRACTITIONERS))


class Lives(RuleBasedStateMachine):
    """A clinic's days. Every rule is something that somebody does; a refusal is one of the things that happen."""

    visits = Bundle("visits")
    merges = Bundle("merges")

    def __init__(self, app: Flask, clinic: int, start: datetime, restore: Callable[[], None]) -> None:
        super().__init__()
        restore()
        self.app, self.clinic, self.now = app, clinic, start
        self.settings: Settings = app.config["SETTINGS"]
        self.wire = Wire(self.handed)
        self.calendars: dict[str, CalendarClient] = {}
        self.late: dict[str, CalendarClient] = {}  # the same mailboxes, read in another order
        self.waiting: list[tuple[str, bytes]] = []
        self.quiet: set[str] = set()  # visits that stand elsewhere than was told, as the desk wished
        self.spoken_of: set[str] = set()  # that were so until the last mail about them was queued
        self.faults: list[str] = []
        self.shuffle = random.Random(0)
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(mail, "send", self.wire.send)
        self.context = app.app_context()
        self.context.push()
        self.services = dict(db.session.execute(sa.select(Service.slug, Service.id)).all())
        self.practitioners = dict(
            db.session.execute(sa.select(Actor.slug, Actor.id).where(Actor.kind == "practitioner")).all()
        )

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            db.session.remove()
            db.engine.dispose()
            self.context.pop()
            self.patch.undo()

    # What is done

    @initialize(
        confirmation=st.sampled_from(["instant", "request", "request-new"]),
        declines=st.sampled_from(["note", "cancel"]),
        seed=st.integers(0, 9),
    )
    def the_clinic(self, confirmation: str, declines: str, seed: int) -> None:
        self.shuffle.seed(seed)
        with self.changing() as execute:
            execute(sa.update(Clinic).values(confirmation=confirmation, declines=declines, notices="all"))

    @precondition(is_quiet_enough)
    @rule(
        target=visits,
        name=st.sampled_from([*NAMES, "Eve Stone"]),
        service=st.sampled_from(["visit", "visit", "needles"]),
        slug=slugs,
        at=times,
        desk=st.booleans(),
        shout=st.booleans(),
        squeeze=st.booleans(),
        told=st.booleans(),
    )
    def book(
        self, name: str, service: str, slug: str, at: timedelta, desk: bool, shout: bool, squeeze: bool, told: bool
    ) -> Any:
        address = NAMES.get(name)
        if address and shout:
            address = address.capitalize()  # a phone's keyboard
        person = Person(name, address, None if address else "+442079460123", "en")
        wish = Wish(self.services[service], new=False, practitioner=self.practitioners[slug])
        by = CY if desk else PATIENT
        words = "asked" if squeeze and desk else ""
        made = self.does(appointments.book, self.clinic, wish, self.at(at), person, by=by, note=REASON, squeeze=words)
        if told:
            self.the_worker_works()
        return made.public_id if made else multiple()

    @precondition(has(*OPEN))
    @rule(visit=visits, at=times, slug=slugs, telling=st.sampled_from([Tell.LATER, Tell.NOW, Tell.LATER, Tell.NO]))
    def the_desk_moves(self, visit: str, at: timedelta, slug: str, telling: Tell) -> None:
        to = self.practitioners[slug]
        before = self.facts(visit)
        self.on(visit, appointments.reschedule, self.at(at), practitioner=to, telling=telling, by=CY)
        if telling is Tell.NO and self.facts(visit) != before:
            self.quiet.add(visit)
            for client in self.calendars.values():
                client.unsure.add(self.row(visit).uid)

    @precondition(has(*OPEN))
    @rule(visit=visits, slug=slugs, telling=st.sampled_from([Tell.LATER, Tell.NOW]))
    def somebody_takes_over(self, visit: str, slug: str, telling: Tell) -> None:
        to, start = self.practitioners[slug], self.row(visit).starts_at
        self.on(visit, appointments.reschedule, start, practitioner=to, telling=telling, by=CY)

    @precondition(has(*OPEN))
    @rule(visit=visits)
    def the_desk_undoes_its_move(self, visit: str) -> None:
        before = news.newest(self.row(visit).id)
        self.on(visit, appointments.undo_move, by=CY)
        if news.newest(self.row(visit).id) < before and visit in self.spoken_of:
            self.quiet.add(visit)  # what would have told of it was taken back

    @precondition(has(*OPEN))
    @rule(visit=visits, at=times)
    def the_patient_moves(self, visit: str, at: timedelta) -> None:
        self.on(visit, appointments.reschedule, self.at(at), by=PATIENT)

    @precondition(has(Status.PENDING))
    @rule(visit=visits, yes=st.booleans())
    def the_desk_answers_a_request(self, visit: str, yes: bool) -> None:
        self.on(visit, appointments.confirm if yes else appointments.decline, by=CY)

    @precondition(has(Status.PENDING))
    @rule(visit=visits, at=times)
    def the_desk_offers_another_time(self, visit: str, at: timedelta) -> None:
        self.on(visit, appointments.offer, self.at(at), by=CY)

    @precondition(has(Status.PENDING))
    @rule(visit=visits)
    def the_patient_accepts_the_offer(self, visit: str) -> None:
        self.on(visit, appointments.accept, by=PATIENT)

    @precondition(has(*OPEN))
    @rule(visit=visits, desk=st.booleans(), why=st.sampled_from([None, *Why]))
    def cancel(self, visit: str, desk: bool, why: Why | None) -> None:
        self.on(visit, appointments.cancel, by=CY if desk else PATIENT, why=why if desk else None)

    @rule(visit=visits)
    def it_was_a_mistake(self, visit: str) -> None:
        self.on(visit, day.enter_in_error, by=CY)

    @rule(
        visit=visits,
        status=st.sampled_from([Status.ARRIVED, Status.CHECKED_IN, Status.FULFILLED, Status.NOSHOW]),
        there=st.booleans(),
    )
    def the_day_goes_on(self, visit: str, status: Status, there: bool) -> None:
        if there:
            self.now = max(self.now, self.row(visit).starts_at)
        self.does(day.note, self.clinic, visit, status, by=CY)

    @precondition(has(Status.ARRIVED, Status.CHECKED_IN, Status.FULFILLED, Status.NOSHOW))
    @rule(visit=visits)
    def a_step_is_taken_back(self, visit: str) -> None:
        self.does(day.take_back, self.clinic, visit, by=CY)

    @precondition(has(*OPEN))
    @rule(visit=visits)
    def the_patient_is_asked_to_choose(self, visit: str) -> None:
        self.does(day.ask_to_choose, self.clinic, visit, by=CY)

    @precondition(has(*OPEN))
    @rule(visit=visits, address=st.sampled_from(ADDRESSES))
    def the_address_is_corrected(self, visit: str, address: str | None) -> None:
        someone = db.session.get_one(Patient, self.row(visit).patient_id)
        person = Person(someone.name, address, someone.phone or "+442079460123", "en")
        self.does(patients.change, self.clinic, someone.public_id, person, expected=someone.version, by=CY)

    @precondition(lambda machine: len(machine.rows()) > 1)
    @rule(target=merges, one=visits, other=visits)
    def two_records_are_one(self, one: str, other: str) -> Any:
        ids = [db.session.get_one(Patient, self.row(visit).patient_id).public_id for visit in (one, other)]
        merge = self.does(patients.merge, self.clinic, *ids, by=CY) if ids[0] != ids[1] else None
        return merge.public_id if isinstance(merge, Merge) else multiple()

    @rule(merge=consumes(merges))
    def they_are_two_after_all(self, merge: str) -> None:
        self.does(patients.unmerge, self.clinic, merge, by=CY)

    @rule(slug=slugs, wants=st.booleans(), moved=st.booleans())
    def a_practitioner_changes_their_invites(self, slug: str, wants: bool, moved: bool) -> None:
        address = f"{slug}@home.example" if moved else PRACTITIONERS[slug]
        with self.changing() as execute:
            execute(sa.update(Actor).where(Actor.slug == slug).values(invites=wants, email=address))
        # What they hear of their visits is as it was, until something happens to one.
        theirs = sa.select(Message.appointment_id).where(Message.address.startswith(f"{slug}@", autoescape=True))
        told = set(db.session.scalars(theirs))
        now = self.practitioners[slug]
        self.quiet |= {row.public_id for row in self.rows() if row.id in told or row.practitioner_id == now}

    @rule(door=st.sampled_from(["blue", "red"]), told=st.booleans())
    def the_clinic_changes_its_directions(self, door: str, told: bool) -> None:
        with self.changing() as execute:
            execute(sa.update(Location).values(directions=f"Take the {door} door."))
        for visit in sending.outdated(self.clinic, self.now) if told else ():
            self.on(visit, sending.update, by=CY)

    # What calendars answer

    @precondition(is_shown)
    @rule(data=st.data(), status=st.sampled_from(["ACCEPTED", "TENTATIVE", "DECLINED"]))
    def a_calendar_answers(self, data: st.DataObject, status: str) -> None:
        self.answered(data, status)

    @precondition(is_shown)
    @rule(data=st.data())
    def a_calendar_declines(self, data: st.DataObject) -> None:
        """Where the clinic says so this cancels, so it is done as often as all else."""
        self.answered(data, "DECLINED")

    def answered(self, data: st.DataObject, status: str) -> None:
        client, uid = self.pick(data)
        shown, visit = client.events[uid], self.standing(uid)
        is_to_come = visit is not None and visit.ends_at > self.now + SECOND
        is_known = is_to_come and visit.public_id not in self.quiet and not self.is_queued(visit)
        is_so = visit is not None and shown.times == (visit.starts_at, visit.ends_at)
        content = client.answer(uid, status, at=self.now + SECOND, program=data.draw(st.sampled_from(PROGRAMS)))
        outcome = self.receive(content)
        if not is_so:
            assert outcome is not Outcome.TAKEN, "an answer to other times"
        elif is_known:
            assert outcome is Outcome.TAKEN, f"an answer about the visit as it stands is {outcome}"
        assert self.receive(content) is not Outcome.TAKEN, "the same answer twice"

    @precondition(is_shown)
    @rule(data=st.data(), at=times, yes=st.booleans())
    def a_calendar_proposes_another_time(self, data: st.DataObject, at: timedelta, yes: bool) -> None:
        client, uid = self.pick(data)
        outcome = self.receive(client.counter(uid, self.at(at), at=self.now + SECOND))
        visit = self.standing(uid)
        if outcome is Outcome.TAKEN and visit and yes:
            self.on(visit.public_id, appointments.reschedule, self.at(at), by=CY)
        elif outcome is Outcome.TAKEN and visit:
            self.does(inbox.decline_counter, self.clinic, visit.public_id, by=CY)

    @precondition(is_shown)
    @rule(data=st.data())
    def a_calendar_asks_again(self, data: st.DataObject) -> None:
        client, uid = self.pick(data)
        self.receive(client.answer(uid, "NEEDS-ACTION", at=self.now, program="thunderbird", method="REFRESH"))

    @precondition(is_shown)
    @rule(data=st.data(), sender=st.sampled_from(["eve@example.com", "family@example.com", "dee@elm.example"]))
    def somebody_forges_an_answer(self, data: st.DataObject, sender: str) -> None:
        client, uid = self.pick(data)
        if not self.is_invited(uid, sender):
            content = client.answer(uid, "DECLINED", at=self.now + SECOND, sender=sender)
            assert self.receive(content) is not Outcome.TAKEN

    # What passes

    @rule(span=st.sampled_from([SECOND, MINUTE, 2 * MINUTE, 3 * MINUTE, 20 * MINUTE, 3 * HOUR, 13 * HOUR]))
    def time_passes(self, span: timedelta) -> None:
        self.now += span

    @rule(visit=visits, mode=st.sampled_from(["up", "busy"]))
    def it_is_the_day_before(self, visit: str, mode: str) -> None:
        self.now = max(self.now, self.row(visit).starts_at - BEFORE)
        self.wire.mode = mode
        self.the_worker_works()

    @rule(mode=st.sampled_from(["up", "down", "busy", "lost"]))
    def the_mail_server_is(self, mode: str) -> None:
        self.wire.mode = mode

    @rule()
    def the_worker_works(self) -> None:
        """As `booking worker` does each time."""
        appointments.lapse(self.now)
        appointments.remind(self.now)
        sending.deliver(self.now)
        self.check()

    @rule()
    def settle(self) -> None:
        """Until nothing is left to send."""
        self.wire.mode = "up"
        appointments.lapse(self.now)
        appointments.remind(self.now)
        while True:
            sending.deliver(self.now)
            waiting = db.session.scalars(sa.select(Message.due_at).where(Message.state == "queued")).all()
            db.session.rollback()
            if not waiting:
                break
            assert any(due > self.now for due in waiting), "something is never sent"
            self.now = min(due for due in waiting if due > self.now) + SECOND
        self.shuffle.shuffle(self.waiting)
        for to, content in self.waiting:
            self.late_client(to).receive(content)
        self.waiting.clear()
        self.check()
        wanted, ignored = self.wanted(), self.ignored()
        for order, whose in (("as sent", self.calendars), ("late", self.late)):
            shown = {
                address: {
                    uid: entry.times
                    for uid, entry in client.events.items()
                    if uid not in ignored and entry.ends_at > self.now
                }
                for address, client in whose.items()
            }
            assert {address: events for address, events in shown.items() if events} == wanted, order
            self.look_at_directions(whose)
        sequences = {visit.uid: visit.sequence for visit in self.rows()}
        for client in self.calendars.values():
            for uid, entry in client.events.items():
                assert entry.sequence <= sequences.get(uid, entry.sequence)

    # How it is looked at

    def check(self) -> None:
        found = [*self.faults]
        for client in (*self.calendars.values(), *self.late.values()):
            found += client.faults
        assert not found, "\n".join(found)

    def wanted(self) -> dict[str, dict[str, tuple[datetime, datetime]]]:
        """By address, what the database says that its calendar has to show of what is to come."""
        found: dict[str, dict[str, tuple[datetime, datetime]]] = {}
        for visit in self.rows():
            if visit.status in OVER or visit.status == Status.PENDING or visit.public_id in self.quiet:
                continue
            if visit.ends_at <= self.now:
                continue
            for address in self.invited_to(visit):
                found.setdefault(address, {})[visit.uid] = (visit.starts_at, visit.ends_at)
        return found

    def ignored(self) -> set[str]:
        return {visit.uid for visit in self.rows() if visit.public_id in self.quiet}

    def invited_to(self, visit: Appointment) -> set[str]:
        patient = db.session.get_one(Patient, visit.patient_id).email
        practitioner = invited(visit.practitioner_id)[1]
        return {address.casefold() for address in (patient, practitioner) if address}

    def is_invited(self, uid: str, address: str) -> bool:
        return any(address in self.invited_to(visit) for visit in self.rows() if visit.uid == uid)

    def handed(self, to: str, content: bytes, is_taken: bool) -> None:
        """A mail is on the wire."""
        client = self.client(to)
        if not is_taken:
            if uid := uid_in(content):
                client.perhaps.add(uid)
            return
        message = message_from_bytes(content, _class=EmailMessage, policy=default)
        row = db.session.scalars(sa.select(Message).where(Message.message_id == message["Message-ID"])).one()
        visit = db.session.get(Appointment, row.appointment_id) if row.appointment_id else None
        if row.kind == Kind.REMINDER and visit:
            self.look_at_reminder(to, str(message["Subject"]), visit)
        self.look_at_links(to, message)
        db.session.rollback()
        client.receive(content)
        self.waiting.append((to, content))

    def look_at_reminder(self, to: str, subject: str, visit: Appointment) -> None:
        local = visit.starts_at.astimezone(LONDON)
        shown = f"{local:%a} {local.day} {local:%b}, {local:%H:%M}"
        email = db.session.get_one(Patient, visit.patient_id).email or ""
        if (
            visit.status != Status.BOOKED
            or not self.now < visit.starts_at <= self.now + BEFORE
            or shown not in subject
            or to.casefold() != email.casefold()
        ):
            self.faults.append(f"{to} is reminded ({subject}) of a visit that is {visit.status} for {email} at {shown}")

    def look_at_directions(self, calendars: dict[str, CalendarClient]) -> None:
        """What calendars say beside the time is as the clinic has it, or known not to be."""
        directions = db.session.scalars(sa.select(Location.directions)).one()
        outdated = sending.outdated(self.clinic, self.now)
        for visit in self.rows():
            if visit.status != Status.BOOKED or visit.starts_at <= self.now or visit.public_id in self.quiet:
                continue
            shown = [client.events[visit.uid] for client in calendars.values() if visit.uid in client.events]
            is_so = all(str(directions) in event.description for event in shown)
            assert is_so is (visit.public_id not in outdated), (directions, [event.description for event in shown])

    def look_at_links(self, to: str, message: EmailMessage) -> None:
        """Who can still do something with a link is the patient, as their record is now."""
        for part in message.walk():
            text = (part.get_payload(decode=True) or b"").decode() if not part.is_multipart() else ""
            for link in set(re.findall(r"/a/(mg_\w+_[\w-]{43})", text.replace("\r\n ", ""))):
                visit = db.session.scalars(
                    sa.select(Appointment).where(Appointment.public_id == subject_of(link, "manage"))
                ).one()
                key, version = self.settings.secret_key, visit.link_version
                email = db.session.get_one(Patient, visit.patient_id).email or ""
                if visit.status in OVER or visit.ends_at <= self.now:
                    continue  # there is nothing left to do with it
                works = is_genuine(link, key, "manage", visit.clinic_id, visit.public_id, version)
                if works and email.casefold() != to.casefold():
                    self.faults.append(f"{to} is mailed a link to the visit of {email}: {message['Subject']}")

    # Helpers

    def does(self, action: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Do it now; what it made, None if it was refused. A second passes."""
        self.now += SECOND
        try:
            return action(*arguments, now=self.now, **options)
        except BookingError:
            db.session.rollback()
            return None

    def on(self, visit: str, action: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        """Do to a visit what is told, unless nothing comes of it."""
        before = news.newest(self.row(visit).id)
        self.does(action, self.clinic, visit, *arguments, **options)
        if news.newest(self.row(visit).id) > before:
            (self.spoken_of.add if visit in self.quiet else self.spoken_of.discard)(visit)
            self.quiet.discard(visit)

    def receive(self, content: bytes) -> Outcome:
        self.now += SECOND
        return inbox.receive(content, self.now)

    def pick(self, data: st.DataObject) -> tuple[CalendarClient, str]:
        """An event that some calendar shows."""
        stand = {row.uid for row in self.rows() if row.status in OPEN}
        shown = [
            (uid not in stand, owner, n)
            for owner, client in sorted(self.calendars.items())
            for n, uid in enumerate(client.events)
        ]
        # Most answers are about what stands.
        shown = [(owner, n) for is_gone, owner, n in sorted(shown) if not is_gone or is_gone == shown[0][0]]
        owner, n = data.draw(st.sampled_from(shown))
        return self.calendars[owner], list(self.calendars[owner].events)[n]

    def standing(self, uid: str) -> Appointment | None:
        """The visit that stands under this UID."""
        return next((row for row in self.rows() if row.uid == uid and row.status not in OVER), None)

    def is_queued(self, visit: Appointment) -> bool:
        query = sa.select(Message.id).where(
            Message.appointment_id == visit.id, Message.state == "queued", Message.method.is_not(None)
        )
        return db.session.scalar(query.limit(1)) is not None

    def client(self, address: str) -> CalendarClient:
        return self._client(self.calendars, address, in_order=True)

    def late_client(self, address: str) -> CalendarClient:
        return self._client(self.late, address, in_order=False)

    def _client(self, among: dict[str, CalendarClient], address: str, *, in_order: bool) -> CalendarClient:
        key = address.casefold()
        if key not in among:
            unnamed = SURNAMES if key.endswith(("@elm.example", "@home.example")) else ()
            among[key] = CalendarClient(key, in_order=in_order, private=PRIVATE, unnamed=unnamed)
        return among[key]

    def at(self, when: timedelta) -> datetime:
        """The instant so many days and hours after last midnight."""
        wall = self.now.astimezone(LONDON).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None) + when
        return wall.replace(tzinfo=LONDON).astimezone(UTC)

    def rows(self) -> list[Appointment]:
        db.session.rollback()
        db.session.expire_all()
        return list(db.session.scalars(sa.select(Appointment).order_by(Appointment.id)))

    def row(self, visit: str) -> Appointment:
        return next(row for row in self.rows() if row.public_id == visit)

    def facts(self, visit: str) -> tuple[object, ...]:
        row = self.row(visit)
        return row.status, row.starts_at, row.practitioner_id, row.sequence, row.uid

    @contextmanager
    def changing(self) -> Iterator[Callable[..., Any]]:
        """Write to the tables what no visit's action does."""
        statements: list[Any] = []
        yield statements.append

        @transaction
        def write() -> None:
            for statement in statements:
                db.session.execute(statement)

        write()


def hunt(app: Flask, clinic: int, now: datetime, restore: Callable[[], None], **options: Any) -> None:
    if "HYPOTHESIS_PROFILE" not in os.environ:
        # A life that went wrong is printed as it was; to shrink it takes minutes, which the deep profile has.
        options["phases"] = [Phase.explicit, Phase.reuse, Phase.generate]
        options["max_examples"] = 25
    found = hypothesis.settings(stateful_step_count=50, report_multiple_bugs=False, **options)
    run_state_machine_as_test(lambda: Lives(app, clinic, now, restore), settings=found)  # type: ignore[arg-type]


@pytest.mark.settings(smtp_url="smtp://mail.elm.example")
def test_every_calendar_ends_where_the_database_is(
    app: Flask, make: Make, settings: Settings, now: datetime, tmp_path: Path
) -> None:
    clinic = make.clinic(clinic_file())
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    file = Path(settings.database.removeprefix("sqlite:///"))
    fresh = shutil.copyfile(file, tmp_path / "fresh.db")

    def restore() -> None:
        for left in file.parent.glob(f"{file.name}*"):
            left.unlink()
        shutil.copyfile(fresh, file)
        app.extensions.pop(CACHES, None)

    hunt(app, clinic, now, restore)
