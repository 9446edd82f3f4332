"""How staff prove who they are: passwords, second factors; locks and what they keep; limits, notices, owners."""

from __future__ import annotations

import re
from base64 import b32decode
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.domain import totp
from booking.store import hashed
from booking.store import staff as records
from booking.store.audit import Entry
from booking.store.base import db
from booking.store.staff import Staff
from tests.cast import CY, Make
from tests.desk import Desk, open_desk, press, token_in

SetClock = Callable[[datetime], None]
MINUTE = timedelta(minutes=1)
PASSWORD = "three small birds sing"
SEED = b"12345678901234567890"


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(hashed, "HASHER", cheap)
    monkeypatch.setattr(hashed, "NOBODYS", cheap.hash("nobody's"))


@pytest.fixture
def elm(make: Make) -> Desk:
    return open_desk(make)


@pytest.fixture
def cy(elm: Desk) -> FlaskClient:
    """Cy has a password, and is signed in."""
    client = elm.signed_in()
    assert press(client, "/account/password", password=PASSWORD).location == "/account?done=password"
    return client


def people(elm: Desk, email: str = CY) -> int:
    with elm.make.app.app_context():
        person = records.by_email(email)
        assert person is not None
        return person.id


def sign_in(client: FlaskClient, password: str = PASSWORD, email: str = CY) -> TestResponse:
    return press(client, "/login?next=/desk/elm/requests", email=email, password=password)


