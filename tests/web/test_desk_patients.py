"""Patients at the desk: searched for, looked at, corrected and merged, by who may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from booking.store import record
from booking.store.appointment import Appointment
from booking.store.audit import Access
from booking.store.base import db
from booking.store.patient import Patient
from tests.cast import ELM, Make
from tests.desk import press

PATIENTS = "/desk/elm/patients"
MOBILE = "+442079460177"


@pytest.fixture
def elm(make: Make) -> int:
    return make.clinic(ELM.replace('languages = ["en"]', 'languages = ["en", "es"]'))


@pytest.fixture
def record_of(app: Flask) -> Callable[[Appointment], str]:
    """Call it for the public id of a visit's patient."""

    def record_of(visit: Appointment) -> str:
        with app.app_context():
            return db.session.get_one(Patient, db.session.get_one(Appointment, visit.id).patient_id).public_id

    return record_of


Of = Callable[[Appointment], str]


def browser(app: Flask, make: Make, role: str) -> FlaskClient:
    client = app.test_client()
    client.set_cookie("sid", make.session(f"{role}@elm.example", role=role))
    return client


def test_a_search_shows_who_is_meant_and_says_nothing_of_it_in_an_address(
    elm: int, make: Make, desk: FlaskClient, record_of: Of
) -> None:
    ada = record_of(make.appointment("Tue 09:00"))
    make.appointment("Tue 10:00", person=make.person("Eve Adams", email=None, phone=MOBILE))
    found = press(desk, PATIENTS, q="lovelase")
    assert found.status_code == 200
    assert f'href="{PATIENTS}/{ada}"' in found.text
    assert "Eve Adams" not in found.text
    assert "Similar name" in found.text
    assert "Next visit 12 Jan 2027" in found.text
    phone = press(desk, PATIENTS, q="0177").text
    assert "Eve Adams" in phone
    assert "020 7946 0177" in phone
    assert "Nobody is found" in press(desk, PATIENTS, q="<nobody>").text
    assert "Nobody is found" not in press(desk, PATIENTS, q="").text


def test_the_script_gets_only_the_part_that_changes(elm: int, make: Make, desk: FlaskClient) -> None:
    make.appointment("Tue 09:00")
    desk.application.config["WTF_CSRF_ENABLED"] = False
    part = desk.post(PATIENTS, data={"q": "ada"}, headers={"X-Part": "#found"}).text
    assert part.startswith('<section id="found" data-said="1 patient is found.">')
    assert "Ada Lovelace" in part


def test_a_record_shows_visits_contacts_notes_family_and_whoever_looks_is_noted(
    app: Flask, elm: int, make: Make, desk: FlaskClient, record_of: Of
) -> None:
    one = make.appointment("Tue 09:00", person=make.person(phone=MOBILE))
    make.appointment("Wed 10:00", person=make.person(phone=MOBILE))
    make.appointment("Thu 09:00", person=make.person("Byron Lovelace", email=None, phone=MOBILE))
    with app.app_context():
        gone = db.session.get_one(Appointment, one.id)
        gone.status, gone.starts_at, gone.ends_at = "noshow", *(make.now - timedelta(hours=n) for n in (2, 1))
        db.session.commit()
    ada = f"{PATIENTS}/{record_of(one)}"
    assert press(desk, ada, f"{ada}/notes", text="Quiet room <b>please</b>").status_code == 303
    page = desk.get(ada).text
    for text in (
        "Wed 13 Jan",
        "Did not come",
        "1 time",
        "Quiet room &lt;b&gt;please",
        "Cy",
        "Byron Lovelace",
        'href="tel:+442079460177"',
        "mailto:ada@example.com",
    ):
        assert text in page, text
    with app.app_context():
        assert db.session.scalars(sa.select(Access.object)).all() == [f"patient:{one.patient_id}"]
    assert "Ada Lovelace" in desk.get(PATIENTS).text.partition("Opened lately")[2]


def test_a_note_that_cannot_be_kept_stays_in_its_form(elm: int, make: Make, desk: FlaskClient, record_of: Of) -> None:
    ada = f"{PATIENTS}/{record_of(make.appointment())}"
    for text, said in (("x" * 2001, "under 2000"), ("  ", "Write something"), ("a\ue000b", "can&#39;t be kept")):
        refused = press(desk, ada, f"{ada}/notes", text=text)
        assert refused.status_code == 422
        assert said in refused.text
        assert f">\n{text}" in refused.text.replace("\r", "") or not text.strip()


