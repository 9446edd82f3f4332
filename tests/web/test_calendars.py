"""Practitioners' own calendars on the desk's pages: entering and removing them, warnings, and what the board shows."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.actions import clinic as clinics
from booking.actions import outside as actions
from booking.domain.access import Caller
from booking.domain.outside import Fault, Found, Unreadable
from booking.domain.time import Window, tick_of
from booking.store import outside
from booking.store.base import db, transaction
from booking.store.outside import OutsideCalendar, Place
from booking.store.practitioner import Actor
from booking.web.desk.calendars import fault_words
from tests.cast import ELM, Make
from tests.desk import Desk, open_desk, press, token_in

PAGE = "/desk/elm/calendars"
ADDRESS = "https://calendar.example/private-0123/basic.ics"
BOARD = "/desk/elm/?on=2027-01-11"


@pytest.fixture
def open(make: Make) -> Desk:
    return open_desk(make)


@pytest.fixture
def bo(app: Flask, open: Desk) -> int:
    with app.app_context():
        return db.session.scalars(sa.select(Actor.id).where(Actor.slug == "bo")).one()


def bo_signed_in(open: Desk) -> FlaskClient:
    return open.signed_in("bo@elm.example", role="practitioner")


def rows(app: Flask) -> list[OutsideCalendar]:
    with app.app_context():
        return list(db.session.scalars(sa.select(OutsideCalendar).order_by(OutsideCalendar.id)))


def entered(app: Flask, make: Make, bo: int, busy: str = "", *, minutes_ago: int = 0) -> OutsideCalendar:
    """A calendar of Bo's that was read some minutes ago, and says busy from a clock time to another on Monday."""
    with app.app_context():
        made = actions.add(make.elm, bo, Place(ADDRESS), by=Caller("staff", 1, "owner"), now=make.now)
        public_id = made.public_id

        @transaction
        def read() -> None:
            found = outside.get(make.elm, public_id)
            found.read_at = make.now - timedelta(minutes=minutes_ago)
            if busy:
                start, stop = (tick_of(make.at(f"Mon {clock}")) for clock in busy.split("-"))
                outside.put(found, {"": [Window(start, stop)]}, since=make.now)

        read()
        return made


def fail(app: Flask, make: Make, fault: Fault, **ago: float) -> None:
    @transaction
    def note() -> None:
        found = db.session.scalars(sa.select(OutsideCalendar)).one()
        found.fault, found.failing_since = fault.value, make.now - timedelta(**ago)

    with app.app_context():
        note()


def test_a_practitioner_enters_and_removes_their_own_calendar(app: Flask, open: Desk, bo: int) -> None:
    browser = bo_signed_in(open)
    assert "Own calendars" in browser.get("/desk/elm/me").text
    sent = {"practitioner": "bo", "url": f" {ADDRESS} ", "user": "", "password": "ignored without a name"}
    done = press(browser, PAGE, **sent)
    assert (done.status_code, done.headers["Location"]) == (303, f"{PAGE}?done=added")
    page = browser.get(f"{PAGE}?done=added").text
    assert "It is read within a minute" in page
    assert "calendar.example" in page
    assert "Not read yet" in page
    assert "private-0123" not in page  # the address is a secret
    [row] = rows(app)
    with app.app_context():
        assert outside.place_of(row) == Place(ADDRESS)
    assert press(browser, PAGE, to=f"{PAGE}/{row.public_id}/remove").status_code == 303
    assert rows(app) == []
    assert (
        "Let a practitioner’s own calendar block their time"
        in open.signed_in("o@x.example", role="owner").get("/desk/elm/audit").text
    )


