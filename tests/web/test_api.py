"""The JSON API, as a clinic's own website uses it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.actions import slot
from booking.store.base import db
from booking.store.patient import Patient
from booking.web import slots as written
from tests.cast import Make

BASE = "/api/v1/clinics/elm"
TUESDAY = "from=2027-01-12&to=2027-01-13"
ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}
WANTED: dict[str, Any] = {
    "service": "visit",
    "practitioner": "bo",
    "start": "2027-01-12T09:00:00+00:00",
    "patient": ADA,
    "new_patient": False,
}


class Website:
    """A program with a key of the clinic."""

    def __init__(self, client: FlaskClient, make: Make) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {make.key('book')}"}

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(BASE + path, headers=self.headers | headers)

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        return self.client.post(BASE + path, json=body, headers=self.headers | headers)

    def book(self, key: str = "one", **changes: Any) -> TestResponse:
        return self.post("/appointments", WANTED | changes, **{"Idempotency-Key": key})


@pytest.fixture
def site(client: FlaskClient, make: Make) -> Website:
    return Website(client, make)


def said(answer: TestResponse, status: int) -> dict[str, Any]:
    """The JSON of an answer: problem details when it is a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == ("application/problem+json" if status >= 400 else "application/json")
    found: dict[str, Any] = answer.json
    if status >= 400:
        assert found["status"] == status
        assert found["title"]
        assert found["detail"]
    return found


# Slots


def test_slots_are_listed_by_start_with_the_zones_offset(site: Website) -> None:
    found = said(site.get(f"/slots?service=visit&{TUESDAY}"), 200)
    assert found["slots"][0] == {
        "start": "2027-01-12T09:00:00+00:00",
        "end": "2027-01-12T09:30:00+00:00",
        "practitioner": "bo",
        "location": "main",
    }
    starts = [slot["start"] for slot in found["slots"]]
    assert starts == sorted(starts)
    assert len(starts) == 16 + 8, "Bo from nine to five, Dee from ten to two"
    assert found["next"] == "2027-01-13T09:00:00+00:00"


def test_slots_in_summer_carry_summers_offset(site: Website, set_clock: Callable[[datetime], None]) -> None:
    set_clock(datetime.fromisoformat("2027-03-01T08:00:00+00:00"))
    found = said(site.get("/slots?service=visit&from=2027-03-29&to=2027-03-30"), 200)
    assert found["slots"][0]["start"] == "2027-03-29T09:00:00+01:00"


def test_slots_are_narrowed_by_practitioner_and_by_who_comes(site: Website) -> None:
    found = said(site.get(f"/slots?service=visit&practitioner=dee&{TUESDAY}"), 200)
    assert {slot["practitioner"] for slot in found["slots"]} == {"dee"}
    first = said(site.get("/slots/first?service=needles&new=1&from=2027-01-12"), 200)["slot"]
    assert (first["start"], first["end"]) == ("2027-01-12T09:00:00+00:00", "2027-01-12T10:00:00+00:00")
    assert said(site.get("/slots/first?service=visit&practitioner=dee&from=2027-03-13"), 200) == {"slot": None}


def test_slots_can_be_counted_by_day(site: Website) -> None:
    found = said(site.get("/slots?service=visit&from=2027-01-12&to=2027-01-18&count=day"), 200)
    assert found["days"][0] == {"date": "2027-01-12", "free": 16}
    assert [day["date"] for day in found["days"]] == [f"2027-01-{day}" for day in (12, 13, 14, 15)]


def test_without_dates_slots_are_those_of_a_week_from_today(site: Website) -> None:
    dates = {slot["start"][:10] for slot in said(site.get("/slots?service=visit"), 200)["slots"]}
    assert (min(dates), max(dates)) == ("2027-01-11", "2027-01-15")


