"""Every route, walked: who gets in, what a stranger is told, and that looking never changes anything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from booking.store import schema
from booking.store.base import db
from booking.web.access import Guard, allow, check_guards, guard_of
from tests.cast import Make
from tests.two_clinics import Clinic, open_clinic

# Routes that anybody may use. Whoever adds one here has thought about what it shows, and that it shows it to all.
OPEN = {
    "api.first",
    "api.on_offer",
    "api.openapi",
    "desk.factor",
    "desk.link",
    "desk.link_sent",
    "desk.login",
    "desk.logout",
    "desk.options",
    "desk.prove_factor",
    "desk.send_link",
    "desk.sign_in",
    "desk.unlock",
    "desk.unlock_now",
    "desk.use_link",
    "desk.use_passkey",
    "feeds.feed",
    "health.healthz",
    "health.readyz",
    "mailbox.calendar",
    "mailbox.html",
    "mailbox.inbox",
    "mailbox.invite",
    "mailbox.mail",
    "patient.book",
    "patient.book_visit",
    "patient.details",
    "patient.directions",
    "patient.hold",
    "patient.home",
    "patient.index",
    "patient.link",
    "patient.links_sent",
    "patient.lost_link",
    "patient.send_links",
    "patient.times",
    "static",
}
LOGIN = "/login?next="
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def elm(make: Make) -> Clinic:
    return open_clinic(make, "elm")


@pytest.fixture
def oak(make: Make) -> Clinic:
    return open_clinic(make, "oak")


def routes(app: Flask, *kinds: str) -> Iterator[tuple[Rule, str, Guard]]:
    """Every rule of these kinds with each of its methods."""
    for rule in app.url_map.iter_rules():
        guard = guard_of(app, rule.endpoint)
        if not kinds or guard.kind in kinds:
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method, guard


def path(app: Flask, rule: Rule, clinic: Clinic) -> str:
    """The rule's address in a clinic, with its visit."""
    values = {"clinic": clinic.slug, "id": clinic.visit, "service": "visit", "token": "mg_x_y", "filename": "base.css"}
    values |= {"kind": "services", "entry": "bo" if "practitioners" in rule.rule else "visit", "name": "clinic"}
    values |= {"other": clinic.patient, "note": "x", "merge": "x"}
    if "/patients/" in rule.rule:
        values["id"] = clinic.patient
    given = {name: values[name] for name in rule.arguments}
    return str(app.url_map.bind("localhost").build(rule.endpoint, given, force_external=False))


def is_shut(answer: TestResponse, method: str) -> bool:
    """A stranger is told that nothing is there; who only looks is shown the way to sign in."""
    if answer.status_code == 303:
        return method == "GET" and answer.headers["Location"].startswith(LOGIN)
    return answer.status_code == 404


def test_the_open_routes_are_those_listed(app: Flask) -> None:
    found = {rule.endpoint for rule in app.url_map.iter_rules() if guard_of(app, rule.endpoint).kind == "public"}
    assert found == OPEN


def test_a_route_without_a_guard_does_not_start(app: Flask) -> None:
    app = Flask("other")
    app.add_url_rule("/hole", "hole", lambda: "open to all")
    app.view_functions["static"] = allow("public")(app.view_functions["static"])
    with pytest.raises(LookupError, match="hole"):
        check_guards(app)


def test_every_staff_route_names_roles_or_belongs_to_no_clinic(app: Flask) -> None:
    for rule, _, guard in routes(app, "staff"):
        assert guard.names or "clinic" not in rule.arguments, rule


def test_visits_are_shut_to_a_browser_without_the_link(app: Flask, elm: Clinic) -> None:
    for rule, method, _ in routes(app, "visit"):
        answer = app.test_client().open(path(app, rule, elm), method=method)
        assert answer.status_code == 404, (method, rule)


def test_visits_are_shut_to_who_has_the_link_of_another_clinics_visit(app: Flask, elm: Clinic, oak: Clinic) -> None:
    client = app.test_client()
    client.get(elm.link)
    for rule, method, _ in routes(app, "visit"):
        for address in (path(app, rule, oak), path(app, rule, oak).replace(oak.visit, elm.visit)):
            assert client.open(address, method=method).status_code == 404, (method, address)


def test_the_desk_is_shut_to_strangers(app: Flask, elm: Clinic) -> None:
    for rule, method, _ in routes(app, "staff"):
        answer = app.test_client().open(path(app, rule, elm), method=method)
        assert is_shut(answer, method), (method, rule, answer.status)


@pytest.mark.parametrize("role", ["owner", "front-desk", "practitioner"])
def test_the_desk_is_shut_to_other_clinics_staff(app: Flask, elm: Clinic, oak: Clinic, role: str) -> None:
    client = app.test_client()
    oak.sign_in(client, role)
    for rule, method, _ in routes(app, "staff"):
        if "clinic" in rule.arguments:
            assert client.open(path(app, rule, elm), method=method).status_code == 404, (method, rule)
            own = path(app, rule, oak).replace(oak.visit, elm.visit).replace(oak.patient, elm.patient)
            if "id" in rule.arguments and method == "GET":
                assert client.get(own).status_code == 404, f"another clinic's visit at {own}"