def test_owners_enter_calendars_for_all_practitioners_for_themselves_and_the_desk_for_none(
    app: Flask, open: Desk, bo: int
) -> None:
    owner, desk, dee_too = open.signed_in("o@elm.example", role="owner"), open.signed_in(), bo_signed_in(open)
    assert press(owner, PAGE, practitioner="dee", url=ADDRESS).status_code == 303
    assert press(dee_too, PAGE, practitioner="dee", url=f"{ADDRESS}?1").status_code == 404
    assert press(desk, PAGE, practitioner="bo", url=ADDRESS).status_code == 404
    assert press(owner, PAGE, practitioner="nobody", url=ADDRESS).status_code == 404
    [row] = rows(app)
    for stranger in (desk, dee_too):
        assert press(stranger, PAGE, to=f"{PAGE}/{row.public_id}/remove").status_code == 404
    assert "Add a calendar" not in desk.get(PAGE).text
    assert "calendar.example" in desk.get(PAGE).text
    oak = open.signed_in("owner@oak.example", role="owner", oak=True)
    assert oak.get(PAGE).status_code == 404
    assert press(oak, "/desk/oak/calendars", to=f"/desk/oak/calendars/{row.public_id}/remove").status_code == 404
    assert len(rows(app)) == 1


def bo_leaves(app: Flask, make: Make) -> None:
    bo, dee = (ELM.index(f'[[practitioners]]\nslug = "{who}"') for who in ("bo", "dee"))
    with app.app_context():
        clinics.load(ELM[:bo] + ELM[dee:].replace('"visit"]', '"visit", "needles"]'), now=make.now, keep_visits=True)


def test_owners_see_and_remove_the_calendar_of_who_has_left(app: Flask, open: Desk, make: Make, bo: int) -> None:
    made = entered(app, make, bo, minutes_ago=90)
    owner, desk, bo_too = open.signed_in("o@elm.example", role="owner"), open.signed_in(), bo_signed_in(open)
    assert "has left" not in owner.get(PAGE).text
    bo_leaves(app, make)
    page = owner.get(PAGE).text
    [card] = re.findall(r'<section [^>]*aria-labelledby="of-bo".*?</section>', page, re.DOTALL)
    for said in ("Bo Andersen has left.", "calendar.example", "It is not read.", f"{made.public_id}/remove"):
        assert said in card
    for unsaid in ("Add a calendar", "Busy times as of", "Nobody looks at it", "private-0123"):
        assert unsaid not in card
    assert 'aria-labelledby="of-dee"' in page
    for stranger in (desk, bo_too):
        page = stranger.get(PAGE).text
        assert "calendar.example" not in page
        assert "Bo Andersen" not in page
        assert press(stranger, PAGE, to=f"{PAGE}/{made.public_id}/remove").status_code == 404
    oak = open.signed_in("owner@oak.example", role="owner", oak=True)
    assert "calendar.example" not in oak.get("/desk/oak/calendars").text
    assert press(oak, "/desk/oak/calendars", to=f"/desk/oak/calendars/{made.public_id}/remove").status_code == 404
    assert press(owner, PAGE, practitioner="bo", url=f"{ADDRESS}?1").status_code == 404
    assert "own calendar was last read" not in owner.get(BOARD).text
    assert len(rows(app)) == 1
    assert press(owner, PAGE, to=f"{PAGE}/{made.public_id}/remove").headers["Location"] == f"{PAGE}?done=removed"
    assert rows(app) == []
    assert "has left" not in owner.get(PAGE).text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "Enter the calendar’s address"),
        ("calendar.example/a.ics", "has to begin with https://"),
        ("http://calendar.example/a.ics", "has to begin with https://"),
        ("https://bo:word@calendar.example/a.ics", "no name or password in it"),
        ("https://192.168.1.10/a.ics", "leads into a private network"),
        ("https://x.example/" + "a" * 2000, "This is too long"),
    ],
)
def test_a_wrong_address_is_told_at_its_field_and_stays_in_it(open: Desk, bo: int, url: str, said: str) -> None:
    browser = bo_signed_in(open)
    answer = press(browser, PAGE, practitioner="bo", url=url, user="bo-at-home", password="hush-hush")
    assert answer.status_code == 422
    page = answer.text
    assert "<title>Error:" in page
    assert re.search(r'href="#bo-url">[^<]*' + re.escape(said), page)
    assert re.search(r'id="bo-url-error">.*' + re.escape(said), page)
    assert f'value="{url}"' in page
    assert 'value="bo-at-home"' in page
    assert "hush-hush" not in page
    assert "<details open>" in page


