"""What goes wrong, in words: every refusal is a page in the clinic's look that leads to its phone and to its times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from booking.domain import errors as domain
from booking.domain.availability import Reason, ReasonCode
from booking.store.base import db
from booking.web import errors
from booking.web.access import allow
from tests.cast import Make
from tests.desk import token_in
from tests.two_clinics import Clinic, open_clinic

NINE = datetime(2027, 1, 12, 9, tzinfo=UTC)
REFUSALS = [
    (domain.NotFound(), 404),
    (domain.NotAllowed(), 403),
    (domain.NotProven(), 422),
    (domain.LastOwner(), 409),
    (domain.SlotTaken(NINE), 409),
    (domain.NotOffered(NINE, [Reason(ReasonCode.CLOSED)]), 409),
    (domain.NotOffered(NINE, []), 409),
    (domain.TooLate(NINE), 409),
    (domain.TooManyVisits(1), 409),
    (domain.TooManyVisits(4), 409),
    (domain.PatientBusy(NINE), 409),
    (domain.WrongStatus("cancelled"), 409),
    (domain.Changed(2), 409),
    (domain.PlaceTaken(3), 409),
    (domain.LastOwner(), 409),
    (domain.NotProven(), 422),
    (domain.PlaceTaken(3), 409),
    (domain.Changed(2), 409),
    (domain.KeyReused(), 422),
    (domain.RateLimited(30), 429),
    (domain.Busy(), 409),
    (domain.Invalid({"phone": "phone"}), 422),
]


@pytest.fixture
def elm(make: Make) -> Clinic:
    return open_clinic(make, "elm")


def is_helpful(answer: TestResponse, status: int) -> bool:
    """A page in the clinic's look, with its phone, its directions and the way to book."""
    assert answer.status_code == status, answer.status
    assert answer.mimetype == "text/html"
    found = 'href="tel:+442079460142"', "020 7946 0142", 'href="/elm/directions"', 'href="/elm/book"', "base.css"
    return all(part in answer.text for part in found)


# Words


def test_every_refusal_has_words_and_a_status(app: Flask, elm: Clinic) -> None:
    declared = {
        found for found in vars(domain).values() if isinstance(found, type) and found.__base__ is domain.BookingError
    }
    assert {type(error) for error, _ in REFUSALS} == declared
    with app.test_request_context("/elm/"):
        app.preprocess_request()
        for error, status in REFUSALS:
            assert errors.status_of(error) == status
            said = errors.words(error)
            assert said[0].isupper(), said
            assert said != errors.words(domain.BookingError()), error


def test_every_reason_has_a_sentence(app: Flask) -> None:
    with app.test_request_context("/"):
        app.preprocess_request()
        for code in ReasonCode:
            assert errors.reason_words(Reason(code)).endswith(".")


def test_a_taken_time_is_named_in_its_zone(app: Flask) -> None:
    with app.test_request_context("/"):
        app.preprocess_request()
        assert errors.words(domain.SlotTaken(NINE), "America/Chicago") == "Someone just took 3:00 am."


# Pages


def test_a_refusal_becomes_a_page_or_a_problem(app: Flask, elm: Clinic) -> None:
    raising: list[BaseException] = []

    @allow("public")
    def fail() -> str:
        raise raising[-1]

    app.add_url_rule("/<clinic>/fail", "fail", fail)
    app.add_url_rule("/api/v1/clinics/<clinic>/fail", "fail_api", fail)
    for error, status in REFUSALS:
        raising.append(error)
        assert is_helpful(app.test_client().get("/elm/fail"), status), error
        answer = app.test_client().get("/api/v1/clinics/elm/fail")
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
        assert answer.json["detail"]
        if isinstance(error, domain.RateLimited):
            assert answer.headers["Retry-After"] == "30"


@pytest.mark.parametrize("path", ["/elm/nonsense", "/elm/book/nothing", "/elm/appointments/none", "/desk/elm/none"])
def test_what_is_not_there_still_leads_to_the_clinic(client: FlaskClient, make: Make, path: str) -> None:
    make.clinic()
    make.clinic(slug="oak", name="Oak Clinic")
    answer = client.get(path)
    assert is_helpful(answer, 404)
    assert "Oak" not in answer.text


def test_where_no_clinic_is_named_all_are_shown(client: FlaskClient, make: Make) -> None:
    make.clinic()
    assert is_helpful(client.get("/nonsense/else"), 404), "the only one"
    make.clinic(slug="oak", name="Oak Clinic")
    answer = client.get("/nobody/book")
    assert is_helpful(answer, 404)
    assert 'href="/oak/book"' in answer.text


def test_without_any_clinic_a_page_still_comes(client: FlaskClient) -> None:
    assert client.get("/nonsense/else").status_code == 404