def test_the_tag_of_slots_holds_until_something_changes(
    site: Website, make: Make, now: datetime, set_clock: Callable[[datetime], None]
) -> None:
    path = f"/slots?service=visit&{TUESDAY}"

    def is_same(tag: str) -> bool:
        return site.get(path, **{"If-None-Match": tag}).status_code == 304

    tag = site.get(path).headers["ETag"]
    assert is_same(tag)
    assert site.get(path).headers["Cache-Control"] == "private, no-cache"
    assert site.get(f"{path}&practitioner=bo", **{"If-None-Match": tag}).status_code == 200
    make.hold("Tue 09:00")
    assert not is_same(tag)
    tag = site.get(path).headers["ETag"]
    said(site.book(start="2027-01-12T10:00:00Z"), 201)
    assert not is_same(tag)
    tag = site.get(path).headers["ETag"]
    set_clock(now + timedelta(minutes=5))
    assert not is_same(tag)


WRONG_QUERIES = [
    ("", "service"),
    ("service=", "service"),
    ("service=nothing", "service"),
    ("service=visit&practitioner=nobody", "practitioner"),
    ("service=visit&location=nowhere", "location"),
    ("service=VISIT", "service"),
    ("service=visit&service=visit", "service"),
    ("service=visit&practicioner=bo", "practicioner"),
    ("service=visit&from=2027-02-30", "from"),
    ("service=visit&from=1800000000", "from"),
    ("service=visit&from=0001-01-01", "from"),
    ("service=visit&from=9999-12-31", "from"),
    ("service=visit&from=2027-01-12T09:00:00", "from"),
    ("service=visit&from=2027-01-12&to=2027-01-12", "to"),
    ("service=visit&from=2027-01-12&to=2027-03-16", "to"),
    ("service=visit&from=2027-01-12&to=2026-01-12", "to"),
    ("service=visit&new=yes", "new"),
    ("service=visit&count=week", "count"),
]


def test_a_wrong_query_is_refused_by_name(site: Website) -> None:
    for query, field in WRONG_QUERIES:
        found = said(site.get(f"/slots?{query}"), 422)
        assert [fault["field"] for fault in found["errors"]] == [field], query


def test_the_slots_are_those_that_the_search_finds(app: Flask, site: Website, make: Make, now: datetime) -> None:
    make.appointment("Tue 10:00", service="needles")
    make.hold("Wed 11:00")
    for service in ("visit", "needles"):
        given = said(site.get(f"/slots?service={service}&from=2027-01-11&to=2027-01-25"), 200)
        with app.app_context():
            book = slot.read(make.elm, now)
            wish = make.wish(service, practitioner=None)
            offer = slot.search(book, wish, date(2027, 1, 11), date(2027, 1, 25))
            assert given["slots"] == [written.plain(found, book.plan) for found in offer.slots]
            assert offer.next
            assert given["next"] == written.plain(offer.next, book.plan)["start"]


def test_sixty_two_days_may_be_asked_for(site: Website) -> None:
    said(site.get("/slots?service=visit&from=2027-01-12&to=2027-03-15"), 200)


def test_a_zones_text_is_right_on_both_sides_of_a_change() -> None:
    before, after = (datetime.fromisoformat(f"2026-10-03T{clock}+00:00") for clock in ("15:00", "15:30"))
    assert written.local_text(before, "Australia/Lord_Howe") == "2026-10-04T01:30:00+10:30"
    assert written.local_text(after, "Australia/Lord_Howe") == "2026-10-04T02:30:00+11:00"


# Appointments