def test_a_calendar_that_can_not_be_read_says_why_and_how_old_its_times_are(
    app: Flask, open: Desk, make: Make, bo: int
) -> None:
    entered(app, make, bo)
    desk = open.signed_in()
    assert "Busy times as of Mon 11 Jan, 08:00." in desk.get(PAGE).text
    assert "⚠" not in desk.get(BOARD).text
    fail(app, make, Fault.GONE, minutes=9)
    page = desk.get(PAGE).text
    assert "It can’t be read since Mon 11 Jan, 07:51: There is no calendar at this address." in page
    assert "own calendar was last read" not in desk.get(BOARD).text
    fail(app, make, Fault.GONE, minutes=10)
    for board in (BOARD, f"{BOARD}&view=list", f"{BOARD}&view=rooms", "/desk/elm/board?on=2027-01-11"):
        assert "Bo Andersen’s own calendar was last read on Mon 11 Jan, 08:00" in desk.get(board).text, board
    assert f'href="{PAGE}"' in desk.get(BOARD).text


@pytest.mark.parametrize(
    "asked", ["", "?on=2027-01-12", "?on=2027-01-12&view=rooms", "?on=2027-01-12&view=list", "?on=2027-01-18&view=week"]
)
def test_an_unchanged_board_is_sent_again_once_a_warning_is_due_and_once_it_is_not(
    asked: str, app: Flask, open: Desk, make: Make, bo: int, set_clock: Any
) -> None:
    made = entered(app, make, bo, minutes_ago=45)
    desk, board = open.signed_in(), f"/desk/elm/board{asked}"
    tag = {"If-None-Match": desk.get(board).headers["ETag"]}
    assert desk.get(board, headers=tag).status_code == 304
    set_clock(make.now + timedelta(minutes=16))
    warned = desk.get(board, headers=tag)
    assert "own calendar was last read" in warned.text
    tag = {"If-None-Match": warned.headers["ETag"]}
    assert desk.get(board, headers=tag).status_code == 304

    @transaction
    def read() -> None:
        outside.get(make.elm, made.public_id).read_at = make.now + timedelta(minutes=16)

    with app.app_context():
        read()
    sent = desk.get(board, headers=tag)
    assert sent.status_code == 200
    assert "own calendar was last read" not in sent.text


@pytest.mark.parametrize("minutes", [0, 16])
def test_an_unchanged_board_costs_one_question_for_the_warnings(
    minutes: int, app: Flask, open: Desk, make: Make, bo: int, set_clock: Any
) -> None:
    entered(app, make, bo, minutes_ago=45)
    desk, board = open.signed_in(), "/desk/elm/board?on=2027-01-12"
    set_clock(make.now + timedelta(minutes=minutes))
    tag = {"If-None-Match": desk.get(board).headers["ETag"]}
    asked: list[str] = []
    with app.app_context():
        engine = db.engine

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        assert desk.get(board, headers=tag).status_code == 304
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    assert len([statement for statement in asked if "outside_" in statement]) == 1


def test_the_board_shows_busy_times_and_counts_the_visits_in_them(app: Flask, open: Desk, make: Make, bo: int) -> None:
    make.appointment("Mon 10:30")
    make.appointment("Mon 14:00", person=make.person("Zoe"))
    entered(app, make, bo, "10:00-11:00")
    desk = open.signed_in()
    board = desk.get(BOARD).text
    assert re.search(r'<p class="b-away s12 d12">Busy in their own calendar</p>', board)
    assert "1 visit at a busy time" in board
    assert "Free 09:00–10:00" in board
    assert "Free 11:00–14:00" in board
    assert "Busy in their own calendar" not in desk.get("/desk/elm/?on=2027-01-12").text
    assert "Busy in their own calendar" in desk.get("/desk/elm/week?practitioner=bo&on=2027-01-11").text
    page = desk.get(PAGE).text
    assert "Visits at busy times" in page
    assert "10:30, Ada Lovelace" in page
    assert "Zoe" not in page


def test_why_not_leads_to_the_calendar(app: Flask, open: Desk, make: Make, bo: int) -> None:
    entered(app, make, bo, "10:00-11:00")
    asked = "/desk/elm/why-not?service=visit&practitioner=bo&on=2027-01-11&at=10:30&new=0&for=patient"
    page = open.signed_in().get(asked).text
    assert "Bo Andersen’s own calendar says busy then." in page
    assert f'href="{PAGE}">Own calendar of Bo Andersen' in page


