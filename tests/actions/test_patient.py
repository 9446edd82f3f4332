"""A patient's record: corrected, annotated, merged with another and taken apart again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from icalendar import Calendar

from booking.actions import appointment as appointments
from booking.actions import outbox as sending
from booking.actions import patient as actions
from booking.actions import visit as day
from booking.domain.access import Caller
from booking.domain.appointment import Status
from booking.domain.errors import BookingError, Changed, NotAllowed, NotFound
from booking.domain.message import Tell
from booking.store import invariants, patient, record
from booking.store.appointment import Appointment
from booking.store.audit import Entry
from booking.store.base import db
from booking.store.patient import Patient, Person
from booking.store.patient_key import PatientKey
from booking.store.record import Merge, PatientNote
from tests.cast import Make
from tests.servers.smtp import Mailbox

OLD, NEW, BO = "ada@example.com", "ada@home.example", "bo@elm.example"
MOBILE = "+16305550142"


@pytest.fixture
def cy(make: Make) -> Caller:
    make.session()
    return Caller("staff", 1, "front-desk")


@pytest.fixture
def deliver(app: Flask, make: Make) -> Callable[[], int]:
    def deliver() -> int:
        with app.app_context():
            return sending.deliver(make.now + timedelta(minutes=1))

    return deliver


def record_of(visit: Appointment) -> Patient:
    return db.session.get_one(Patient, visit.patient_id, populate_existing=True)


def events(mails: list[EmailMessage]) -> list[tuple[str, str, int]]:
    """METHOD, UID and SEQUENCE of each mail's event."""
    found = []
    for mail in mails:
        for part in mail.walk():
            if part.get_content_type() == "text/calendar":
                body: Any = part.get_payload(decode=True)
                calendar = Calendar.from_ical(body)
                [event] = calendar.events
                found.append((str(calendar["METHOD"]), str(event["UID"]), int(str(event["SEQUENCE"]))))
    return found


def text_of(mail: EmailMessage) -> str:
    """All that a mail says, its calendar's lines unfolded."""
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    return "\n".join(part.decode().replace("\r\n ", "") for part in parts if isinstance(part, bytes))


def broken(make: Make) -> list[str]:
    return [name for name, faults in invariants.faults(0) if faults and "hold" not in name]


# Correcting


def test_visits_to_come_follow_to_another_address(
    app: Flask, make: Make, cy: Caller, mailbox: Mailbox, deliver: Callable[[], int]
) -> None:
    visit = make.appointment("Tue 09:00")
    old_link = make.link(visit)
    deliver()
    with app.app_context():
        ada = record_of(visit)
        actions.change(make.elm, ada.public_id, make.person(email=NEW), expected=ada.version, by=cy, now=make.now)
    deliver()
    [(_, uid, _)] = events(mailbox.to(OLD))[:1]
    assert events(mailbox.to(OLD)) == [("REQUEST", uid, 0), ("CANCEL", uid, 1)]
    [(method, other, sequence)] = events(mailbox.to(NEW))
    assert (method, sequence) == ("REQUEST", 0)
    assert other != uid
    # The practitioner's calendar follows the events too.
    assert events(mailbox.to(BO)) == [("REQUEST", uid, 0), ("CANCEL", uid, 1), ("REQUEST", other, 0)]
    # A stranger who had the old mail sees the visit no more; the new mail's link opens it.
    assert app.test_client().get(old_link).status_code == 404
    with app.app_context():
        now = db.session.get_one(Appointment, visit.id)
        assert now.uid == other
        text = mailbox.to(NEW)[0].get_body(("plain",))
        assert text is not None
        assert make.link(now) in text.get_content()
        assert broken(make) == []
    assert app.test_client().get(make.link(now)).status_code == 303


def test_a_request_and_a_visit_without_mail_follow_too(
    app: Flask, make: Make, cy: Caller, mailbox: Mailbox, deliver: Callable[[], int]
) -> None:
    make.clinic(confirmation="request")
    visit = make.appointment("Tue 09:00", person=make.person(email=None, phone=MOBILE))
    with app.app_context():
        ada = record_of(visit)
        actions.change(make.elm, ada.public_id, make.person(email=NEW, phone=MOBILE), expected=1, by=cy, now=make.now)
    deliver()
    assert len(mailbox.to(NEW)) == 1
    assert events(mailbox.to(NEW)) == []
    with app.app_context():
        assert db.session.get_one(Appointment, visit.id).status == Status.PENDING