@pytest.mark.usefixtures("both_databases")
def test_a_key_books_looks_moves_and_cancels(site: Website, client: FlaskClient) -> None:
    answer = site.book()
    made = said(answer, 201)
    assert {name: made[name] for name in ("status", "start", "end", "service", "practitioner", "location")} == {
        "status": "booked",
        "start": "2027-01-12T09:00:00+00:00",
        "end": "2027-01-12T09:30:00+00:00",
        "service": "visit",
        "practitioner": "bo",
        "location": "main",
    }
    address = answer.headers["Location"].removeprefix(BASE)
    assert address == f"/appointments/{made['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert said(site.get(address), 200) == made
    assert client.get(made["manage_url"]).headers["Location"] == f"/elm/appointments/{made['id']}"

    moved = said(site.post(f"{address}/reschedule", {"start": "2027-01-12T11:00:00Z", "practitioner": "dee"}), 200)
    assert (moved["start"], moved["practitioner"]) == ("2027-01-12T11:00:00+00:00", "dee")
    for _ in range(2):
        assert said(site.post(f"{address}/cancel", {"reason": "Better already"}), 200)["status"] == "cancelled"
    said(site.post(f"{address}/reschedule", {"start": "2027-01-12T12:00:00Z"}), 409)


def test_a_clinic_that_confirms_first_gives_a_pending_one(client: FlaskClient, make: Make) -> None:
    make.clinic(confirmation="request")
    assert said(Website(client, make).book(), 201)["status"] == "pending"


def test_a_body_is_not_needed_to_cancel(site: Website) -> None:
    id = said(site.book(), 201)["id"]
    answer = site.client.post(f"{BASE}/appointments/{id}/cancel", headers=site.headers)
    assert said(answer, 200)["status"] == "cancelled"


@pytest.mark.usefixtures("both_databases")
def test_the_same_key_and_body_are_one_appointment(site: Website) -> None:
    first, again = said(site.book("one"), 201), said(site.book("one"), 201)
    assert first == again
    said(site.book("one", note="Another body"), 422)
    said(site.book("two"), 409)


def test_another_clinic_may_use_the_same_key(site: Website, client: FlaskClient, make: Make) -> None:
    site.book("one")
    oak = make.clinic(slug="oak", name="Oak")
    headers = {"Authorization": f"Bearer {make.key('book', clinic=oak)}", "Idempotency-Key": "one"}
    assert client.post("/api/v1/clinics/oak/appointments", json=WANTED, headers=headers).status_code == 201


def test_booking_needs_a_key_of_its_own(site: Website) -> None:
    said(site.post("/appointments", WANTED), 400)
    for key in ("", "x" * 101, "é", "a\tb"):
        said(site.book(key), 400)


def test_a_taken_time_comes_with_the_nearest_others(site: Website, make: Make) -> None:
    make.hold("Tue 09:00")
    found = said(site.book(), 409)
    assert [slot["start"][11:16] for slot in found["alternatives"]] == ["09:30", "10:00", "10:30"]
    assert set(found["alternatives"][0]) == {"start", "end", "practitioner", "location"}


NOT_ON_OFFER = [
    ("2027-01-12T03:00:00Z", "closed"),
    ("2027-01-12T09:07:00Z", "off-grid"),
    ("2027-01-10T09:00:00Z", "past"),
    ("2028-01-12T09:00:00Z", "too-far"),
]


def test_a_time_that_is_not_on_offer_says_why(site: Website) -> None:
    for start, reason in NOT_ON_OFFER:
        found = said(site.book(start=start), 409)
        assert reason in found["reasons"], start
        assert found["alternatives"], start


def test_instants_may_have_any_offset(site: Website) -> None:
    assert said(site.book(start="2027-01-12T04:00:00-05:00"), 201)["start"] == "2027-01-12T09:00:00+00:00"


