"""Moving out: what is in the files, who may read them, and that another clinic can take it all over."""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
import stat
import zipfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from booking.actions import exporting, importing
from booking.actions import patient as patients
from booking.domain.access import WORKER, Caller
from booking.domain.errors import NotFound
from booking.domain.reply import Answer, Doubt, Outcome, Unheard
from booking.store import answer as answers
from booking.store import clinic as clinics
from booking.store.appointment import Appointment, note_of
from booking.store.audit import Entry
from booking.store.base import db, transaction
from booking.store.patient import Patient
from booking.store.practitioner import Actor, Service
from tests.cast import ELM, Make

OAK = ELM.replace('slug = "elm"', 'slug = "oak"').replace('name = "Elm Clinic"', 'name = "Oak Clinic"')


def filled(make: Make) -> None:
    make.appointment("Tue 09:00", note="Needs the lift;\nring twice")
    make.appointment("Tue 10:00", person=make.person("=cmd|calc", phone="+442079460142"))
    make.appointment("Wed 09:00", service="needles", new=True, person=make.person("Eve Adams", email=None))
    rows = "start,service,practitioner,name,status,minutes\n2026-12-01 09:03,visit,dee,Ida Rhodes,noshow,17\n"
    with make.app.app_context():
        verdicts = importing.examine(make.elm, importing.read(rows.encode(), make.elm, now=make.now).rows, now=make.now)
        for batch in importing.batches(verdicts):
            importing.write(make.elm, batch, now=make.now)


def book(clinic_id: int) -> list[tuple[object, ...]]:
    """The clinic's visits, as far as a person would call them the same."""
    query = (
        sa.select(Appointment, Patient, Service.slug, Actor.slug)
        .join(Patient, Patient.id == Appointment.patient_id)
        .join(Service, Service.id == Appointment.service_id)
        .join(Actor, Actor.id == Appointment.practitioner_id)
        .where(Appointment.clinic_id == clinic_id)
        .order_by(Appointment.starts_at)
    )
    return [
        (
            visit.starts_at,
            visit.ends_at,
            visit.status,
            visit.new_patient,
            " ".join(note_of(visit).split()),
            someone.name,
            someone.email,
            someone.phone,
            service,
            practitioner,
        )
        for visit, someone, service, practitioner in db.session.execute(query)
    ]


@pytest.mark.usefixtures("both_databases")
def test_another_clinic_takes_over_what_was_exported(app: Flask, make: Make, tmp_path: Path) -> None:
    filled(make)
    for slug, name in (("oak", "visits.csv"), ("ash", "visits.ics")):
        other = make.clinic(OAK, slug=slug)
        with app.app_context():
            elm, target = clinics.by_id(make.elm), tmp_path / slug
            counts = exporting.everything(elm, target, clinic_file="[clinic]\n", by=WORKER, now=make.now)
            assert counts["visits"] == 4
            table = importing.read((target / name).read_bytes(), other, now=make.now)
            verdicts = importing.examine(other, table.rows, now=make.now)
            assert [(verdict.remarks, verdict.faults) for verdict in verdicts] == [((), ())] * 4
            for batch in importing.batches(verdicts):
                importing.write(other, batch, now=make.now)
            assert book(other) == book(elm.id)
            again = importing.examine(other, table.rows, now=make.now)
            assert importing.batches(again) == []
            home = importing.examine(elm.id, table.rows, now=make.now)
            assert importing.batches(home) == []