def test_the_visit_of_who_is_here_follows_too(
    app: Flask, make: Make, cy: Caller, mailbox: Mailbox, deliver: Callable[[], int]
) -> None:
    visit = make.appointment("Mon 09:00")
    deliver()
    with app.app_context():
        day.note(make.elm, visit.public_id, Status.ARRIVED, by=cy, now=make.now)
        someone = record_of(visit)
        person = make.person(email=NEW)
        actions.change(make.elm, someone.public_id, person, expected=someone.version, by=cy, now=make.now)
        day.take_back(make.elm, visit.public_id, by=cy, now=make.now)
    deliver()
    assert [method for method, _, _ in events(mailbox.to(OLD))] == ["REQUEST", "CANCEL"]
    assert [method for method, _, _ in events(mailbox.to(NEW))] == ["REQUEST"]


def test_a_missed_visit_that_is_moved_leaves_the_address_of_then(
    app: Flask, make: Make, cy: Caller, mailbox: Mailbox, deliver: Callable[[], int]
) -> None:
    visit = make.appointment("Mon 09:00")
    deliver()
    later = make.now + timedelta(hours=5)
    with app.app_context():
        someone = record_of(visit)
        person = make.person(email=NEW)
        actions.change(make.elm, someone.public_id, person, expected=someone.version, by=cy, now=later)
        at = make.at("Wed 09:00")
        appointments.reschedule(make.elm, visit.public_id, at, by=cy, now=later, telling=Tell.NOW)
        sending.deliver(later)
    assert [method for method, _, _ in events(mailbox.to(OLD))] == ["REQUEST", "CANCEL"]
    assert [method for method, _, _ in events(mailbox.to(NEW))] == ["REQUEST"]


@pytest.mark.parametrize("confirmation", ["instant", "request"])
def test_the_old_address_is_not_sent_the_new_link(
    app: Flask, make: Make, cy: Caller, mailbox: Mailbox, deliver: Callable[[], int], confirmation: str
) -> None:
    make.clinic(confirmation=confirmation)
    told = make.appointment("Tue 10:00")
    deliver()
    waiting = make.appointment("Wed 10:00")
    with app.app_context():
        someone = record_of(told)
        person = make.person(email=NEW)
        actions.change(make.elm, someone.public_id, person, expected=someone.version, by=cy, now=make.now)
        links = [make.link(db.session.get_one(Appointment, visit.id)) for visit in (told, waiting)]
    deliver()
    said = {to: "".join(text_of(mail) for mail in mailbox.to(to)) for to in (OLD, NEW)}
    assert [link in said[NEW] for link in links] == [True, True]
    assert [link in said[OLD] for link in links] == [False, False]


def test_a_new_name_mails_nobody_and_finds_the_patient(
    app: Flask, make: Make, cy: Caller, mailbox: Mailbox, deliver: Callable[[], int]
) -> None:
    visit = make.appointment("Tue 09:00")
    deliver()
    sent = len(mailbox.mails)
    with app.app_context():
        person = make.person("Augusta King", email="ADA@example.com")
        someone = actions.change(make.elm, record_of(visit).public_id, person, expected=1, by=cy, now=make.now)
        assert [found.id for found in patient.search(make.elm, "king augusta", now=make.now)] == [someone.id]
        assert patient.search(make.elm, "lovelace", now=make.now) == []
        # Whoever books under these details is this patient.
        assert patient.find_or_add(make.elm, person, make.now)[0] == someone.id
        [entry] = db.session.scalars(sa.select(Entry).where(Entry.action == "patient.changed"))
        assert entry.facts == {"fields": "name,email"}
        assert broken(make) == []
    deliver()
    assert len(mailbox.mails) == sent


def test_who_saw_another_version_changes_nothing(app: Flask, make: Make, cy: Caller) -> None:
    visit = make.appointment("Tue 09:00")
    with app.app_context():
        public_id = record_of(visit).public_id
        actions.change(make.elm, public_id, make.person(phone=MOBILE), expected=1, by=cy, now=make.now)
        with pytest.raises(Changed) as refused:
            actions.change(make.elm, public_id, make.person("Eve"), expected=1, by=cy, now=make.now)
        assert refused.value.version == 2
        assert record_of(visit).name == "Ada Lovelace"
        with pytest.raises(NotFound):
            actions.change(make.elm + 1, public_id, make.person("Eve"), expected=2, by=cy, now=make.now)