def test_contacts_are_checked_saved_and_not_saved_over_somebody_elses(
    app: Flask, elm: int, make: Make, desk: FlaskClient, record_of: Of
) -> None:
    visit = make.appointment("Tue 09:00")
    ada = f"{PATIENTS}/{record_of(visit)}"
    edit = f"{ada}/edit"
    typed = {
        "name": "Ada King",
        "phone": "020 7946 0177",
        "email": "ada@home.example",
        "language": "es",
        "version": "1",
    }
    wrong = press(desk, edit, **(typed | {"name": "1", "phone": "12", "email": "@", "language": "xx"}))
    assert wrong.status_code == 422
    for said in ("Enter your full name", "Enter a phone number with its area code", "Enter an e-mail address like"):
        assert said in wrong.text
    assert (
        "Enter a phone number or an e-mail so that we can reach you"
        in press(desk, edit, **(typed | {"phone": "", "email": ""})).text
    )
    saved = press(desk, edit, **typed)
    assert saved.status_code == 303
    page = desk.get(saved.headers["Location"]).text
    for text in ("Ada King", "020 7946 0177", "ada@home.example", "Spanish", "mailed to the new address"):
        assert text in page, text
    late = press(desk, edit, **(typed | {"name": "Ada Byron"}))
    assert late.status_code == 409
    assert "Somebody else changed this record" in late.text
    assert 'value="Ada Byron"' in late.text
    assert "<li>Ada King</li>" in late.text
    assert press(desk, edit, **(typed | {"name": "Ada Byron", "version": "2"})).status_code == 303
    with app.app_context():
        now = db.session.get_one(Patient, visit.patient_id)
        assert (now.name, now.phone, now.email, now.language) == ("Ada Byron", MOBILE, "ada@home.example", "es")
        assert db.session.get_one(Appointment, visit.id).language == "es"


def test_two_records_are_compared_merged_and_taken_apart(
    app: Flask, elm: int, make: Make, desk: FlaskClient, record_of: Of
) -> None:
    one = make.appointment("Tue 09:00", person=make.person(phone=MOBILE))
    other = make.appointment("Wed 09:00", person=make.person("Ada Lovelase", email=None, phone=MOBILE))
    ada, double = record_of(one), record_of(other)
    listed = desk.get(f"{PATIENTS}/duplicates").text
    assert "A similar name." in listed
    assert "The same phone." in listed
    compare = f"{PATIENTS}/{ada}/merge/{double}"
    assert f'href="{compare}"' in listed
    assert "1 visit to come of the other is mailed anew" in desk.get(compare).text
    assert "Perhaps the same person" in desk.get(f"{PATIENTS}/{ada}").text
    assert press(desk, compare).status_code == 303
    page = desk.get(f"{PATIENTS}/{ada}").text
    assert "Ada Lovelase" in page.partition("Merged into this record")[2]
    assert desk.get(f"{PATIENTS}/{double}").headers["Location"] == f"{PATIENTS}/{ada}"
    assert "No two records look like" in desk.get(f"{PATIENTS}/duplicates").text
    with app.app_context():
        [(merge, *_)] = record.merges(elm)
    # A page that was open all the while can't merge them the other way round.
    late = press(desk, f"{PATIENTS}/{ada}", f"{PATIENTS}/{double}/merge/{ada}")
    assert late.status_code == 409
    assert "Nothing was merged" in late.text
    undo = f"{PATIENTS}/merges/{merge.public_id}/undo"
    assert press(desk, f"{PATIENTS}/{ada}", undo).status_code == 303
    assert desk.get(f"{PATIENTS}/{double}").status_code == 200
    assert press(desk, compare, f"{PATIENTS}/{ada}/apart/{double}").status_code == 303
    assert "No two records look like" in desk.get(f"{PATIENTS}/duplicates").text
    chosen = press(desk, f"{PATIENTS}?too={ada}", PATIENTS, q="lovelase", too=ada).text
    assert f'href="{compare}"' in chosen


def test_practitioners_write_notes_and_change_nothing_else(
    app: Flask, elm: int, make: Make, desk: FlaskClient, record_of: Of
) -> None:
    ada = f"{PATIENTS}/{record_of(make.appointment())}"
    press(desk, ada, f"{ada}/notes", text="By Cy")
    bo = browser(app, make, "practitioner")
    page = bo.get(ada).text
    for hidden in ("/edit", "/merge/", "/remove", "too="):
        assert hidden not in page, hidden
    assert press(bo, ada, f"{ada}/notes", text="By Bo").status_code == 303
    assert bo.get(ada).text.count("/remove") == 1
    assert bo.get(f"{ada}/edit").status_code == 404
    assert bo.get(f"{PATIENTS}/duplicates").status_code == 404
    with app.app_context():
        notes = record.notes(elm, db.session.scalars(sa.select(Patient.id)).one())
    [by_cy] = [note for note in notes if note.text == "By Cy"]
    assert press(bo, ada, f"{ada}/notes/{by_cy.public_id}/remove").status_code == 403
    owner = browser(app, make, "owner")
    assert press(owner, ada, f"{ada}/notes/{by_cy.public_id}/remove").status_code == 303
    assert "By Cy" not in owner.get(ada).text


def test_another_clinics_patient_is_nobody(app: Flask, elm: int, make: Make, desk: FlaskClient, record_of: Of) -> None:
    ada = record_of(make.appointment())
    oak = make.clinic(slug="oak", name="Oak Clinic")
    di = app.test_client()
    di.set_cookie("sid", make.session("di@oak.example", role="owner", clinic=oak))
    for path in (ada, f"{ada}/edit", f"{ada}/merge/{ada}"):
        assert di.get(f"/desk/oak/patients/{path}").status_code == 404
    assert "Ada" not in press(di, "/desk/oak/patients", q="ada").text
    assert di.get(f"/desk/oak/patients?too={ada}").status_code == 404
