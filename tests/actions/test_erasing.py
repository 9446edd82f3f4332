"""Erasing a patient: nothing of who they were is found again, and the book stays as it was."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from booking.actions import appointment as appointments
from booking.actions import erasing, importing
from booking.actions import feed as feeds
from booking.actions import outbox as sending
from booking.actions import patient as patients
from booking.actions.erasing import StillToCome
from booking.domain.access import Caller
from booking.domain.errors import NotFound
from booking.domain.feed import Kind
from booking.domain.moving import Fate
from booking.domain.reply import Answer, Doubt, Outcome, Unheard
from booking.store import answer as answers
from booking.store import audit, erasure, invariants, patient
from booking.store.answer import Received
from booking.store.appointment import Appointment, Change
from booking.store.audit import Entry
from booking.store.base import Base, db, transaction
from booking.store.feed import Feed
from booking.store.outbox import Message
from booking.store.patient import Patient
from booking.store.record import PatientNote
from tests.cast import Make
from tests.servers.smtp import Mailbox

OWNER = Caller("staff", 1, "owner")
MARKER = "zanzibarine"
ROWS = (
    "start,service,practitioner,name,email,note\n"
    f"2026-12-01 09:00,visit,dee,Zanzibarine Quill,{MARKER}@example.com,{MARKER} was here\n"
)


def found_in_database(needle: str) -> list[str]:
    """The columns in which a text stands, in any letter case."""
    return [
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.c
        if any(needle in str(value).lower() for value in db.session.scalars(sa.select(column)))
    ]


@pytest.mark.usefixtures("both_databases")
def test_nothing_of_an_erased_patient_is_found_again(
    app: Flask, make: Make, mailbox: Mailbox, tmp_path: Path, both_databases: str
) -> None:
    visit = make.appointment(person=make.person("Zanzibarine Quill", email=f"{MARKER}@example.com"), note=MARKER)
    other = make.appointment("Tue 09:00", note="Keep this")
    later = make.now + timedelta(days=1)
    with app.app_context():
        db.session.rollback()
        table = importing.read(ROWS.encode(), make.elm, now=make.now)
        for batch in importing.batches(importing.examine(make.elm, table.rows, now=make.now)):
            importing.write(make.elm, batch, now=make.now)
        patients.send_links(make.elm, f"{MARKER}@example.com", language="en", now=make.now)
        sending.deliver(make.now + timedelta(minutes=1))
        who = db.session.get_one(Patient, visit.patient_id)
        patients.write_note(make.elm, who.public_id, f"about {MARKER}", by=OWNER, now=make.now)
        renamed = make.person("Zanzibarine Quills", email=f"{MARKER}@example.org")
        patients.change(make.elm, who.public_id, renamed, expected=1, by=OWNER, now=make.now)
        with pytest.raises(StillToCome) as refused:
            erasing.erase(make.elm, who.public_id, by=OWNER, now=make.now)
        assert [one.public_id for one in refused.value.visits] == [visit.public_id]
        appointments.cancel(make.elm, visit.public_id, by=OWNER, reason=f"{MARKER} rang", now=make.now)
        assert found_in_database(MARKER)
        feeds.make(make.elm, Kind.PATIENT, who.id, by=OWNER, now=make.now)
        transaction(answers.take)(
            visit, "patient", Answer.DECLINED, stamped_at=make.now, sequence=0, now=make.now, comment=MARKER
        )
        said = Unheard(f"{MARKER}@alias.example", (Doubt.ELSEWHERE,), MARKER)
        transaction(answers.keep)(
            visit, Outcome.FORGED, Answer.DECLINED, said, stamped_at=make.now, now=make.now + timedelta(seconds=1)
        )
        before = list(audit.search(make.elm, audit.Wanted()))

        past = db.session.scalars(sa.select(Appointment).where(Appointment.starts_at < make.now)).one()
        assert erasing.known(make.elm, past.reference, later).visits == 2
        assert erasing.erase(make.elm, visit.reference, by=OWNER, now=later) == 2
        assert erasure.scrub()
        db.session.expire_all()

        assert found_in_database(MARKER) == []
        assert patient.search(make.elm, MARKER, now=later) == []
        told = sa.select(Message).where(sa.or_(Message.appointment_id == visit.id, Message.appointment_id.is_(None)))
        assert {(m.content, m.facts) for m in db.session.scalars(told)} == {(None, None)}
        assert "queued" not in {m.state for m in db.session.scalars(told)}
        assert db.session.scalar(sa.select(sa.func.count(PatientNote.id))) == 0
        assert db.session.scalar(sa.select(sa.func.count(Feed.id))) == 0
        assert db.session.scalars(sa.select(Received.comment)).all() == [None, None]
        reasons = sa.select(Change.reason).where(Change.appointment_id.in_([visit.id, past.id]))
        assert {*db.session.scalars(reasons)} == {None}
        assert db.session.get_one(Appointment, other.id).note
        assert db.session.scalar(sa.select(sa.func.count(Appointment.id))) == 3
        assert [name for name, faults in invariants.faults(0) if faults and "hold" not in name] == []
        erased = db.session.scalars(sa.select(Entry).where(Entry.action == "patient.erased")).all()
        assert [entry.facts for entry in erased] == [{"visits": "2"}]
        assert len(audit.search(make.elm, audit.Wanted())) == len(before) + 1
        # The same file does not bring them back.
        again = importing.examine(make.elm, table.rows, now=later)
        assert [verdict.fate for verdict in again] == [Fate.KNOWN]
        db.session.remove()
    if both_databases == "sqlite":
        files = [path for path in tmp_path.glob("booking.db*") if path.is_file()]
        assert files
        assert [path.name for path in files if MARKER.encode() in path.read_bytes().lower()] == []


def test_somebody_elses_patient_is_not_erased(app: Flask, make: Make) -> None:
    visit = make.appointment()
    make.session()
    with app.app_context():
        with pytest.raises(NotFound):
            erasing.erase(make.elm + 1, visit.reference, by=OWNER, now=make.now)
        with pytest.raises(NotFound):
            erasing.erase(make.elm, "nobody", by=OWNER, now=make.now)
