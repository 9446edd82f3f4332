"""The demonstration: three clinics as files, and a month of made-up visits for each.

The visits are taken by the same actions as real ones, so nothing here can double-book. Which they are follows from
the clinic and the date alone. Names are invented; phones and addresses are of the ranges kept for examples.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

from booking.actions import appointment as appointments
from booking.actions import clinic as clinics
from booking.actions import outbox as sending
from booking.actions import outside as calendars
from booking.actions import slot
from booking.demo.names import FAMILY, GIVEN, NOTES
from booking.domain import availability as heart
from booking.domain.access import PUBLIC, WORKER, Caller
from booking.domain.appointment import Status
from booking.domain.availability import NewPatients, Plan, Service, Slot, Window, Wish
from booking.domain.time import day_bounds, local, tick_of
from booking.store import appointment as visits
from booking.store import clinic as clinic_rows
from booking.store import outside, staff
from booking.store import practitioner as practitioners
from booking.store.appointment import Appointment
from booking.store.base import settings, transaction
from booking.store.outside import Place
from booking.store.patient import Person

SLUGS = ("prairie", "harbor", "lakeside")
BACK, AHEAD = 9, 22  # days of the month that is filled
REGULARS = 120  # patients of a clinic who have been before
AREA_CODES = {"prairie": (630, 331), "harbor": (310, 424), "lakeside": (847, 773)}
DESK_EMAIL = "desk@booking.example"
REQUESTS = 4  # that wait for the desk, where a clinic confirms new patients


def missing() -> list[str]:
    """The demonstration's clinics that are not in the database yet."""
    there = {clinic.slug for clinic in clinic_rows.everyone()}
    return [slug for slug in SLUGS if slug not in there]


@transaction
def make(slug: str, *, now: datetime) -> None:
    """Load the clinic's file and fill its month: all of it or nothing."""
    text = (Path(__file__).parent / f"{slug}.toml").read_text(encoding="utf-8")
    clinics.load(text, now=now)
    clinic = clinic_rows.by_slug(slug)
    person = staff.find_or_add(DESK_EMAIL, name="Demo desk", now=now)
    staff.give_role(clinic.id, person.id, "owner")  # one link shows all there is
    _Month(clinic, Caller("staff", person.id, "owner"), now).fill()
    # Nobody is told of what never happened: these mails count as sent.
    sending.settle(clinic.id, now)


@transaction
def connect_calendar(*, now: datetime) -> None:
    """Let Mei's own calendar, which the demonstration serves itself, block her time: at the address of this start."""
    clinic = clinic_rows.by_slug("prairie")
    mei = next(one for one in practitioners.actors(clinic.id, "practitioner") if one.slug == "mei")
    url = f"{settings().public_url}/mailbox/calendars/mei.ics"
    there = outside.of_practitioner(clinic.id, mei.id)
    urls = {one.public_id: place.url for one in there if (place := outside.opened(one))}
    known = [id for id, known in urls.items() if urlsplit(known).path == urlsplit(url).path]
    if [urls[id] for id in known] == [url]:
        return
    for id in known:
        calendars.remove(clinic.id, id, by=WORKER, now=now)
    calendars.add(clinic.id, mei.id, Place(url), by=WORKER, now=now)


@transaction
def desk_link(*, now: datetime) -> str:
    """A new link that signs in to the desk of all three clinics, once within a day."""
    person = staff.find_or_add(DESK_EMAIL, name="Demo desk", now=now)
    return staff.new_link(person.id, expires_at=now + timedelta(days=1))


@dataclass(slots=True)
class _Known:
    """A made-up patient, and the days on which they come."""

    person: Person
    days: set[date]
    is_new: bool