def test_details_that_another_record_has_already_may_stand_twice(app: Flask, make: Make, cy: Caller) -> None:
    one = make.appointment("Tue 09:00")
    other = make.appointment("Wed 09:00", person=make.person("Ada L", email=NEW))
    with app.app_context():
        actions.change(make.elm, record_of(other).public_id, make.person(), expected=1, by=cy, now=make.now)
        assert patient.find_or_add(make.elm, make.person(), make.now)[0] == one.patient_id
        [pair] = record.duplicates(make.elm)
        assert {pair.first.id, pair.second.id} == {one.patient_id, other.patient_id}


# Notes


def test_notes_are_sealed_and_their_author_or_the_owner_removes_them(app: Flask, make: Make, cy: Caller) -> None:
    visit = make.appointment("Tue 09:00")
    with app.app_context():
        ada = record_of(visit)
        actions.write_note(make.elm, ada.public_id, "Prefers the quiet room", by=cy, now=make.now)
        [note] = record.notes(make.elm, ada.id)
        assert (note.author, note.text) == ("Cy", "Prefers the quiet room")
        assert b"quiet" not in db.session.scalars(sa.select(PatientNote.text)).one()
        other = Caller("staff", 9, "practitioner")
        with pytest.raises(NotAllowed):
            actions.remove_note(make.elm, ada.public_id, note.public_id, by=other, now=make.now)
        with pytest.raises(NotFound):
            actions.remove_note(make.elm, ada.public_id, "x", by=cy, now=make.now)
        actions.remove_note(make.elm, ada.public_id, note.public_id, by=cy, now=make.now)
        assert record.notes(make.elm, ada.id) == []
        said = [(entry.action, entry.facts) for entry in db.session.scalars(sa.select(Entry).order_by(Entry.seq))]
        assert said[-2:] == [
            ("patient.note-written", {"note": note.public_id}),
            ("patient.note-removed", {"note": note.public_id}),
        ]


# Merging


def belongings(make: Make) -> list[Any]:
    """What a merge may move or change, of all patients."""
    db.session.expire_all()
    return [
        list(db.session.execute(query))
        for query in (
            sa.select(Appointment.id, Appointment.patient_id, Appointment.status).order_by(Appointment.id),
            sa.select(PatientNote.id, PatientNote.patient_id).order_by(PatientNote.id),
            sa.select(Patient.id, Patient.name, Patient.phone, Patient.email, Patient.merged_into_id).order_by(
                Patient.id
            ),
            sa.select(PatientKey.key, PatientKey.patient_id).order_by(PatientKey.key, PatientKey.patient_id),
        )
    ]


@pytest.mark.usefixtures("both_databases")
def test_a_merge_moves_all_and_undoing_it_moves_back_exactly_that(app: Flask, make: Make, cy: Caller) -> None:
    kept = make.appointment("Tue 09:00")
    merged = make.appointment("Wed 09:00", person=make.person("Ada Byron", phone=MOBILE))
    third = make.appointment("Thu 09:00", person=make.person("A. Lovelace", email=None, phone=MOBILE))
    with app.app_context():
        first, second, last = (record_of(visit).public_id for visit in (kept, merged, third))
        actions.write_note(make.elm, first, "One", by=cy, now=make.now)
        actions.write_note(make.elm, second, "Two", by=cy, now=make.now)
        actions.merge(make.elm, second, last, by=cy, now=make.now)
        before = belongings(make)
        moved = actions.merge(make.elm, first, second, by=cy, now=make.now)
        assert actions.merge(make.elm, first, second, by=cy, now=make.now).id == moved.id
        ada = db.session.get_one(Patient, kept.patient_id)
        assert [visit.id for visit in record.visits(make.elm, ada.id)] == [third.id, merged.id, kept.id]
        assert len(record.notes(make.elm, ada.id)) == 2
        assert (ada.phone, ada.email) == (MOBILE, OLD)
        for text in ("lovelace", "byron", "0142", OLD):
            assert [found.id for found in patient.search(make.elm, text, now=make.now)] == [ada.id], text
        # Whoever books as either of them is the kept one, and is in one place at a time.
        for person in (
            make.person("Ada Byron", phone=MOBILE),
            make.person(),
            make.person("A. Lovelace", email=None, phone=MOBILE),
        ):
            assert patient.find_or_add(make.elm, person, make.now) == (ada.id, OLD, [ada.id])
        db.session.commit()
        assert broken(make) == []
    later = make.appointment("Fri 09:00", person=make.person("Ada Byron", phone=MOBILE))
    with app.app_context():
        actions.unmerge(make.elm, moved.public_id, by=cy, now=make.now)
        actions.unmerge(make.elm, moved.public_id, by=cy, now=make.now)
        visits, *rest = belongings(make)
        # What came since stays where it came to.
        assert visits == [*before[0], (later.id, kept.patient_id, "booked")]
        assert rest == before[1:]
        assert broken(make) == []


