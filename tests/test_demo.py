"""The demonstration's month is made-up, but kept as real visits are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from booking import create_app, demo
from booking.actions import outbox, slot
from booking.domain.availability import Wish
from booking.domain.time import local, tick_of
from booking.settings import read as read_settings
from booking.store import clinic as clinics
from booking.store import invariants, outside
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.outbox import Message
from booking.store.patient import Patient
from booking.store.practitioner import Actor
from tests.servers import databases

NOON = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)  # a Tuesday, noon in Chicago


def demonstration(template: Path, folder: Path, slugs: tuple[str, ...]) -> Iterator[Flask]:
    url = databases.sqlite_copy(template, folder)
    app = create_app(read_settings({"BOOKING_INSTANCE": str(folder), "BOOKING_DATABASE_URL": url}))
    with app.app_context():
        for slug in slugs:
            demo.make(slug, now=NOON)
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="module")
def seeded(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """All three clinics on a Tuesday at noon. The tests here only read it."""
    yield from demonstration(sqlite_template, tmp_path_factory.mktemp("demo"), demo.SLUGS)


def test_mei_has_an_own_calendar_at_the_address_of_each_start(sqlite_template: Path, tmp_path: Path) -> None:
    for app in demonstration(sqlite_template, tmp_path, ("prairie",)):
        for port in (8000, 8000, 8080):
            url = f"http://127.0.0.1:{port}"
            changed = {"public_url": url, "calendar_origins": url}
            app.config["SETTINGS"] = app.config["SETTINGS"].model_copy(update=changed)
            demo.connect_calendar(now=NOON)
        [found] = outside.of_clinic(clinics.by_slug("prairie").id)
        assert outside.place_of(found).url == "http://127.0.0.1:8080/mailbox/calendars/mei.ics"


def test_a_new_address_makes_its_invites_out_of_date(sqlite_template: Path, tmp_path: Path) -> None:
    for _app in demonstration(sqlite_template, tmp_path, ("prairie",)):
        prairie = clinics.by_slug("prairie").id
        assert outbox.outdated(prairie, NOON) == []
        db.session.execute(sa.update(clinics.Location).values(address=["1 Elm Avenue", "Bartlett, IL 60103"]))
        db.session.commit()
        assert len(outbox.outdated(prairie, NOON)) > 50


def visits() -> list[tuple[str, str, datetime, str, str, str]]:
    query = (
        sa.select(
            clinics.Clinic.slug,
            Patient.name,
            Appointment.starts_at,
            Appointment.status,
            Actor.slug,
            Appointment.zone,
        )
        .join(Patient, Patient.id == Appointment.patient_id)
        .join(clinics.Clinic, clinics.Clinic.id == Appointment.clinic_id)
        .join(Actor, Actor.id == Appointment.practitioner_id)
        .order_by(Appointment.id)
    )
    return [tuple(row) for row in db.session.execute(query)]  # type: ignore[misc]


def test_every_invariant_holds_over_the_month(seeded: Flask) -> None:
    assert [(name, faults) for name, faults in invariants.faults(tick_of(NOON)) if faults] == []
    assert invariants.unopened() == []


def test_each_clinic_has_a_month_of_visits_on_both_sides_of_today(seeded: Flask) -> None:
    days: dict[str, set[int]] = {slug: set() for slug in demo.SLUGS}
    for slug, _name, starts_at, _status, _practitioner, zone in visits():
        days[slug].add((local(starts_at, zone).date() - local(NOON, zone).date()).days)
    assert all(len(found) >= 20 and min(found) <= -7 and max(found) >= 20 for found in days.values())


def test_the_past_is_over_today_is_under_way_and_the_future_waits(seeded: Flask) -> None:
    past = Counter(status for _, _, starts_at, status, *_ in visits() if starts_at < NOON - timedelta(hours=3))
    assert set(past) == {"fulfilled", "noshow", "cancelled"}
    assert past["fulfilled"] > 5 * past["noshow"]
    ahead = Counter(status for _, _, starts_at, status, *_ in visits() if starts_at > NOON + timedelta(hours=1))
    assert set(ahead) == {"booked", "cancelled", "pending"}
    about_now = {status for _, _, starts_at, status, *_ in visits() if abs(starts_at - NOON) < timedelta(hours=1)}
    assert "arrived" in about_now


def test_requests_wait_for_the_desk_where_new_patients_are_confirmed(seeded: Flask) -> None:
    pending = [slug for slug, _, _, status, *_ in visits() if status == "pending"]
    assert pending == ["harbor"] * demo.REQUESTS


def test_nobody_is_twice_in_a_clinic_on_one_day(seeded: Flask) -> None:
    days = Counter((slug, name, local(starts_at, zone).date()) for slug, name, starts_at, _, _, zone in visits())
    assert max(days.values()) == 1


@pytest.mark.parametrize("slug", demo.SLUGS)
def test_a_free_time_is_near_and_some_day_is_full(seeded: Flask, slug: str) -> None:
    clinic = clinics.by_slug(slug)
    book = slot.read(clinic.id, NOON)
    today = local(NOON, "America/Chicago").date()
    service = next(iter(book.plan.services))
    wish = Wish(service, new=slug == "harbor")
    first = slot.first(book, wish)
    assert first is not None
    assert first.start < NOON + timedelta(days=3)
    worked = {(local(starts_at, zone).date() - today).days for s, _, starts_at, _, _, zone in visits() if s == slug}
    free = slot.per_day(book, wish, today, today + timedelta(days=14))
    assert any(today + timedelta(days=n) not in free for n in range(1, 10) if n in worked)


def test_no_mail_goes_out_for_made_up_visits(seeded: Flask) -> None:
    # A patient without an address is on the list of those to phone: a message that failed from the start.
    mailed = sa.select(Message.state).where(Message.address != "")
    assert set(db.session.scalars(mailed)) <= {"sent", "superseded"}
    assert outbox.deliver(NOON) == 0


def test_only_reserved_phones_and_addresses_are_used(seeded: Flask) -> None:
    people = list(db.session.execute(sa.select(Patient.email, Patient.phone)))
    assert all(email is None or email.endswith("@example.com") for email, _ in people)
    assert all(phone is None or (len(phone) == 12 and phone[5:10] == "55501") for _, phone in people)
    assert all(email or phone for email, phone in people)


def test_the_same_day_gives_the_same_month(seeded: Flask, sqlite_template: Path, tmp_path: Path) -> None:
    before = [visit for visit in visits() if visit[0] == "harbor"]
    db.session.remove()
    again = demonstration(sqlite_template, tmp_path, ("harbor",))
    next(again)
    assert visits() == before
    next(again, None)


def test_what_is_there_is_not_made_again(seeded: Flask) -> None:
    assert demo.missing() == []