class _Month:
    """What is needed to fill one clinic's month."""

    def __init__(self, clinic: clinic_rows.Clinic, desk: Caller, now: datetime) -> None:
        self.clinic, self.desk, self.now = clinic, desk, now
        self.plan: Plan = slot.read(clinic.id, now).plan
        self.zone = next(iter(self.plan.locations.values())).zone
        self.today = local(now, self.zone).date()
        self.random = random.Random(f"{clinic.slug} {self.today}")
        self.people = self._people()
        self.regulars = [_Known(next(self.people), set(), False) for _ in range(REGULARS)]
        self.requests = REQUESTS if clinic.confirmation == "request-new" else 0
        self.before = now - timedelta(days=BACK + 30)  # when all of the month was still ahead

    def fill(self) -> None:
        full = {self.today + timedelta(days=self.random.randint(*span)) for span in ((2, 3), (5, 8))}
        for offset in range(-BACK, AHEAD):
            day = self.today + timedelta(days=offset)
            for practitioner in self.plan.practitioners:
                self._fill_day(day, practitioner, 1.0 if day in full else self._share(offset))

    def _share(self, offset: int) -> float:
        """How much of a day's choice of times is gone: most of it in the past, less the further ahead."""
        if offset <= 0:
            return self.random.uniform(0.7, 0.95)
        return max(0.15, self.random.uniform(0.6, 0.85) - 0.025 * offset)

    def _fill_day(self, day: date, practitioner: int, share: float) -> None:
        most: dict[int, int] = {}
        services = [self.plan.services[id] for id in sorted(self.plan.practitioners[practitioner].services)]
        while services:
            service = self._chosen(services)
            is_new = self._comes_first(service)
            offered = self._offered(service, is_new, practitioner, day)
            most.setdefault(service.id, len(offered))
            if not offered or len(offered) <= most[service.id] * (1 - share):
                services.remove(service)
                continue
            self._visit(self._packed(offered), service, is_new, day)

    def _chosen(self, services: list[Service]) -> Service:
        """A clinic's first services are what most people come for."""
        weights = [4.0 if n == 0 else 2.0 if service.online else 0.3 for n, service in enumerate(services)]
        return self.random.choices(services, weights)[0]

    def _comes_first(self, service: Service) -> bool:
        if service.new_patients in (NewPatients.ONLY, NewPatients.NO):
            return service.new_patients is NewPatients.ONLY
        return self.random.random() < 0.1

    def _offered(self, service: Service, is_new: bool, practitioner: int, day: date) -> list[Slot]:
        since, until = day_bounds(day, self.zone)
        wish = Wish(service.id, is_new, practitioner, staff=True)
        book = slot.read(self.clinic.id, self.before)
        return heart.slots(self.plan, book, wish, Window(tick_of(since), tick_of(until)), self.before)

    def _packed(self, offered: list[Slot]) -> Slot:
        """People are offered the early times first; some want another."""
        return offered[0] if self.random.random() < 0.5 else self.random.choice(offered)

    def _visit(self, at: Slot, service: Service, is_new: bool, day: date) -> None:
        known = self._patient(is_new, day)
        made_at = min(at.start, self.now) - timedelta(minutes=self.random.randint(24 * 60, 9 * 24 * 60))
        by = self.desk
        if service.online and len(known.days) <= 2 and self.random.random() < 0.7:
            by = PUBLIC
        if is_new and self.clinic.confirmation == "request-new" and by is PUBLIC:
            if self.requests and at.start > self.now + timedelta(days=2):
                self.requests -= 1
                made_at = self.now - timedelta(minutes=self.random.randint(20, 9 * 60))
            else:
                by = self.desk
        visit = appointments.book(
            self.clinic.id,
            Wish(service.id, is_new, at.practitioner, at.location, staff=by is self.desk),
            at.start,
            known.person,
            by=by,
            now=made_at,
            note=self.random.choice(NOTES) if self.random.random() < 0.08 else "",
            remind=False,  # or tomorrow's patients would fill the mailbox
        )
        if visit.status == Status.BOOKED:
            self._follow(visit, made_at)

    def _follow(self, visit: Appointment, made_at: datetime) -> None:
        """What became of the visit by now."""
        luck = self.random.random()
        if luck < 0.05:
            cancelled_at = made_at + (min(visit.starts_at, self.now) - made_at) * 0.5
            appointments.cancel(self.clinic.id, visit.public_id, by=self.desk, now=cancelled_at)
        elif visit.ends_at <= self.now:
            status = Status.NOSHOW if luck < 0.1 else Status.FULFILLED
            self._mark(visit, status, visit.ends_at)
        elif visit.starts_at <= self.now + timedelta(minutes=10) and luck < 0.9:
            self._mark(visit, Status.ARRIVED, min(self.now, visit.starts_at - timedelta(minutes=4)))

    def _mark(self, visit: Appointment, status: Status, at: datetime) -> None:
        old, visit.status, visit.updated_at = Status(visit.status), status, at
        visits.record(visit, old, by=self.desk, now=at)

    def _patient(self, is_new: bool, day: date) -> _Known:
        """Somebody who does not come that day yet; one who came for the first time comes back as a regular."""
        if is_new:
            known = _Known(next(self.people), set(), True)
            self.regulars.append(known)
        else:
            known = self.random.choice([one for one in self.regulars if day not in one.days])
        known.days.add(day)
        return known

    def _people(self) -> Iterator[Person]:
        pairs = list(product(GIVEN, FAMILY))
        self.random.shuffle(pairs)
        for given, family in pairs:
            phone = f"+1{self.random.choice(AREA_CODES[self.clinic.slug])}55501{self.random.randint(0, 99):02}"
            email = f"{_ascii(given)}.{_ascii(family)}@example.com"
            language = self.random.choice(self.clinic.languages)
            has = self.random.random()
            yield Person(f"{given} {family}", email if has < 0.8 else None, phone if has > 0.15 else None, language)


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalpha())