def test_moved_visits_are_mailed_to_the_kept_address_and_back_and_their_links_go_on(
    app: Flask, make: Make, cy: Caller, mailbox: Mailbox, deliver: Callable[[], int]
) -> None:
    kept = make.appointment("Tue 09:00", person=make.person(email=NEW))
    merged = make.appointment("Wed 09:00")
    deliver()
    with app.app_context():
        pair = record_of(kept).public_id, record_of(merged).public_id
        moved = actions.merge(make.elm, *pair, by=cy, now=make.now)
    deliver()
    assert [method for method, _, _ in events(mailbox.to(OLD))] == ["REQUEST", "CANCEL"]
    assert [method for method, _, _ in events(mailbox.to(NEW))] == ["REQUEST", "REQUEST"]
    assert app.test_client().get(make.link(merged)).status_code == 303
    with app.app_context():
        actions.unmerge(make.elm, moved.public_id, by=cy, now=make.now)
    deliver()
    assert [method for method, _, _ in events(mailbox.to(OLD))] == ["REQUEST", "CANCEL", "REQUEST"]
    assert [method for method, _, _ in events(mailbox.to(NEW))] == ["REQUEST", "REQUEST", "CANCEL"]
    assert len({uid for _, uid, _ in events(mailbox.to(OLD))}) == 2


@pytest.mark.usefixtures("both_databases")
def test_what_is_booked_in_the_name_of_a_merged_record_is_mailed_where_the_kept_one_is(
    app: Flask, make: Make, cy: Caller, mailbox: Mailbox, deliver: Callable[[], int]
) -> None:
    kept = make.appointment("Tue 09:00", person=make.person(email=NEW))
    merged = make.appointment("Wed 09:00")
    with app.app_context():
        actions.merge(make.elm, record_of(kept).public_id, record_of(merged).public_id, by=cy, now=make.now)
    visit = make.appointment("Thu 09:00")
    deliver()
    with app.app_context():
        appointments.cancel(make.elm, visit.public_id, by=cy, now=make.now + timedelta(minutes=2))
        sending.deliver(make.now + timedelta(minutes=2))
    told = {to: [method for method, uid, _ in events(mailbox.to(to)) if uid == visit.uid] for to in (OLD, NEW)}
    assert told == {OLD: [], NEW: ["REQUEST", "CANCEL"]}