def test_a_fault_of_ours_is_a_page_without_the_database(
    app: Flask, elm: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    @allow("public")
    def fail() -> str:
        db.session.close()
        db.engine.dispose()
        raise RuntimeError("ada@example.com")

    app.add_url_rule("/<clinic>/fail", "fail", fail)
    app.testing = False
    answer = app.test_client().get("/elm/fail")
    assert is_helpful(answer, 500)
    assert "ada@example.com" not in answer.text
    assert "Content-Security-Policy" in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_without_its_database_the_service_says_when_to_come_again(app: Flask, elm: Clinic) -> None:
    @allow("public")
    def fail() -> str:
        raise OperationalError("select 1", {}, Exception("gone"))

    app.add_url_rule("/<clinic>/fail", "fail", fail)
    answer = app.test_client().get("/elm/fail")
    assert is_helpful(answer, 503)
    assert answer.headers["Retry-After"] == "5"


def test_on_a_full_disk_bookings_wait_and_pages_go_on(app: Flask, make: Make) -> None:
    def fill(connection: Any, _record: Any) -> None:
        [size] = connection.execute("pragma page_count").fetchone()
        connection.execute(f"pragma max_page_count = {size}")

    make.clinic()
    headers = {"Authorization": f"Bearer {make.key('book')}"}

    def book(number: int) -> TestResponse:
        start = datetime(2027, 1, 12, 9, tzinfo=UTC) + timedelta(minutes=30 * (number % 16), days=number // 16)
        patient = {"name": "Ada", "email": f"ada{number}@example.com"}
        body = {"service": "visit", "practitioner": "bo", "start": start.isoformat(), "patient": patient}
        proof = headers | {"Idempotency-Key": str(number)}
        return app.test_client().post(
            "/api/v1/clinics/elm/appointments", json=body | {"new_patient": False}, headers=proof
        )

    with app.app_context():
        engine = db.engine
    engine.dispose()
    sa.event.listen(engine, "connect", fill)
    answers = []
    while not answers or answers[-1].status_code == 201:
        answers.append(book(len(answers)))
    refused = answers[-1]
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5"), refused.text
    assert app.test_client().get("/elm/book/visit").status_code == 200
    sa.event.remove(engine, "connect", fill)
    engine.dispose()
    assert book(len(answers) - 1).status_code == 201
    with app.app_context():
        assert db.session.scalar(sa.text("pragma integrity_check")) == "ok"


def test_a_broken_database_does_not_break_the_error_page(app: Flask, elm: Clinic) -> None:
    with app.app_context():
        db.session.execute(sa.text("drop table session"))
        db.session.execute(sa.text("alter table clinic rename to gone"))
        db.session.commit()
    for path in ("/elm/", "/nonsense/else"):
        answer = app.test_client().get(path)
        assert answer.status_code in (404, 503), path
        assert "<h1>" in answer.text


# Bad input


def test_unreadable_addresses_are_refused_politely(client: FlaskClient, elm: Clinic) -> None:
    for path in ("/elm/book/%00", "/elm/?lang=%00", "/elm/book?practitioner=a%00b", "/elm/\x00"):
        answer = client.get(path)
        assert 400 <= answer.status_code < 500, path
        assert "tel:+442079460142" in answer.text, path
    for path in ("/elm/%ff%fe", "/elm/%ed%a0%80", "/elm/book?reason=%ed%a0%80", "/elm/" + "x" * 9000):
        assert client.get(path).status_code < 500, path


IMPOSSIBLE = [
    "/elm/book/visit?from=2027-02-30",
    "/elm/book/visit?from=0000-00-00",
    "/elm/book/visit?from=9999-12-31",
    "/elm/book/visit?from=0001-01-01",
    "/elm/book/visit?new=2",
    "/elm/book/visit?practitioner=nobody",
    "/elm/book/visit?location=nowhere",
    "/elm/book/nothing",
    "/elm/book/visit/details",
    "/elm/book/visit/details?start=yesterday",
    "/elm/book/visit/details?start=2027-02-30T09:00:00Z",
    "/elm/book/visit/details?start=9999-12-31T23:59:59Z",
    "/elm/book/visit/details?start=0001-01-01T00:00:00%2B14:00",
    "/elm/book/visit/details?start=2027-01-12T09:00:00",
]


def test_impossible_dates_and_foreign_slugs_never_break_a_page(client: FlaskClient, elm: Clinic) -> None:
    for path in IMPOSSIBLE:
        answer = client.get(path)
        assert answer.status_code < 500, path
        assert "tel:+442079460142" in answer.text, path


def test_forged_hidden_fields_take_nothing(client: FlaskClient, elm: Clinic) -> None:
    token = token_in(client.get("/elm/book/visit?from=2027-01-12&day=2027-01-12").text)
    forged = [
        {"start": "2027-01-12T03:00:00+00:00"},
        {"start": "2027-01-12T09:07:00+00:00", "practitioner": "bo"},
        {"start": "tomorrow"},
        {"start": "2027-01-12T10:00:00+00:00", "practitioner": "nobody"},
        {"start": "2027-01-12T10:00:00+00:00", "practitioner": "\0"},
        {"start": ""},
        {},
    ]
    for fields in forged:
        for path in ("/elm/book/visit", "/elm/book/visit/details"):
            answer = client.post(path, data={"csrf_token": token, **fields})
            assert 400 <= answer.status_code < 500, (path, fields)
            assert "tel:+442079460142" in answer.text, (path, fields)


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(client: FlaskClient, elm: Clinic) -> None:
    for size in (300_000, 10_000_000):
        answer = client.post("/elm/book/visit/details", data={"note": "x" * size})
        assert is_helpful(answer, 413)
    many = "&".join(f"a{n}=1" for n in range(40_000))
    answer = client.post("/elm/book/visit", data=many, content_type="application/x-www-form-urlencoded")
    assert is_helpful(answer, 413)


def test_a_file_where_a_form_is_wanted_is_refused(client: FlaskClient, elm: Clinic) -> None:
    parts = {f"part{n}": "x" for n in range(300)}
    answer = client.post("/elm/book/visit", data=parts, content_type="multipart/form-data")
    assert 400 <= answer.status_code < 500


def test_a_method_that_a_page_has_not_names_those_it_has(client: FlaskClient, elm: Clinic) -> None:
    answer = client.put("/elm/directions")
    assert is_helpful(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