def code(now: datetime, steps: int = 0) -> str:
    return totp.code(SEED, int(now.timestamp()) // 30 + steps)


def add_app(elm: Desk, client: FlaskClient) -> list[str]:
    """Give Cy an authenticator app; the recovery codes that are shown."""
    shown = client.get("/account/app").text
    key = re.search(r"secret=([A-Z2-7]+)", shown)
    sealed = re.search(r'name="seed" type="hidden" value="([^"]+)"', shown)
    assert key
    assert sealed
    seed = b32decode(key[1])
    digits = totp.code(seed, int(elm.make.now.timestamp()) // 30)
    answer = client.post(
        "/account/app", data={"csrf_token": token_in(shown), "seed": unescape(sealed[1]), "code": digits}
    )
    with elm.make.app.app_context():
        person = records.by_email(CY)
        assert person
        records.keep_seed(person, SEED, step=0)  # one that the tests know
        db.session.commit()
    return re.findall(r"<code>([a-z0-9-]+)</code>", answer.text)


def session(client: FlaskClient) -> str:
    cookie = client.get_cookie("sid")
    assert cookie
    return cookie.value


def recorded(elm: Desk) -> list[str]:
    with elm.make.app.app_context():
        query = sa.select(Entry.action).where(Entry.action.like("staff.%"), Entry.clinic_id == elm.elm)
        return list(db.session.scalars(query.order_by(Entry.seq)))


# Passwords


def test_cy_signs_in_with_her_password_and_goes_where_she_wanted(
    elm: Desk, cy: FlaskClient, client: FlaskClient
) -> None:
    assert sign_in(client).location == "/desk/elm/requests"
    assert client.get("/desk/elm/requests").status_code == 200


def test_a_wrong_password_and_an_unknown_address_get_the_same_page(
    elm: Desk, cy: FlaskClient, client: FlaskClient
) -> None:
    elm.link("di@elm.example")  # has an account and no password
    answers = [
        sign_in(client, "three small birds fly"),
        sign_in(client, email="nobody@elm.example"),
        sign_in(client, email="di@elm.example"),
        sign_in(client, "x" * 5000),
    ]
    pages = [re.sub(r'value="[^"]*"', "", answer.text) for answer in answers]
    assert {answer.status_code for answer in answers} == {422}
    assert len(set(pages)) == 1
    assert "do not belong together" in pages[0]
    assert client.get_cookie("sid") is None


def test_only_a_hash_of_the_password_is_kept(elm: Desk, cy: FlaskClient) -> None:
    with elm.make.app.app_context():
        kept = db.session.scalar(sa.select(Staff.password).where(Staff.email == CY))
    assert kept.startswith("$argon2id$")
    assert "birds" not in kept


def test_an_old_hash_is_made_anew_at_the_next_sign_in(
    elm: Desk, cy: FlaskClient, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashed, "HASHER", PasswordHasher(time_cost=2, memory_cost=64, parallelism=1))
    sign_in(client)
    with elm.make.app.app_context():
        assert "t=2" in (db.session.scalar(sa.select(Staff.password).where(Staff.email == CY)) or "")
    assert sign_in(elm.make.app.test_client()).status_code == 303


def test_no_transaction_is_open_while_a_password_is_hashed(
    elm: Desk, cy: FlaskClient, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ones: list[bool] = []

    def watched(work: Callable[..., object]) -> Callable[..., object]:
        def watch(*args: object) -> object:
            open_ones.append(db.session.registry().in_transaction())
            return work(*args)

        return watch

    for name in ("matches", "hashed"):
        monkeypatch.setattr(hashed, name, watched(getattr(hashed, name)))
    sign_in(client)
    press(client, "/account/password", password="four small birds sing")
    press(client, "/unlock", password="four small birds sing")
    assert open_ones == [False] * 3


def test_a_bad_password_is_refused_next_to_its_field(elm: Desk) -> None:
    cy = elm.signed_in()
    faults = {"short": "at least 15 characters", "password1234567": "others would try", "": "Enter a password"}
    for password, said in faults.items():
        answer = press(cy, "/account/password", password=password)
        assert answer.status_code == 422
        assert said in answer.text
        assert 'id="password-error"' in answer.text


def test_a_new_password_ends_all_other_sessions_and_is_told_by_mail(
    elm: Desk, cy: FlaskClient, client: FlaskClient
) -> None:
    sign_in(client)
    before = session(cy)
    press(cy, "/account/password", password="four small birds sing")
    assert session(cy) != before
    assert cy.get("/account").status_code == 200
    assert client.get("/account").location == "/login?next=/account"
    assert elm.mails("password-changed") == [CY, CY]


def test_a_forgotten_password_is_replaced_by_way_of_a_mailed_link(
    elm: Desk, cy: FlaskClient, client: FlaskClient
) -> None:
    assert press(client, elm.link(), password="").location == "/account/password?next=/desk/"
    assert press(client, "/account/password?next=/desk/", password="five small birds sing").location == "/desk/"
    assert sign_in(elm.make.app.test_client(), "five small birds sing").status_code == 303


# The second factor


def test_after_a_password_or_a_link_the_second_factor_is_owed(elm: Desk, cy: FlaskClient, client: FlaskClient) -> None:
    add_app(elm, cy)
    for come_in in (lambda: press(client, elm.link()), lambda: sign_in(client)):
        come_in()
        for page in ("/desk/elm/", "/account"):
            assert client.get(page).location == f"/login/factor?next={page}"
    half = session(client)
    assert client.get("/unlock").location == "/login"
    assert client.get("/login/session", headers={"X-Background": "1"}).status_code == 401
    token = token_in(client.get("/login/factor").text)
    assert client.post("/login/lock", data={"csrf_token": token}).status_code == 404
    assert press(client, "/login/factor?next=/desk/elm/", code=code(elm.make.now)).location == "/desk/elm/"
    assert session(client) != half
    assert client.get("/desk/elm/").status_code == 200


def test_a_code_is_taken_once(elm: Desk, cy: FlaskClient) -> None:
    add_app(elm, cy)
    first, second = elm.make.app.test_client(), elm.make.app.test_client()
    for client in (first, second):
        sign_in(client)
    assert press(first, "/login/factor", code=code(elm.make.now)).status_code == 303
    assert press(second, "/login/factor", code=code(elm.make.now)).status_code == 422
    assert press(second, "/login/factor", code=code(elm.make.now, steps=1)).status_code == 303


def test_a_recovery_code_stands_in_once_in_any_spelling(elm: Desk, cy: FlaskClient) -> None:
    codes = add_app(elm, cy)
    assert len(set(codes)) == 10
    first, second = elm.make.app.test_client(), elm.make.app.test_client()
    for client in (first, second):
        sign_in(client)
    assert press(first, "/login/factor", code=codes[3].upper().replace("-", " ")).status_code == 303
    assert press(second, "/login/factor", code=codes[3]).status_code == 422
    assert "9 codes are left" in cy.get("/account").text


def test_the_half_way_in_ends_after_ten_minutes(
    elm: Desk, cy: FlaskClient, client: FlaskClient, set_clock: SetClock
) -> None:
    add_app(elm, cy)
    sign_in(client)
    set_clock(elm.make.now + 10 * MINUTE)
    assert client.get("/login/factor").location == "/login"
    assert client.get("/desk/elm/").location.startswith("/login?")


def test_five_wrong_codes_in_five_minutes_are_enough(elm: Desk, cy: FlaskClient, client: FlaskClient) -> None:
    add_app(elm, cy)
    sign_in(client)
    answers = [press(client, "/login/factor", code="000000").status_code for _ in range(6)]
    assert answers == [422] * 5 + [429]


def test_seeds_and_codes_are_kept_unreadable(elm: Desk, cy: FlaskClient) -> None:
    codes = add_app(elm, cy)
    with elm.make.app.app_context():
        person = records.by_email(CY)
        assert person
        assert records.seed_of(person) == SEED
        assert SEED not in (person.totp or b"")
        kept = db.session.scalars(sa.select(records.RecoveryCode.digest)).all()
    assert not {code.replace("-", "") for code in codes} & set(kept)


def test_a_seed_of_somebody_elses_making_is_not_taken(elm: Desk, cy: FlaskClient) -> None:
    di = elm.signed_in("di@elm.example")
    shown = di.get("/account/app").text
    sealed = unescape(re.findall(r'name="seed" type="hidden" value="([^"]+)"', shown)[0])
    for seed in ("", "AAAA", sealed):
        assert press(cy, "/account/app", seed=seed, code="000000").status_code == 400


def test_factors_come_and_go_with_a_mail_each(elm: Desk, cy: FlaskClient) -> None:
    add_app(elm, cy)
    assert elm.mails("factor-added") == [CY]
    assert press(cy, "/account", "/account/app/remove").location == "/account?done=removed"
    assert elm.mails("factor-removed") == [CY]
    assert "codes are left" not in cy.get("/account").text
    assert press(cy, "/account", "/account/codes").status_code == 404, "nothing to recover"


def test_where_the_owner_asks_for_it_nobody_works_without_a_second_factor(elm: Desk, cy: FlaskClient) -> None:
    owner = elm.signed_in("ann@elm.example", role="owner")
    rules = {"require_second_factor": "y", "idle_minutes": "15"}
    assert press(owner, "/admin/elm/staff", "/admin/elm/staff/rules", **rules).location == "/admin/elm/staff?done=rules"
    assert cy.get("/desk/elm/requests").location == "/account?next=/desk/elm/requests"
    assert "asks everybody for a second factor" in cy.get("/account?next=/desk/elm/requests").text
    add_app(elm, cy)
    assert cy.get("/desk/elm/requests").status_code == 200


# Locks


def test_an_idle_screen_opens_again_with_the_password(elm: Desk, cy: FlaskClient, set_clock: SetClock) -> None:
    set_clock(elm.make.now + 30 * MINUTE)
    assert cy.get("/desk/elm/requests?a=1").location == "/unlock?next=/desk/elm/requests?a%3D1"
    before = session(cy)
    assert press(cy, "/unlock?next=/desk/elm/requests", password="wrong").status_code == 422
    assert cy.get("/desk/elm/").status_code == 303
    assert press(cy, "/unlock?next=/desk/elm/requests", password=PASSWORD).location == "/desk/elm/requests"
    assert session(cy) != before
    assert cy.get("/desk/elm/requests").status_code == 200


def test_the_clinic_says_when_a_screen_locks(elm: Desk, cy: FlaskClient, set_clock: SetClock) -> None:
    owner = elm.signed_in("ann@elm.example", role="owner")
    assert press(owner, "/admin/elm/staff", "/admin/elm/staff/rules", idle_minutes="10").status_code == 303
    assert press(owner, "/admin/elm/staff", "/admin/elm/staff/rules", idle_minutes="31").status_code == 422
    set_clock(elm.make.now + 9 * MINUTE)
    assert cy.get("/desk/elm/", headers={"X-Background": "1"}).status_code == 200
    set_clock(elm.make.now + 10 * MINUTE)
    assert cy.get("/desk/elm/").status_code == 303


def test_a_form_sent_on_a_locked_screen_is_kept_sealed_and_sent_after_the_password(
    elm: Desk, cy: FlaskClient, set_clock: SetClock
) -> None:
    visit = elm.ask()
    to = f"/desk/elm/requests/{visit}/decline"
    token = token_in(cy.get(to).text)
    set_clock(elm.make.now + 31 * MINUTE)
    words = 'Bo is "away" <on> Tuesday'
    locked = cy.post(to, data={"csrf_token": token, "message": words})
    assert locked.status_code == 401
    assert "away" not in locked.text, "whoever passes by may look into the page"
    kept = re.search(r'name="kept" value="([^"]+)"', locked.text)
    assert kept
    form = {"csrf_token": token_in(locked.text), "kept": unescape(kept[1])}
    again = cy.post("/unlock", data={**form, "password": "wrong"})
    assert (again.status_code, 'name="kept"' in again.text) == (422, True)
    opened = cy.post("/unlock", data={**form, "password": PASSWORD})
    assert opened.status_code == 200
    assert f'action="{to}"' in opened.text
    assert "Bo is &#34;away&#34; &lt;on&gt; Tuesday" in opened.text
    assert cy.post(to, data={"csrf_token": token_in(opened.text), "message": words}).status_code == 303
    assert elm.mails("declined") == ["ada@example.com"]


def test_what_was_kept_opens_for_nobody_else(elm: Desk, cy: FlaskClient, set_clock: SetClock) -> None:
    token = token_in(cy.get("/account").text)
    set_clock(elm.make.now + 31 * MINUTE)
    page = cy.post("/account/sessions/end", data={"csrf_token": token, "x": "1"}).text
    kept = unescape(re.findall(r'name="kept" value="([^"]+)"', page)[0])
    set_clock(elm.make.now)
    di = elm.signed_in("di@elm.example")
    for text in (kept, "", "AAAA"):
        answer = press(di, "/unlock", kept=text, **{"continue": ""})
        assert answer.status_code == (400 if text else 303)


def test_passwords_are_never_kept(elm: Desk, cy: FlaskClient, set_clock: SetClock) -> None:
    token = token_in(cy.get("/account/password").text)
    set_clock(elm.make.now + 6 * MINUTE)
    page = cy.post("/account/password", data={"csrf_token": token, "password": "four small birds sing"})
    assert page.status_code == 401
    kept = unescape(re.findall(r'name="kept" value="([^"]+)"', page.text)[0])
    opened = press(cy, "/unlock", kept=kept, password=PASSWORD)
    assert "four small" not in opened.text + page.text


def test_sensitive_steps_ask_again_after_five_minutes(elm: Desk, cy: FlaskClient, set_clock: SetClock) -> None:
    set_clock(elm.make.now + 5 * MINUTE)
    assert cy.get("/account").status_code == 200
    assert cy.get("/account/password").location == "/unlock?next=/account/password"
    assert "asks you again" in cy.get("/unlock?next=/account/password").text
    press(cy, "/unlock?next=/account/password", password=PASSWORD)
    assert cy.get("/account/password").status_code == 200


def test_who_has_no_password_proves_it_by_a_link_and_goes_on(elm: Desk, set_clock: SetClock) -> None:
    cy = elm.signed_in()
    token = token_in(cy.get("/account").text)
    set_clock(elm.make.now + 31 * MINUTE)
    page = cy.post("/account/sessions/end", data={"csrf_token": token}).text
    kept = unescape(re.findall(r'name="kept" value="([^"]+)"', page)[0])
    assert 'type="password"' not in page
    early = cy.post("/unlock", data={"csrf_token": token_in(page), "kept": kept, "continue": ""})
    assert early.status_code == 422
    press(cy, elm.link())
    opened = press(cy, "/unlock", kept=kept, **{"continue": ""})
    assert 'action="/account/sessions/end"' in opened.text


def test_after_twelve_hours_the_second_factor_is_asked_again(elm: Desk, cy: FlaskClient, set_clock: SetClock) -> None:
    add_app(elm, cy)
    later = elm.make.now + timedelta(hours=12)
    set_clock(later)
    assert cy.get("/account").location.startswith("/unlock")
    assert press(cy, "/unlock", password=PASSWORD).status_code == 422
    assert press(cy, "/unlock", password=PASSWORD, code=code(later)).status_code == 303
    assert cy.get("/account").status_code == 200


def test_a_locked_screen_stays_locked_on_the_server(elm: Desk, cy: FlaskClient) -> None:
    assert press(cy, "/account", "/login/lock", next="/desk/elm/").location == "/unlock?next=/desk/elm/"
    assert cy.get("/desk/elm/").location == "/unlock?next=/desk/elm/"
    assert cy.get("/login/session", headers={"X-Background": "1"}).status_code == 401


def test_what_a_script_asks_by_itself_is_no_use(elm: Desk, cy: FlaskClient, set_clock: SetClock) -> None:
    for minutes in (10, 20, 29):
        set_clock(elm.make.now + minutes * MINUTE)
        assert cy.get("/login/session", headers={"X-Background": "1"}).text == str(people(elm))
    set_clock(elm.make.now + 30 * MINUTE)
    over = cy.get("/desk/elm/", headers={"X-Background": "1"})
    assert (over.status_code, over.data) == (401, b"")


def test_signed_out_is_not_locked(elm: Desk, cy: FlaskClient) -> None:
    secret = session(cy)
    press(cy, "/account", "/logout")
    cy.set_cookie("sid", secret)
    assert cy.get("/unlock?next=/account").location == "/login?next=/account"


def test_the_sessions_are_listed_and_the_others_ended(elm: Desk, cy: FlaskClient, client: FlaskClient) -> None:
    agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
    client.environ_base["HTTP_USER_AGENT"] = agent
    sign_in(client)
    shown = cy.get("/account").text
    assert "Firefox on Windows" in shown
    press(cy, "/account", "/account/sessions/end")
    assert client.get("/account").location == "/login?next=/account"
    assert cy.get("/account").status_code == 200


# Forms without a valid token


FROM_US = {"Sec-Fetch-Site": "same-origin"}


def test_a_form_with_an_old_token_can_be_sent_again(elm: Desk, cy: FlaskClient) -> None:
    visit = elm.ask()
    to = f"/desk/elm/requests/{visit}/decline"
    answer = cy.post(to, data={"csrf_token": "old", "message": "Bo is away"}, headers=FROM_US)
    assert answer.status_code == 400
    assert "Nothing was sent" in answer.text
    assert 'name="message" value="Bo is away"' in answer.text
    again = cy.post(to, data={"csrf_token": token_in(answer.text), "message": "Bo is away"}, headers=FROM_US)
    assert again.status_code == 303


def test_a_form_from_elsewhere_is_not_offered_to_be_sent_again(elm: Desk, cy: FlaskClient) -> None:
    form = {"csrf_token": "old", "x": "pressed by mistake"}
    for headers in ({}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}):
        answer = cy.post("/account/sessions/end", data=form, headers=headers)
        assert answer.status_code == 400
        assert "pressed by mistake" not in answer.text


def test_a_patients_form_is_kept_too(elm: Desk, client: FlaskClient) -> None:
    answer = client.post("/elm/lost-link", data={"csrf_token": "old", "email": "ada@example.com"}, headers=FROM_US)
    assert 'name="email" value="ada@example.com"' in answer.text
    sent = {"csrf_token": token_in(answer.text), "email": "ada@example.com"}
    assert client.post("/elm/lost-link", data=sent, headers=FROM_US).status_code == 303


# Limits and notices


@pytest.mark.usefixtures("both_databases")
def test_guessing_slows_down_and_nobody_is_locked_out(elm: Desk, cy: FlaskClient, set_clock: SetClock) -> None:
    def guess(n: int, password: str = "wrong") -> TestResponse:
        client = elm.make.app.test_client()
        client.environ_base["REMOTE_ADDR"] = f"192.0.2.{n}"
        return sign_in(client, password, email=" CY@elm.example")

    assert [guess(n).status_code for n in range(10)] == [422] * 10
    waits, at = [], elm.make.now
    for _ in range(6):
        refused = guess(99, PASSWORD)
        assert refused.status_code == 429
        waits.append(int(refused.headers["Retry-After"]))
        at += timedelta(seconds=waits[-1])
        set_clock(at)
        assert guess(98).status_code == 422
    assert waits == [15, 30, 60, 120, 240, 300]
    set_clock(at + timedelta(seconds=300))
    assert guess(97, PASSWORD).status_code == 303
    assert guess(97).status_code == 422, "and all is forgiven"


def test_one_address_guesses_no_faster_with_many_accounts(elm: Desk, cy: FlaskClient, client: FlaskClient) -> None:
    answers = [sign_in(client, email=f"a{n}@elm.example").status_code for n in range(11)]
    assert answers == [422] * 10 + [429]


def test_coming_in_rightly_is_no_guess(elm: Desk, cy: FlaskClient) -> None:
    assert {sign_in(elm.make.app.test_client()).status_code for _ in range(12)} == {303}


def test_every_request_for_a_link_counts(elm: Desk, cy: FlaskClient, set_clock: SetClock) -> None:
    def ask(n: int, email: str = CY) -> int:
        client = elm.make.app.test_client()
        client.environ_base["REMOTE_ADDR"] = f"192.0.2.{n}"
        return press(client, "/login", "/login/link", email=email).status_code

    for email in (CY, "nobody@elm.example"):
        assert [ask(n, email) for n in range(6)] == [303] * 5 + [429]
    set_clock(elm.make.now + timedelta(days=1))
    assert ask(7) == 303


def test_a_new_device_is_told_by_mail_and_a_known_one_is_not(elm: Desk, cy: FlaskClient, client: FlaskClient) -> None:
    sign_in(client)
    assert elm.mails("new-device") == [CY]
    press(client, "/account", "/logout")
    sign_in(client)
    press(cy, "/account", "/logout")
    sign_in(cy)
    assert elm.mails("new-device") == [CY]


def test_what_people_do_with_their_account_is_recorded(elm: Desk, cy: FlaskClient, client: FlaskClient) -> None:
    sign_in(client, "wrong")
    sign_in(client)
    press(client, "/account", "/logout")
    add_app(elm, cy)
    assert recorded(elm)[-5:] == [
        "staff.password-changed",
        "staff.sign-in-failed",
        "staff.signed_in",
        "staff.signed_out",
        "staff.factor-added",
    ]


# Owners


@pytest.fixture
def ann(elm: Desk) -> FlaskClient:
    return elm.signed_in("ann@elm.example", role="owner")


def test_an_owner_invites_changes_a_role_and_dismisses(elm: Desk, cy: FlaskClient, ann: FlaskClient) -> None:
    page = "/admin/elm/staff"
    invited = press(ann, page, name="Di Moss", email="Di@elm.example", role="practitioner")
    assert invited.location == f"{page}?done=invited"
    assert elm.mails("sign-in")[-1] == "di@elm.example"
    assert "Di Moss" in ann.get(page).text
    press(ann, page, f"{page}/role", staff=str(people(elm)), role="practitioner")
    assert cy.get("/desk/elm/requests").status_code == 200
    visit = elm.ask()
    assert cy.get(f"/desk/elm/requests/{visit}/decline").status_code == 404, "her role changed at once"
    press(ann, page, f"{page}/dismiss", staff=str(people(elm)))
    assert cy.get("/account").location == "/login?next=/account"
    assert CY not in ann.get(page).text


def test_dismissal_takes_only_this_clinics_role(elm: Desk, ann: FlaskClient) -> None:
    elm.signed_in(oak=True)
    elm.signed_in()
    press(ann, "/admin/elm/staff", "/admin/elm/staff/dismiss", staff=str(people(elm)))
    client = elm.make.app.test_client()
    press(client, elm.link(oak=True))
    assert client.get("/desk/oak/").status_code == 200
    assert client.get("/desk/elm/").status_code == 404


def test_the_last_owner_stays(elm: Desk, ann: FlaskClient) -> None:
    page, id = "/admin/elm/staff", str(people(elm, "ann@elm.example"))
    for answer in (
        press(ann, page, f"{page}/dismiss", staff=id),
        press(ann, page, f"{page}/role", staff=id, role="front-desk"),
        press(ann, page, name="Ann", email="ann@elm.example", role="practitioner"),
    ):
        assert answer.status_code == 409
        assert "keeps at least one owner" in answer.text
    elm.signed_in("al@elm.example", role="owner")
    assert press(ann, page, f"{page}/dismiss", staff=id).status_code == 303


def test_an_owner_has_no_say_in_another_clinic(elm: Desk, ann: FlaskClient) -> None:
    elm.signed_in("di@oak.example", oak=True)
    page = "/admin/elm/staff"
    assert "di@oak.example" not in ann.get(page).text
    for what, role in (("dismiss", ""), ("role", "owner")):
        assert (
            press(ann, page, f"{page}/{what}", staff=str(people(elm, "di@oak.example")), role=role).status_code == 404
        )


def test_a_faulty_invitation_comes_back(elm: Desk, ann: FlaskClient) -> None:
    good = {"name": "Di", "email": "di@elm.example", "role": "owner"}
    for fault in ({"name": ""}, {"email": "di"}, {"role": "god"}):
        answer = press(ann, "/admin/elm/staff", **good | fault)
        assert answer.status_code == 422
        assert "error-summary" in answer.text
    assert "di@elm.example" not in elm.mails("sign-in")


# Passkeys: that they work is shown in a browser (tests/browser/test_sign_in.py)


def test_what_no_passkey_signed_opens_nothing(elm: Desk, cy: FlaskClient, client: FlaskClient) -> None:
    for answer in ("", "{}", "[]", "null", '{"id": "x", "response": {}}', "not json"):
        assert press(client, "/login", "/login/passkey", passkey=answer).status_code == 422
        assert press(cy, "/account/passkey", name="Key", passkey=answer).status_code == 422
    assert client.get_cookie("sid") is None