def test_of_two_merges_at_once_one_wins(app: Flask, make: Make, cy: Caller) -> None:
    visits = [
        make.appointment(starts, person=make.person(name))
        for starts, name in (("Tue 09:00", "Ada One"), ("Wed 09:00", "Ada Two"), ("Thu 09:00", "Ada Three"))
    ]
    with app.app_context():
        one, two, three = (record_of(visit).public_id for visit in visits)
    start, results = threading.Barrier(3), []

    def run(kept: str, merged: str) -> None:
        with app.app_context():
            start.wait(10)
            try:
                actions.merge(make.elm, kept, merged, by=cy, now=make.now)
                results.append("done")
            except BookingError as refused:
                results.append(type(refused).__name__)

    threads = [threading.Thread(target=run, args=pair) for pair in ((one, two), (two, one), (three, two))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    with app.app_context():
        # The third may follow a merge of two into one only if that came second: then one of three is left, else two.
        assert set(results) == {"done", "Changed"}
        assert results.count("done") == len(db.session.scalars(sa.select(Merge)).all())
        assert broken(make) == []
        db.session.rollback()


def test_a_merge_under_another_is_undone_after_that(app: Flask, make: Make, cy: Caller) -> None:
    visits = [
        make.appointment(starts, person=make.person(name))
        for starts, name in (("Tue 09:00", "Ada One"), ("Wed 09:00", "Ada Two"), ("Thu 09:00", "Ada Three"))
    ]
    with app.app_context():
        one, two, three = (record_of(visit).public_id for visit in visits)
        inner = actions.merge(make.elm, two, three, by=cy, now=make.now)
        outer = actions.merge(make.elm, one, two, by=cy, now=make.now)
        with pytest.raises(Changed):
            actions.unmerge(make.elm, inner.public_id, by=cy, now=make.now)
        with pytest.raises(Changed):
            actions.merge(make.elm, two, one, by=cy, now=make.now)
        with pytest.raises(Changed):
            actions.merge(make.elm, one, one, by=cy, now=make.now)
        with pytest.raises(NotFound):
            actions.merge(make.elm + 1, one, two, by=cy, now=make.now)
        actions.unmerge(make.elm, outer.public_id, by=cy, now=make.now)
        actions.unmerge(make.elm, inner.public_id, by=cy, now=make.now)
        assert [db.session.get_one(Appointment, visit.id).patient_id for visit in visits] == [
            visit.patient_id for visit in visits
        ]
        assert broken(make) == []


PAIRS = [
    # two records (name, email, phone each), and whether they look like one person's
    (("Ada Lovelace", OLD, None), ("ADA LOVELACE ", None, MOBILE), True),
    (("Ada Lovelace", OLD, None), ("Ada Lovelace", NEW, None), False),
    (("Ada Lovelace", OLD, MOBILE), ("Lovelace Ada", NEW, MOBILE), True),
    (("Ada Lovelace", OLD, None), ("Ada King Lovelace", OLD, None), True),
    (("Ada Lovelace", None, MOBILE), ("Ada Lovelase", None, MOBILE), True),
    (("Ada Lovelace", None, MOBILE), ("Ida Lovelace", None, MOBILE), False),
    (("Ada Lovelace", None, MOBILE), ("Bo Lovelace", None, MOBILE), False),
    (("Ada Lovelace", OLD, MOBILE), ("Ada", OLD, MOBILE), False),
    (("María de la Cruz", OLD, None), ("Maria Delacruz", OLD, None), True),
    (("Eve Adams", OLD, None), ("Adam Evans", NEW, None), False),
    (("Eve Adams", OLD, None), ("Adams, Eve", None, MOBILE), True),
    (("O’Brien", OLD, None), ("OBrien", OLD, None), True),
]


def test_records_of_one_person_are_told_from_those_of_two() -> None:
    for one, other, is_one in PAIRS:
        first, second = (Patient(name=name, email=email, phone=phone) for name, email, phone in (one, other))
        assert (record.compared(first, second) is not None) == is_one, (one, other)


@pytest.mark.usefixtures("both_databases")
def test_duplicates_are_found_by_phone_by_address_and_by_name(app: Flask, make: Make) -> None:
    people = [
        *(("Ada Lovelace", OLD, None), ("Ada Lovelase", OLD, MOBILE), ("Ada Lovelas", None, MOBILE)),
        *(("Eve Adams", NEW, None), ("Adams, Eve", None, "+16305550177"), ("Ivy Adams", NEW, None)),
    ]
    clinic = make.elm
    with app.app_context():
        ids = [patient.find_or_add(clinic, Person(*person, "en"), make.now)[0] for person in people]
        found = [(ids.index(pair.first.id), ids.index(pair.second.id)) for pair in record.duplicates(clinic)]
        assert sorted(found) == [(0, 1), (1, 2), (3, 4)]
        eve = db.session.get_one(Patient, ids[3])
        assert [ids.index(other.id) for other in record.alike(eve)] == [4]
        assert [ids.index(other.id) for other in record.family(eve)] == [5]


def test_records_told_apart_are_not_listed_again(app: Flask, make: Make, cy: Caller) -> None:
    one = make.appointment("Tue 09:00", person=make.person(phone=MOBILE))
    other = make.appointment("Wed 09:00", person=make.person(email=NEW, phone=MOBILE))
    with app.app_context():
        ids = [record_of(visit).public_id for visit in (other, one)]
        assert len(record.duplicates(make.elm)) == 1
        for _ in range(2):
            actions.tell_apart(make.elm, *ids, by=cy, now=make.now)
        assert record.duplicates(make.elm) == []
        told = sa.select(sa.func.count()).where(Entry.action == "patient.told-apart")
        assert db.session.scalar(told) == 1
        assert [someone.id for someone in record.family(record_of(one))] == [other.patient_id]