def test_patients_are_told_no_more_than_that_the_time_is_gone(
    app: Flask, open: Desk, make: Make, client: FlaskClient, bo: int
) -> None:
    before = client.get("/elm/book/visit?practitioner=bo&from=2027-01-11").text
    assert "10:00" in before
    entered(app, make, bo, "10:00-11:00")
    after = client.get("/elm/book/visit?practitioner=bo&from=2027-01-11").text
    assert not re.search(r">\s*10:(00|30)\b", after)
    assert "own calendar" not in after


def test_what_was_not_understood_is_counted(app: Flask, open: Desk, make: Make, bo: int) -> None:
    entered(app, make, bo)

    @transaction
    def note() -> None:
        db.session.scalars(sa.select(OutsideCalendar)).one().unread = 3

    with app.app_context():
        note()
    desk = open.signed_in()
    assert "3 events are not fully understood" in desk.get(PAGE).text
    assert "3 events of Bo Andersen’s own calendar are not understood" in desk.get(BOARD).text


# Accounts

DAY = timedelta(days=1)
NAMES = ["Choir & <b>Co</b>", "Birthdays", "Work"]


@pytest.fixture
def account(app: Flask, open: Desk, make: Make, bo: int) -> str:
    """The public id of Bo's account, which waits for a choice; the second of its calendars is not to count."""
    with app.app_context():
        login = Place("https://dav.example/", "bo-at-home", "hush-hush")
        id = actions.add(make.elm, bo, login, by=Caller("staff", 1, "owner"), now=make.now - DAY).public_id
        found = [Found(name, f"https://dav.example/{name[:4]}/", name != "Birthdays") for name in NAMES]

        @transaction
        def discover() -> None:
            outside.get(make.elm, id).choices = outside.sealed_choices(found, id)

        discover()
    return id


def boxes(page: str) -> dict[str, bool]:
    """The checkboxes by label, and whether each is ticked."""
    found = re.findall(r'<input( checked)? id="([^"]+)" name="chosen"[^>]*>', page)
    labels = dict(re.findall(r'<label for="(choice-[^"]+)">([^<]*)</label>', page))
    return {labels[id]: bool(checked) for checked, id in found}


def choose(browser: FlaskClient, account: str, *numbers: object) -> TestResponse:
    token = token_in(browser.get(PAGE).text)
    return browser.post(f"{PAGE}/{account}/choose", data={"csrf_token": token, "chosen": list(numbers)})


def test_bo_chooses_which_calendars_of_the_account_count(app: Flask, open: Desk, account: str) -> None:
    browser = bo_signed_in(open)
    page = browser.get(PAGE).text
    assert "It blocks nothing until it is chosen which of its calendars count." in page
    assert "Which of these say when Bo Andersen is busy?" in page
    assert boxes(page) == {"Choir &amp; &lt;b&gt;Co&lt;/b&gt;": True, "Birthdays": False, "Work": True}
    assert "dav.example/" not in page
    done = choose(browser, account, 0, 2)
    assert (done.status_code, done.headers["Location"]) == (303, f"{PAGE}?done=chosen")
    page = browser.get(f"{PAGE}?done=chosen").text
    assert "They are read within a minute" in page
    assert "<b>Choir &amp; &lt;b&gt;Co&lt;/b&gt;</b>" in page
    assert "Birthdays" not in page
    assert "hush-hush" not in page
    assert len(rows(app)) == 2
    assert choose(browser, account, 0).status_code == 404


