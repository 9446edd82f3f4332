"""The owner's audit screen: who did and saw what, narrowed, in pages, and taken along as CSV."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from booking.actions import audit as actions
from booking.actions.audit import chain_notes
from booking.domain.access import Caller
from booking.store import audit
from booking.store.audit import Wanted
from booking.store.base import db, transaction
from booking.store.patient import Patient
from tests.cast import Make
from tests.desk import press, token_in

AUDIT = "/desk/elm/audit"


@pytest.fixture
def owner(make: Make) -> FlaskClient:
    client = make.app.test_client()
    client.set_cookie("sid", make.session("oz@elm.example", role="owner"))
    return client


def entries(make: Make, action: str | None = None) -> list[str]:
    with make.app.app_context():
        return [f"{entry.action} {entry.object}" for entry in audit.search(make.elm, Wanted(action=action))]


def test_a_visits_story_is_read_with_who_and_whom_it_was_about(make: Make, owner: FlaskClient) -> None:
    visit = make.appointment("Tue 09:00", note="My back hurts")
    page = owner.get(f"{AUDIT}?visit={visit.reference.lower()}").text
    assert "Booked a visit" in page
    assert "A patient" in page
    assert f'<a href="/desk/elm/appointments/{visit.public_id}">Ada Lovelace</a>' in page
    assert "My back hurts" not in page
    assert "There are no such entries" in owner.get(f"{AUDIT}?visit=00000000").text


def test_opening_a_record_is_noted_once_and_changes_nothing_else(make: Make, desk: FlaskClient) -> None:
    visit = make.appointment("Tue 09:00")
    before = entries(make)
    for _ in range(2):
        assert desk.get(f"/desk/elm/appointments/{visit.public_id}").status_code == 200
    assert entries(make) == before
    with make.app.app_context():
        assert chain_notes(make.now) == 1
    assert entries(make, action="record.seen") == [f"record.seen appointment:{visit.public_id}"]


def test_everything_about_a_patient_is_found_and_nothing_about_others(make: Make, owner: FlaskClient) -> None:
    ada, eve = make.appointment("Tue 09:00"), make.appointment("Tue 10:00", person=make.person("Eve Moss"))
    with make.app.app_context():
        patient = db.session.get_one(Patient, ada.patient_id)
        by, public_id = Caller("staff", 1), patient.public_id
        change = transaction(audit.record)
        change(make.elm, "patient.changed", by=by, now=make.now, object=f"patient:{patient.id}", field="phone")
    assert f"{AUDIT}?patient={public_id}" in owner.get(f"/desk/elm/patients/{public_id}").text
    page = owner.get(f"{AUDIT}?patient={public_id}").text
    assert "About Ada Lovelace" in page
    assert "Changed a patient’s record" in page
    assert "field: phone" in page
    assert ada.public_id in page
    assert eve.public_id not in page
    assert owner.get(f"{AUDIT}?patient=nobody").status_code == 404


def test_entries_are_narrowed_by_person_action_and_days_and_come_in_pages(make: Make, owner: FlaskClient) -> None:
    @transaction
    def many() -> None:
        for n in range(120):
            audit.record(make.elm, "made.up", by=Caller("staff", 1), now=make.now + timedelta(minutes=n))

    make.appointment("Tue 09:00")
    with make.app.app_context():
        many()
        staff_id = db.session.execute(sa.text("select min(id) from staff")).scalar_one()
    page = owner.get(f"{AUDIT}?who=staff:{staff_id}&action=made.up&since=2027-01-11&until=2027-01-11").text
    assert page.count("<td>made.up") == 100
    earlier = page.partition('class="btn" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert owner.get(earlier).text.count("<td>made.up") == 20
    assert "There are no such entries" in owner.get(f"{AUDIT}?until=2027-01-10").text
    assert "made.up" not in owner.get(f"{AUDIT}?who=patient").text.partition("<table")[2]
    for nonsense in ("who=staff:x", "who=everybody"):
        assert owner.get(f"{AUDIT}?{nonsense}").status_code == 404


def test_an_export_holds_the_entries_that_are_shown_and_is_an_entry_itself(make: Make, owner: FlaskClient) -> None:
    visit = make.appointment("Tue 09:00")
    answer = press(owner, AUDIT, f"{AUDIT}/export", visit=visit.reference)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit-elm-2027-01-11.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"), newline="")))
    assert [(row["action"], row["object"]) for row in rows] == [
        ("appointment.booked", f"appointment:{visit.public_id}")
    ]
    assert entries(make)[0] == "audit.exported "


def test_an_export_needs_a_fresh_proof(make: Make, owner: FlaskClient, set_clock: object) -> None:
    token = token_in(owner.get(AUDIT).text)
    set_clock(make.now + timedelta(minutes=6))  # type: ignore[operator]
    answer = owner.post(f"{AUDIT}/export", data={"csrf_token": token})
    assert answer.status_code == 401
    assert "number,at" not in answer.text


def test_signed_heads_are_kept_once_a_day(make: Make) -> None:
    with make.app.app_context():
        assert make.elm
        for hours in (0, 1, 24):
            actions.keep_heads(make.now + timedelta(hours=hours))
        kept = actions.kept_heads(actions.heads_file())
    assert [head.at - make.now for head in kept if head.clinic_id == make.elm] == [timedelta(), timedelta(days=1)]
