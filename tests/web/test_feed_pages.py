"""Where feeds' addresses are shown and made, and the links that put one visit into a calendar."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from booking.actions import outbox, staff
from booking.domain.access import Caller
from booking.domain.feed import Kind
from booking.formats import add_to
from booking.store import audit
from booking.store import feed as feeds
from booking.store.base import db
from booking.store.outbox import Message
from booking.store.practitioner import Actor
from booking.store.staff import Staff
from tests.cast import Make
from tests.desk import Desk, press
from tests.formats.cast import visit

OWNER = Caller("staff", 1, "owner")
ADDRESS = re.compile(r'value="http://localhost(/feeds/[^"]+)"')


@pytest.fixture
def bo(app: Flask, make: Make) -> int:
    elm = make.elm
    with app.app_context():
        return db.session.scalars(sa.select(Actor.id).where(Actor.clinic_id == elm, Actor.slug == "bo")).one()


def test_the_owner_makes_a_feed_says_what_it_tells_renews_and_ends_it(make: Make, client: FlaskClient, bo: int) -> None:
    olga = Desk(make, make.elm).signed_in("olga@elm.example", role="owner")
    page, whose = "/admin/elm/feeds", {"kind": "practitioner", "id": str(bo)}
    assert ADDRESS.findall(olga.get(page).text) == []

    made = press(olga, page, do="make", detail="busy", **whose)
    assert made.status_code == 303
    [first] = ADDRESS.findall(olga.get(page).text)
    make.appointment("Mon 09:00")
    assert "SUMMARY:Busy\r\n" in client.get(first).text
    assert "Last read on Monday" in olga.get(page).text
    press(olga, page, do="tell", detail="names", **whose)
    assert "SUMMARY:Ada Lovelace\r\n" in client.get(first).text
    press(olga, page, do="renew", **whose)
    [second] = ADDRESS.findall(olga.get(page).text)
    assert (client.get(first).status_code, client.get(second).status_code) == (404, 200)
    press(olga, page, do="end", **whose)
    assert client.get(second).status_code == 404
    with make.app.app_context():
        entries = audit.search(make.elm, audit.Wanted(by_kind="staff"))
        told = [(e.action, e.facts.get("was"), e.facts.get("detail")) for e in entries if e.action.startswith("feed")]
    assert told == [
        ("feed.ended", None, None),
        ("feed.renewed", None, None),
        ("feed.changed", "busy", "names"),
        ("feed.made", None, "busy"),
    ]
    assert "Gave a calendar feed a new address" in olga.get("/desk/elm/audit").text


def test_there_are_feeds_of_nobody_else(make: Make) -> None:
    olga = Desk(make, make.elm).signed_in("olga@elm.example", role="owner")
    for asked in (
        {"kind": "patient", "id": "1", "do": "make", "detail": "busy"},
        {"kind": "practitioner", "id": "999", "do": "make", "detail": "busy"},
        {"kind": "practitioner", "id": "1", "do": "make", "detail": "reasons"},
        {"kind": "room", "id": "1", "do": "renew"},
        {"kind": "room", "id": "x", "do": "end"},
    ):
        assert press(olga, "/admin/elm/feeds", **asked).status_code == 404, asked


def test_a_practitioner_has_their_own_feed_until_they_leave(make: Make, client: FlaskClient, bo: int) -> None:
    desk = Desk(make, make.elm)
    browser = desk.signed_in("Bo@elm.example", role="practitioner")
    page = "/desk/elm/me"
    assert press(browser, page, "/desk/elm/me/feed", do="make").status_code == 303
    shown = browser.get(page).text
    [address] = ADDRESS.findall(shown)
    assert "by their initials" in shown
    assert f"webcal://localhost{address}" in shown
    assert "Google only once in many hours" in shown
    assert client.get(address).status_code == 200
    with make.app.app_context():
        who = db.session.scalars(sa.select(Staff.id).where(sa.func.lower(Staff.email) == "bo@elm.example")).one()
        staff.dismiss(make.elm, who, by=OWNER, now=make.now)
    assert client.get(address).status_code == 404


def test_a_new_address_takes_a_fresh_proof(make: Make, bo: int, set_clock: object) -> None:
    browser = Desk(make, make.elm).signed_in("bo@elm.example", role="practitioner")
    assert callable(set_clock)
    set_clock(make.now + timedelta(minutes=6))
    assert press(browser, "/desk/elm/me", "/desk/elm/me/feed", do="make").status_code == 401
    with make.app.app_context():
        assert feeds.of(make.elm, Kind.PRACTITIONER, bo) is None


def test_a_browser_with_one_visit_is_never_shown_the_address_of_all(make: Make, client: FlaskClient) -> None:
    made = make.appointment("Mon 09:00")
    client.get(make.link(made))
    page = f"/elm/appointments/{made.public_id}"
    sent = press(client, page, f"{page}/feed")
    assert sent.status_code == 303
    answer = client.get(sent.headers["Location"]).text
    assert "on its way to ada@example.com" in answer
    assert "/feeds/" not in answer
    with make.app.app_context():
        message = db.session.scalars(sa.select(Message).where(Message.kind == "feed")).one()
        assert (message.address, message.role) == ("ada@example.com", "patient")
        outbox.deliver(make.now)
        folder = make.app.config["SETTINGS"].instance / "mail"
        mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in folder.glob("*.eml")]
    [mail] = [mail for mail in mails if mail["Subject"] == "Your visits at Elm Clinic, for your calendar"]
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "webcal://localhost/feeds/fd_" in html
    assert re.search(r"http://localhost/feeds/fd_\S+\.ics", text)


def test_who_has_no_mail_address_is_offered_no_feed(make: Make, client: FlaskClient) -> None:
    made = make.appointment("Mon 09:00", person=make.person(email=None, phone="+442079460177"))
    client.get(make.link(made))
    page = f"/elm/appointments/{made.public_id}"
    assert "Mail me the address" not in client.get(page).text
    assert press(client, "/elm/lost-link", f"{page}/feed").status_code == 404


@pytest.mark.parametrize(
    ("starts", "zone"),
    [
        (datetime(2027, 3, 26, 9, 0, tzinfo=UTC), "Europe/London"),
        (datetime(2027, 3, 29, 8, 0, tzinfo=UTC), "Europe/London"),
        (datetime(2027, 7, 1, 23, 30, tzinfo=UTC), "America/Chicago"),
    ],
)
def test_links_carry_the_right_instants_and_only_what_the_invite_says(starts: datetime, zone: str) -> None:
    shown = visit(starts_at=starts, ends_at=starts + timedelta(minutes=45), zone=zone)
    google, *outlooks = add_to.links(shown)
    asked = parse_qs(urlsplit(google.url).query)
    assert asked["dates"] == [f"{starts:%Y%m%dT%H%M%SZ}/{starts + timedelta(minutes=45):%Y%m%dT%H%M%SZ}"]
    assert asked["text"] == ["Appointment at Elm Clinic"]
    assert asked["location"] == ["Elm Clinic, 12 Elm Road, London N1 9XX"]
    assert [urlsplit(one.url).hostname for one in outlooks] == ["outlook.live.com", "outlook.office.com"]
    for one in outlooks:
        asked = parse_qs(urlsplit(one.url).query)
        assert datetime.fromisoformat(asked["startdt"][0]) == starts
        assert datetime.fromisoformat(asked["enddt"][0]) == starts + timedelta(minutes=45)
        assert asked["subject"] == ["Appointment at Elm Clinic"]
    for one in (google, *outlooks):
        assert "+" not in one.url
        assert "mg_" not in one.url  # not the link that may cancel it
        assert len(one.url) <= 2000


@pytest.mark.parametrize("directions", ["Blue door. " * 400, "Πάρτε το μετρό. " * 40, "駅を出て。" * 90, "🚪" * 300])
def test_links_are_short_enough_for_every_browser_in_every_alphabet(directions: str) -> None:
    for one in add_to.links(visit(directions=directions)):
        assert 1900 < len(one.url) <= 2000
        [text] = [value for name, [value] in parse_qs(urlsplit(one.url).query).items() if name in ("details", "body")]
        assert text.startswith("With Bo Andersen.\n\nPhone: ")
        assert text.endswith("…")
        assert "\ufffd" not in text


def test_a_booked_visit_leads_to_calendars_and_has_a_code_for_paper(make: Make, client: FlaskClient) -> None:
    made = make.appointment("Mon 09:00", note="my knee")
    client.get(make.link(made))
    page = client.get(f"/elm/appointments/{made.public_id}").text
    links = [unescape(url) for url in re.findall(r'href="(https://(?:calendar|outlook)[^"]+)"', page)]
    assert len(links) == 3
    assert not any("knee" in url for url in links)
    [code] = re.findall(r"<svg[^>]*p-qr.*?</svg>", page, re.S)
    assert "style=" not in code
    assert "<style" not in code