def test_a_choice_that_can_not_be_taken_is_told_beside_it_and_its_ticks_stay(
    app: Flask, open: Desk, make: Make, bo: int, account: str
) -> None:
    browser = bo_signed_in(open)
    answer = choose(browser, account)
    assert answer.status_code == 422
    assert "<title>Error:" in answer.text
    said = "Choose at least one calendar, or remove the account"
    assert re.search(rf'href="#choice-{account}">{said}', answer.text)
    assert re.search(rf'id="choice-{account}-error">.*{said}', answer.text)
    assert set(boxes(answer.text).values()) == {False}
    with app.app_context():
        for n in range(actions.MOST - 1):
            actions.add(make.elm, bo, Place(f"{ADDRESS}?{n}"), by=Caller("staff", 1, "owner"), now=make.now)
    answer = choose(browser, account, 1, 2)
    assert answer.status_code == 422
    assert "There may be no more than 5 calendars" in answer.text
    assert list(boxes(answer.text).values()) == [False, True, True]
    for odd in (7, -1, "x"):
        assert choose(browser, account, odd).status_code == 422
    assert len(rows(app)) == actions.MOST
    other = press(browser, PAGE, practitioner="bo", url="wrong")  # another form's error leaves the ticks alone
    assert list(boxes(other.text).values()) == [True, False, True]


def test_only_who_keeps_the_account_sees_its_names_and_chooses(
    app: Flask, open: Desk, make: Make, bo: int, account: str
) -> None:
    owner, desk = open.signed_in("o@elm.example", role="owner"), open.signed_in()
    dee = open.signed_in("dee@elm.example", role="practitioner")
    oak = open.signed_in("owner@oak.example", role="owner", oak=True)
    calendar = entered(app, make, bo).public_id
    for stranger in (desk, dee):
        page = stranger.get(PAGE).text
        assert "It blocks nothing until it is chosen" in page
        assert not any(name in page for name in ("Work", "Choir", "Birthdays", "/choose"))
        assert choose(stranger, account, 0).status_code == 404
    token = token_in(oak.get("/desk/oak/calendars").text)
    sent = {"csrf_token": token, "chosen": "0"}
    assert oak.post(f"/desk/oak/calendars/{account}/choose", data=sent).status_code == 404
    assert choose(owner, calendar, 0).status_code == 404  # is no account
    assert choose(owner, account, 2).status_code == 303
    assert "Work" in owner.get(PAGE).text
    assert "Work" in bo_signed_in(open).get(PAGE).text
    for stranger in (desk, dee):
        assert "dav.example" in stranger.get(PAGE).text
        assert "Work" not in stranger.get(PAGE).text


def test_the_desk_is_told_that_a_choice_is_waited_for_and_of_no_failure(open: Desk, account: str) -> None:
    desk = open.signed_in()
    for board in (BOARD, f"{BOARD}&view=list", f"{BOARD}&view=rooms", "/desk/elm/board?on=2027-01-11"):
        page = desk.get(board).text
        assert "Bo Andersen’s own calendars: choose which of them count" in page, board
        assert "never read" not in page
    page = desk.get(PAGE).text
    assert "Nobody looks at it" not in page
    tag = {"If-None-Match": desk.get("/desk/elm/board").headers["ETag"]}
    assert desk.get("/desk/elm/board", headers=tag).status_code == 304
    assert choose(bo_signed_in(open), account, 0).status_code == 303
    assert "choose which of them count" not in desk.get("/desk/elm/board", headers=tag).text


def test_the_page_stands_with_what_does_not_open_any_more(
    app: Flask, open: Desk, make: Make, bo: int, account: str
) -> None:
    entered(app, make, bo)
    other_key = base64.b64encode(b"x" * 32).decode()
    app.config["SETTINGS"] = app.config["SETTINGS"].model_copy(update={"field_key": other_key})
    browser = bo_signed_in(open)
    page = browser.get(PAGE).text
    assert "can’t be decrypted any more. Remove it and enter it again." in page
    assert "/choose" not in page
    assert choose(browser, account, 0).status_code == 404
    assert press(browser, PAGE, practitioner="bo", url=f"{ADDRESS}?new").status_code == 303
    assert press(browser, PAGE, to=f"{PAGE}/{account}/remove").status_code == 303
    assert len(rows(app)) == 2


def test_every_fault_has_words_and_none_has_an_address(app: Flask) -> None:
    with app.test_request_context():
        words = [fault_words(fault) for fault in Fault]
    assert len(set(words)) == len(list(Fault))
    assert all(one.endswith(".") for one in words)
    assert str(Unreadable(Fault.GONE)) == "gone"