WRONG_BODIES: list[tuple[dict[str, Any], str]] = [
    ({"start": "2027-01-12T09:00:00"}, "start"),
    ({"start": 1800000000}, "start"),
    ({"start": "2027-02-30T09:00:00Z"}, "start"),
    ({"start": "0001-01-01T00:00:00+14:00"}, "start"),
    ({"service": "nothing"}, "service"),
    ({"practitioner": "nobody"}, "practitioner"),
    ({"location": "nowhere"}, "location"),
    ({"new_patient": "no"}, "new_patient"),
    ({"new_patient": None}, "new_patient"),
    ({"note": "x" * 501}, "note"),
    ({"note": "a\0b"}, "note"),
    ({"status": "fulfilled"}, "status"),
    ({"clinic_id": 2}, "clinic_id"),
    ({"patient": {"name": "", "email": "ada@example.com"}}, "patient.name"),
    ({"patient": {"name": "Ada\nBcc: eve@example.com", "email": "ada@example.com\n"}}, "patient.email"),
    ({"patient": {"name": "x" * 101, "email": "ada@example.com"}}, "patient.name"),
    ({"patient": {"name": "Ada", "email": "ada"}}, "patient.email"),
    ({"patient": {"name": "Ada", "email": "a@example.com, b@example.com"}}, "patient.email"),
    ({"patient": {"name": "Ada", "phone": "12345"}}, "patient.phone"),
    ({"patient": {"name": "Ada"}}, "patient"),
    ({"patient": {"name": "Ada", "email": "ada@example.com", "id": 1}}, "patient.id"),
    ({"patient": ["Ada"]}, "patient"),
]


def test_a_wrong_body_is_refused_by_name(site: Website) -> None:
    for changes, field in WRONG_BODIES:
        found = said(site.book(**changes), 422)
        assert [fault["field"] for fault in found["errors"]] == [field], changes


def test_phones_are_read_as_the_clinics_region_writes_them(site: Website, make: Make) -> None:
    said(site.book("a", patient={"name": "Ada", "phone": "020 7946 0100"}), 201)
    said(site.book("b", patient={"name": "Eve", "phone": "+1 630 555 0142"}, start="2027-01-12T10:00:00Z"), 201)
    with make.app.app_context():
        assert set(db.session.scalars(sa.select(Patient.phone))) == {"+442079460100", "+16305550142"}


NO_OBJECTS = [
    (b'{"service": ', "application/json", 400),
    (b"", "application/json", 400),
    (b"[" * 100_000, "application/json", 400),
    (b'{"service": "\\ud800"}', "application/json", 400),
    (b'{"service": "\xff"}', "application/json", 400),
    (b"[]", "application/json", 422),
    (b"null", "application/json", 422),
    (b"NaN", "application/json", 422),
    (b"service=visit", "application/x-www-form-urlencoded", 415),
    (b"{}", "text/plain", 415),
    (b"x" * 300_000, "application/json", 413),
    (b"x" * 10_000_000, "application/json", 413),
]


def test_a_body_that_is_no_object_is_refused(site: Website) -> None:
    headers = site.headers | {"Idempotency-Key": "one"}
    for body, mimetype, status in NO_OBJECTS:
        said(site.client.post(f"{BASE}/appointments", data=body, content_type=mimetype, headers=headers), status)


def test_unknown_addresses_and_methods_answer_as_problems(site: Website, client: FlaskClient) -> None:
    said(site.get("/appointments/nothing"), 404)
    said(client.get("/api/v1/clinics/nobody/slots?service=visit"), 404)
    said(client.get("/api/v1/clinics/elm/"), 404)
    answer = client.delete(f"{BASE}/appointments", headers=site.headers)
    said(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


def test_an_expired_key_opens_nothing(site: Website, now: datetime, set_clock: Callable[[datetime], None]) -> None:
    set_clock(now + timedelta(days=30))
    assert said(site.get("/appointments/nothing"), 401)


@pytest.mark.settings(rate_limits="on")
def test_one_key_has_six_hundred_changes_a_minute(site: Website, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    from booking.web.api import appointments

    monkeypatch.setattr(appointments, "PER_MINUTE", 2)
    for _ in range(2):
        said(site.post("/appointments/nothing/cancel"), 404)
    answer = site.post("/appointments/nothing/cancel")
    said(answer, 429)
    assert 0 < int(answer.headers["Retry-After"]) <= 60
