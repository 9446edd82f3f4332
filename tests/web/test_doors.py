"""Cookies, proof of origin, limits, redirects, headers: what stands between the views and everybody else."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from booking.domain.errors import RateLimited
from booking.settings import Settings
from booking.store import access as doors
from booking.store.access import Rate
from booking.store.base import db
from booking.web import access
from booking.web.access import safe_next
from tests.cast import Make
from tests.desk import press, token_in
from tests.two_clinics import Clinic, open_clinic

HTTPS = pytest.mark.settings(public_url="https://elm.example")


@pytest.fixture
def elm(make: Make) -> Clinic:
    return open_clinic(make, "elm")


# Cookies and CSRF


def test_on_http_the_cookie_is_plain_but_closed_to_scripts_and_other_sites(client: FlaskClient, elm: Clinic) -> None:
    cookie = client.get(elm.link).headers["Set-Cookie"]
    assert cookie.startswith("anon=")
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


@HTTPS
def test_on_https_the_cookie_is_tied_to_the_host(client: FlaskClient, elm: Clinic) -> None:
    cookie = client.get(elm.link, base_url="https://elm.example").headers["Set-Cookie"]
    assert cookie.startswith("__Host-anon=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@HTTPS
def test_staff_get_a_cookie_of_their_own_and_lose_it(app: Flask) -> None:
    with app.test_request_context("/login"):
        response = app.response_class()
        access.sign_in(response, "secret")
        access.sign_out(response)
    given, taken = response.headers.getlist("Set-Cookie")
    assert given == "__Host-sid=secret; Secure; HttpOnly; Path=/; SameSite=Lax"
    assert taken.startswith("__Host-sid=; Expires=Thu, 01 Jan 1970")


def test_the_cookie_names_nobody(client: FlaskClient, elm: Clinic) -> None:
    client.get(elm.link)
    press(client, "/elm/lost-link", email="ada@example.com")
    cookie = client.get_cookie("anon")
    assert cookie
    with client.session_transaction() as session:
        assert set(session) <= {"visits", "id", "csrf_token", "lang", "_flashes"}


def test_a_page_of_another_site_can_not_send_our_forms(client: FlaskClient, elm: Clinic) -> None:
    token = token_in(client.get("/elm/lost-link").text)
    form = {"csrf_token": token, "email": "ada@example.com"}
    assert client.post("/elm/lost-link", data=form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 400
    assert client.post("/elm/lost-link", data=form, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_the_token_of_another_browser_is_no_proof(app: Flask, client: FlaskClient, elm: Clinic) -> None:
    stolen = token_in(app.test_client().get("/elm/lost-link").text)
    client.get("/elm/lost-link")
    assert client.post("/elm/lost-link", data={"csrf_token": stolen, "email": "ada@example.com"}).status_code == 400


def test_a_form_may_stay_open_for_a_day(
    client: FlaskClient, elm: Clinic, now: datetime, set_clock: Callable[[datetime], None]
) -> None:
    token = token_in(client.get("/elm/lost-link").text)
    set_clock(now + timedelta(days=1))
    assert client.post("/elm/lost-link", data={"csrf_token": token, "email": "ada@example.com"}).status_code == 303


@HTTPS
def test_over_https_a_form_from_elsewhere_is_refused_by_its_referer(client: FlaskClient, elm: Clinic) -> None:
    base = "https://elm.example"
    token = token_in(client.get("/elm/lost-link", base_url=base).text)
    form = {"csrf_token": token, "email": "ada@example.com"}
    for referer, status in (("https://evil.example/", 400), (None, 400), (f"{base}/elm/lost-link", 303)):
        headers = {"Referer": referer} if referer else {}
        assert client.post("/elm/lost-link", base_url=base, data=form, headers=headers).status_code == status


# Links


def test_a_link_opens_its_visit_and_leaves_the_address_bar(client: FlaskClient, elm: Clinic) -> None:
    answer = client.get(elm.link)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/elm/appointments/{elm.visit}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert client.get(answer.headers["Location"]).headers["Cache-Control"] == "no-store"


def test_a_link_that_is_not_ours_leads_nowhere(client: FlaskClient, elm: Clinic) -> None:
    signature = elm.link.rpartition("_")[2]
    links = [elm.link[:-1], elm.link + "A", elm.link.replace("/mg_", "/fd_"), f"/a/mg_{'0' * 26}_{signature}"]
    for link in (*links, "/a/" + "x" * 5000, "/a/é", "/a/mg__"):
        answer = client.get(link)
        assert answer.status_code == 404, link
        assert "tel:" in answer.text, link


def test_a_revoked_link_shuts_the_browsers_that_used_it(app: Flask, client: FlaskClient, elm: Clinic) -> None:
    page = client.get(elm.link).headers["Location"]
    with app.app_context():
        visit = doors.visit(elm.visit)
        assert visit
        visit.link_version += 1
        db.session.commit()
    assert client.get(page).status_code == 404
    assert client.get(elm.link).status_code == 404


def test_a_link_shows_its_visit_for_ninety_days(
    client: FlaskClient, elm: Clinic, now: datetime, set_clock: Callable[[datetime], None]
) -> None:
    page = client.get(elm.link).headers["Location"]
    set_clock(now + timedelta(days=30))
    assert client.get(page).status_code == 200
    set_clock(now + timedelta(days=92))
    assert client.get(elm.link).status_code == 404


# Limits


@pytest.mark.usefixtures("both_databases")
def test_guessing_links_is_stopped(client: FlaskClient, elm: Clinic) -> None:
    answers = [client.get(f"/a/mg_x_{n}").status_code for n in range(32)]
    assert answers == [404] * 30 + [429] * 2
    assert client.get(elm.link).status_code == 303, "a good link still opens"


def test_a_limit_ends_with_its_window_and_keeps_no_address(
    app: Flask, client: FlaskClient, elm: Clinic, now: datetime, set_clock: Callable[[datetime], None]
) -> None:
    for n in range(31):
        answer = client.get(f"/a/mg_x_{n}")
    wait = int(answer.headers["Retry-After"])
    assert 0 < wait <= 300
    set_clock(now + timedelta(seconds=wait))
    assert client.get("/a/mg_x_y").status_code == 404
    with app.app_context():
        buckets = list(db.session.scalars(sa.select(Rate.bucket)))
        assert len(buckets) == 2
        assert not [bucket for bucket in buckets if "127.0.0.1" in bucket]


def test_limits_ignore_case_and_spaces(app: Flask) -> None:
    for n, address in enumerate(["ada@example.com", "ADA@example.com", " ada@example.com "]):
        with app.test_request_context("/"):
            app.preprocess_request()
            if n < 2:
                access.limit(f"sign-in:{address}", 2, 60)
            else:
                with pytest.raises(RateLimited):
                    access.limit(f"sign-in:{address}", 2, 60)


@pytest.mark.settings(rate_limits="off")
def test_limits_can_be_off_for_load_tests(client: FlaskClient, elm: Clinic) -> None:
    assert {client.get("/a/mg_x_y").status_code for _ in range(40)} == {404}


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [(0, "203.0.113.9", "127.0.0.1"), (1, "203.0.113.9", "203.0.113.9"), (1, "1.1.1.1, 203.0.113.9", "203.0.113.9")],
)
def test_only_trusted_proxies_say_who_asks(settings: Settings, proxies: int, forwarded: str, seen: str) -> None:
    from booking import create_app

    app = create_app(settings.model_copy(update={"proxies": proxies}))
    found: list[str] = []
    app.before_request(lambda: found.append(access.address()))
    app.test_client().get("/healthz", headers={"X-Forwarded-For": forwarded})
    assert found == [seen]


def test_an_ipv6_host_owns_its_network(app: Flask) -> None:
    for end in ("1", "ffff:1"):
        with app.test_request_context("/", environ_base={"REMOTE_ADDR": f"2001:db8:1:2::{end}"}):
            assert access.address() == "2001:db8:1:2::"


# Redirects and hosts


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/desk/elm/", "/desk/elm/"),
        ("/desk/elm/?day=2027-01-11", "/desk/elm/?day=2027-01-11"),
        (None, "/"),
        ("", "/"),
        ("desk", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\tx", "/"),
        ("/\r\nSet-Cookie: a=b", "/"),
        ("javascript:alert(1)", "/"),
        ("/x\x85y", "/"),
    ],
)
def test_redirects_stay_in_the_house(path: str | None, leads: str) -> None:
    assert safe_next(path, "/") == leads


def test_slashes_do_not_lead_to_other_hosts(client: FlaskClient) -> None:
    answer = client.get("//evil.example/elm")
    assert answer.headers.get("Location", "http://localhost/").startswith(("/", "http://localhost/"))


def test_a_foreign_host_gets_no_page_of_ours(client: FlaskClient, elm: Clinic) -> None:
    for host in ("evil.example", "localhost.evil.example", "localhost:0x50", "a b"):
        answer = client.get("/elm/", headers={"Host": host})
        assert answer.status_code == 400, host
        assert host not in answer.text


# Headers


def test_every_answer_carries_the_policies(client: FlaskClient, elm: Clinic) -> None:
    pages = {"/elm/": 200, "/elm/nonsense": 404, "/nobody/": 404, "/login": 200, "/api/v1/none": 404, "/healthz": 200}
    for path, status in pages.items():
        answer = client.get(path)
        assert answer.status_code == status, path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "Strict-Transport-Security" not in answer.headers


@HTTPS
def test_https_is_for_good(client: FlaskClient) -> None:
    answer = client.get("/healthz", base_url="https://elm.example")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_public_pages_are_asked_for_again_by_their_tag(client: FlaskClient, elm: Clinic) -> None:
    answer = client.get("/elm/directions")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    again = client.get("/elm/directions", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_pages_of_the_desk_and_answers_to_forms_are_kept_nowhere(client: FlaskClient, elm: Clinic) -> None:
    elm.sign_in(client)
    assert client.get("/desk/elm/").headers["Cache-Control"] == "no-store"
    assert client.post("/elm/lost-link").headers["Cache-Control"] == "no-store"
    assert client.get("/login").headers["Cache-Control"] == "no-store"


def test_static_files_have_their_content_in_the_address_and_are_kept(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context("/"):
        address = app.url_for("static", filename="base.css")
    assert "?v=" in address
    with client.get(address) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    with client.get("/static/base.css?v=old") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"


def test_large_answers_are_packed_for_those_who_take_it(client: FlaskClient, elm: Clinic) -> None:
    for path in ("/elm/directions", "/static/base.css", "/api/v1/openapi.json"):
        with client.get(path) as plain, client.get(path, headers={"Accept-Encoding": "gzip"}) as packed:
            assert "Content-Encoding" not in plain.headers, path
            assert packed.headers["Content-Encoding"] == "gzip", path
            assert "Accept-Encoding" in packed.headers["Vary"]
            assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 2
            assert gzip.decompress(packed.data) == plain.data
            assert packed.headers["ETag"].startswith("W/")


def test_small_answers_are_left_as_they_are(client: FlaskClient) -> None:
    assert "Content-Encoding" not in client.get("/healthz", headers={"Accept-Encoding": "gzip"}).headers


def test_programs_get_no_cookie_and_need_none(client: FlaskClient, elm: Clinic) -> None:
    answer = client.get("/api/v1/clinics/elm/slots?service=visit")
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")


# Health


def test_ready_says_whether_the_database_is_ours(app: Flask, client: FlaskClient) -> None:
    assert client.get("/readyz").status_code == 200
    with app.app_context():
        db.session.execute(sa.text("update alembic_version set version_num = 'other'"))
        db.session.commit()
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


# Languages


def test_the_language_is_asked_for_and_remembered(client: FlaskClient, make: Make) -> None:
    make.clinic(languages=["en", "es"])
    assert '<html lang="en-GB"' in client.get("/elm/").text
    assert '<html lang="es"' in client.get("/elm/", headers={"Accept-Language": "fr, es;q=0.8"}).text
    assert '<html lang="es"' in client.get("/elm/?lang=es").text
    assert '<html lang="es"' in client.get("/elm/directions").text
    assert '<html lang="es"' in client.get("/elm/?lang=xx").text