def test_the_files_are_whole_safe_and_their_owners_only(app: Flask, make: Make, tmp_path: Path) -> None:
    filled(make)
    session = make.session()
    target = tmp_path / "out"
    with app.app_context():
        elm = clinics.by_id(make.elm)
        exporting.everything(elm, target, clinic_file="[clinic]\n", by=WORKER, now=make.now)
        exporting.everything(elm, tmp_path / "out.zip", clinic_file="[clinic]\n", by=WORKER, now=make.now)
        assert db.session.scalar(sa.select(sa.func.count()).where(Entry.action == "clinic.exported")) == 2
        with pytest.raises(FileExistsError):
            exporting.everything(elm, target, clinic_file="", by=WORKER, now=make.now)
    manifest = json.loads((target / "manifest.json").read_text("utf-8"))
    assert manifest["counts"] == {"patients": 4, "visits": 4, "messages": 6, "staff": 1, "audit": 7}
    assert set(manifest["files"]) == {path.name for path in target.iterdir()} - {"manifest.json"}
    for name, said in manifest["files"].items():
        assert hashlib.sha256((target / name).read_bytes()).hexdigest() == said["sha256"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (*target.iterdir(), tmp_path / "out.zip")} == {0o600}
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    visits = json.loads((target / "visits.json").read_text("utf-8"))
    assert visits[0]["note"] == "Needs the lift;\nring twice"
    assert [step["new"] for step in visits[0]["history"]] == ["booked"]
    tables = [path.read_bytes() for path in target.glob("*.csv")]
    assert [content[:3] for content in tables] == [codecs.BOM_UTF8] * 5
    with (target / "visits.csv").open(encoding="utf-8-sig", newline="") as file:
        names = {row["name"] for row in csv.DictReader(file)}
    assert "'=cmd|calc" in names
    everything = "".join(path.read_text("utf-8") for path in target.iterdir())
    assert session not in everything
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert {*archive.namelist()} == {path.name for path in target.iterdir()}


def test_one_patients_data_are_theirs_alone(app: Flask, make: Make, tmp_path: Path) -> None:
    filled(make)
    make.session()
    oak = make.clinic(OAK)
    with app.app_context():
        elm = clinics.by_id(make.elm)
        ada = db.session.scalars(sa.select(Patient).where(Patient.name == "Ada Lovelace")).one()
        [visit] = db.session.scalars(sa.select(Appointment).where(Appointment.patient_id == ada.id))
        patients.write_note(elm.id, ada.public_id, "Prefers mornings", by=Caller("staff", 1, "owner"), now=make.now)
        said = {"stamped_at": make.now, "sequence": 0, "now": make.now, "comment": "Ill, sorry"}
        transaction(answers.take)(visit, "patient", Answer.DECLINED, **said)
        text = exporting.patient_text(elm, ada.public_id, by=WORKER, now=make.now)
        counts = exporting.of_patient(elm, visit.reference.lower(), tmp_path / "ada", by=WORKER, now=make.now)
        with pytest.raises(NotFound):
            exporting.patient_text(elm, "nobody", by=WORKER, now=make.now)
        with pytest.raises(NotFound):
            exporting.patient_text(clinics.by_id(oak), ada.public_id, by=WORKER, now=make.now)
        exported = db.session.scalars(sa.select(Entry.object).where(Entry.action == "patient.exported")).all()
    assert counts == {"patients": 1, "visits": 1, "messages": 2}
    assert exported == [f"patient:{ada.id}"] * 2
    found = json.loads(text)
    assert [note["text"] for note in found["patients"][0]["notes"]] == ["Prefers mornings"]
    assert [(one["answer"], one["comment"]) for one in found["visits"][0]["answers"]] == [("declined", "Ill, sorry")]
    assert "Ada Lovelace" in text
    assert "Eve Adams" not in text + (tmp_path / "ada" / "visits.csv").read_text("utf-8")


def test_what_does_not_count_is_the_clinics_and_no_patients(app: Flask, make: Make, tmp_path: Path) -> None:
    visit = make.appointment()
    unproven = Unheard("eve@example.com", (Doubt.ELSEWHERE, Doubt.MOVED), "She can't come")
    with app.app_context():
        elm = clinics.by_id(make.elm)
        kept = {"stamped_at": make.now, "now": make.now}
        transaction(answers.keep)(visit, Outcome.FORGED, Answer.DECLINED, unproven, **kept)
        exporting.everything(elm, tmp_path / "all", clinic_file="[clinic]\n", by=WORKER, now=make.now)
        theirs = exporting.patient_text(elm, visit.reference, by=WORKER, now=make.now)
        exporting.of_patient(elm, visit.reference, tmp_path / "ada", by=WORKER, now=make.now)
    [exported] = json.loads((tmp_path / "all" / "visits.json").read_text("utf-8"))
    assert exported["answers"] == []
    assert exported["not_counted"] == [
        {
            "at": make.now.isoformat(),
            "by": "eve@example.com",
            "why": ["elsewhere", "moved"],
            "answer": "declined",
            "comment": "She can't come",
            "start": None,
            "end": None,
        }
    ]
    texts = [theirs, *(path.read_text("utf-8") for path in (tmp_path / "ada").iterdir())]
    assert not any("eve@example.com" in text or "not_counted" in text for text in texts)