@pytest.mark.parametrize("role", ["owner", "front-desk", "practitioner"])
def test_the_desk_is_shut_to_roles_that_are_not_named(app: Flask, elm: Clinic, role: str) -> None:
    client = app.test_client()
    elm.sign_in(client, role)
    for rule, method, guard in routes(app, "staff"):
        if guard.names and role not in guard.names:
            assert client.open(path(app, rule, elm), method=method).status_code == 404, (method, rule)


def test_a_wrong_session_is_a_stranger(app: Flask, elm: Clinic) -> None:
    client = app.test_client()
    elm.sign_in(client)
    assert client.get("/desk/elm/").status_code == 200
    client.set_cookie("sid", "st_wrong")
    assert is_shut(client.get("/desk/elm/"), "GET")


def test_the_api_is_shut_without_a_key(app: Flask, elm: Clinic) -> None:
    for rule, method, _ in routes(app, "key"):
        for headers in ({}, {"Authorization": "Bearer bk_wrong"}, {"Authorization": "Basic YTpi"}):
            answer = app.test_client().open(path(app, rule, elm), method=method, headers=headers)
            assert answer.status_code == 401, (method, rule)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_api_is_shut_to_other_clinics_keys(app: Flask, elm: Clinic, oak: Clinic) -> None:
    headers = oak.bearer("desk")
    for rule, method, _ in routes(app, "key"):
        answer = app.test_client().open(path(app, rule, elm), method=method, headers=headers)
        assert answer.status_code == 404, (method, rule)
        if "id" in rule.arguments:
            own = path(app, rule, oak).replace(oak.visit, elm.visit)
            start = {"start": "2027-01-14T10:00:00+00:00"} if "reschedule" in rule.rule else {}
            answer = app.test_client().open(
                own, method=method, headers=headers, json=start if method == "POST" else None
            )
            assert answer.status_code == 404, f"another clinic's visit at {own}"


def test_a_key_reaches_as_far_as_its_scope(app: Flask, elm: Clinic) -> None:
    headers = elm.bearer("read")
    for rule, method, guard in routes(app, "key"):
        if guard.names == {"book"}:
            answer = app.test_client().open(path(app, rule, elm), method=method, headers=headers)
            assert answer.status_code == 403, (method, rule)


def test_staff_cookies_open_nothing_of_the_api(app: Flask, elm: Clinic) -> None:
    client = app.test_client()
    elm.sign_in(client, "owner")
    assert client.get(f"/api/v1/clinics/elm/appointments/{elm.visit}").status_code == 401


@pytest.mark.usefixtures("both_databases")
def test_looking_changes_nothing(app: Flask, elm: Clinic) -> None:
    client, headers = entitled(app, elm), elm.bearer("desk")
    before = row_counts(app)
    for method in ("GET", "HEAD", "OPTIONS"):
        for rule, _, _ in routes(app):
            if rule.methods and method in rule.methods:
                address = elm.link if rule.endpoint == "patient.link" else path(app, rule, elm)
                with client.open(address, method=method, headers=headers) as answer:
                    assert answer.status_code < 500, (method, rule)
    assert row_counts(app) == before


def test_unsafe_requests_need_proof_that_they_come_from_our_pages(app: Flask, elm: Clinic) -> None:
    client = entitled(app, elm)
    before = row_counts(app)
    for rule, method, _ in routes(app, "public", "visit", "staff"):
        if method in UNSAFE:
            answer = client.open(path(app, rule, elm), method=method, data={"csrf_token": "forged"})
            assert answer.status_code == 400, (method, rule)
            assert "Nothing was sent" in answer.text
            if "clinic" in rule.arguments:
                assert "tel:+442079460142" in answer.text
    assert row_counts(app) == before


def test_methods_that_no_route_declares_are_refused(app: Flask, elm: Clinic) -> None:
    client = entitled(app, elm)
    for rule, _, _ in routes(app):
        address = path(app, rule, elm)
        answer = client.open(address, method="TRACE")
        assert answer.status_code == 405, rule
        assert "GET" in answer.headers["Allow"] or "POST" in answer.headers["Allow"]


def entitled(app: Flask, clinic: Clinic) -> FlaskClient:
    """A browser that may do all that can be done in this clinic."""
    client = app.test_client()
    client.get(clinic.link)
    clinic.sign_in(client, "owner")
    return client


def row_counts(app: Flask) -> dict[str, int]:
    with app.app_context():
        tables = {table.name: table for table in schema.metadata().sorted_tables}
        del tables["access"]  # who looked at which record
        del tables["rate"]  # links that lead nowhere are counted there, whoever follows them
        return {
            name: db.session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for name, table in tables.items()
        }
