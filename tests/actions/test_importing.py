"""Moving in: what an import writes, what it refuses, and that it does so once."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from booking.actions import appointment as appointments
from booking.actions import importing
from booking.actions import patient as patients
from booking.actions import visit as day_of
from booking.domain.access import Caller
from booking.domain.appointment import Status
from booking.domain.errors import BookingError, PatientBusy
from booking.domain.moving import Fate, Unreadable
from booking.formats import visits_table
from booking.store import audit, invariants, patient
from booking.store import hold as holds
from booking.store.appointment import Appointment, note_of
from booking.store.base import Base, db
from booking.store.hold import Hold, HoldTick
from booking.store.outbox import Message
from booking.store.patient import Patient
from tests.cast import Make

HEAD = "start,service,practitioner,name,email,phone,status,note,location,new,minutes\n"
CY = Caller("staff", 1, "front-desk")


def examined(make: Make, *rows: str, squeeze: bool = False, zone: str | None = None) -> list[importing.Verdict]:
    table = visits_table.read((HEAD + "\n".join(rows)).encode())
    return importing.examine(make.elm, table.rows, now=make.now, squeeze=squeeze, zone=zone)


def imported(make: Make, *rows: str, squeeze: bool = False) -> list[Fate]:
    verdicts = examined(make, *rows, squeeze=squeeze)
    for batch in importing.batches(verdicts):
        assert importing.write(make.elm, batch, now=make.now) == []
    return [verdict.fate for verdict in verdicts]


def taken_over(make: Make, *events: str, now: datetime | None = None) -> Counter[Fate]:
    """What becomes of a calendar's events when it is imported."""
    now = now or make.now
    lines = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    content = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//EN\n{lines}END:VCALENDAR\n".encode()
    verdicts = importing.examine(make.elm, importing.read(content, make.elm, now=now).rows, now=now)
    for batch in importing.batches(verdicts):
        assert importing.write(make.elm, batch, now=now) == []
    return Counter(verdict.fate for verdict in verdicts)


def counts() -> dict[str, int]:
    return {
        table.name: db.session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        for table in Base.metadata.sorted_tables
    }


def visits() -> list[Appointment]:
    return list(db.session.scalars(sa.select(Appointment).order_by(Appointment.starts_at, Appointment.id)))


def broken(make: Make) -> list[tuple[str, list[str]]]:
    return [(name, faults) for name, faults in invariants.faults(int(make.now.timestamp()) // 300) if faults]


ROWS = (
    "2027-01-12 09:00,visit,bo,Ada Lovelace,ada@example.com,020 7946 0142,booked,By the window,,,",
    "2027-01-12T10:00+00:00,VISIT,Bo Andersen,Eve Adams,eve@example.com,,confirmed,,,,",
    "2026-12-01 09:00,visit,dee,Ada Lovelace,ada@example.com,020 7946 0142,completed,,,,",
    "2026-12-01 10:03,visit,dee,Eve Adams,eve@example.com,,No-show,,,,17",
    "2027-01-12 09:30,needles,bo,Ida Rhodes,,020 7946 0143,cancelled,,,,",
    "2027-01-13 09:30,needles,bo,Ida Rhodes,,020 7946 0143,,,Elm House,yes,",
    ",,,Uma Thorne,uma@example.com,,,,,,",
)


@pytest.mark.usefixtures("both_databases")
def test_visits_and_patients_are_taken_over_once_and_nobody_is_told(app: Flask, make: Make) -> None:
    with app.app_context():
        assert imported(make, *ROWS) == [Fate.IMPORTED] * 6 + [Fate.PATIENT]
        found = Counter((visit.status, visit.starts_at > make.now) for visit in visits())
        assert found == {
            ("booked", True): 3,
            ("fulfilled", False): 1,
            ("noshow", False): 1,
            ("cancelled", True): 1,
        }
        assert [patient.search(make.elm, "lovelace", now=make.now)[0].phone] == ["+442079460142"]
        assert db.session.scalar(sa.select(sa.func.count(Patient.id))) == 4
        assert db.session.scalar(sa.select(sa.func.count(Hold.id))) == 3
        ada = next(visit for visit in visits() if visit.start_time.isoformat() == "2027-01-12T09:00:00")
        assert note_of(ada) == "By the window"
        first = next(visit for visit in visits() if visit.new_patient)
        assert first.ends_at - first.starts_at == timedelta(minutes=60)
        odd = visits()[1]
        assert (odd.start_time.isoformat(), odd.ends_at - odd.starts_at) == (
            "2026-12-01T10:03:00",
            timedelta(minutes=17),
        )
        assert broken(make) == []
        assert list(audit.verify(make.elm)) == []
        before = counts()
        assert before["message"] == 0
        assert imported(make, *ROWS) == [Fate.KNOWN] * 7
        assert counts() == before


ADA = (
    "UID:1@other.example\nSUMMARY:Ada Lovelace - visit\nDESCRIPTION:Email: ada@example.com\\nWith: bo\n"
    "DTSTART;TZID=Europe/London:20261215T090000\nDTEND;TZID=Europe/London:20261215T093000"
)
MOVED = (
    "UID:1@other.example\nRECURRENCE-ID;TZID=Europe/London:20270119T090000\n"
    "DTSTART;TZID=Europe/London:20270120T110000\nDTEND;TZID=Europe/London:20270120T113000"
)
CALLED_OFF = "UID:1@other.example\nRECURRENCE-ID;TZID=Europe/London:20270126T090000\nSTATUS:CANCELLED"


@pytest.mark.usefixtures("both_databases")
def test_an_event_that_repeats_is_its_visits_and_another_export_brings_the_new_ones_only(
    app: Flask, make: Make
) -> None:
    event = (f"{ADA}\nRRULE:FREQ=WEEKLY\nEXDATE;TZID=Europe/London:20270112T090000", MOVED, CALLED_OFF)
    with app.app_context():
        number = taken_over(make, *event)[Fate.IMPORTED]
        found = visits()
        assert len(found) == number > 100
        assert {f"{visit.start_time:%a %H:%M}" for visit in found} == {"Tue 09:00", "Wed 11:00"}
        assert [f"{visit.start_time:%m-%d} {visit.status}" for visit in found[:7]] == [
            *("12-15 booked", "12-22 booked", "12-29 booked", "01-05 booked"),
            *("01-20 booked", "01-26 cancelled", "02-02 booked"),
        ]
        past = sum(visit.starts_at < make.now for visit in found)
        assert db.session.scalar(sa.select(sa.func.count(Hold.id))) == number - past - 1
        assert broken(make) == []
        before = counts()
        assert taken_over(make, *event) == {Fate.KNOWN: number}
        assert counts() == before
        later = make.now + timedelta(weeks=1)
        assert taken_over(make, *event, now=later) == {Fate.KNOWN: number, Fate.IMPORTED: 1}


def test_a_calendar_that_is_too_much_to_read_is_refused(
    app: Flask, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PATIENCE", 1)
    with app.app_context(), pytest.raises(Unreadable, match="too long"):
        taken_over(
            make, *[f"{ADA.replace('UID:1', f'UID:{n}')}\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30" for n in range(9)]
        )


def test_looking_changes_nothing(app: Flask, make: Make) -> None:
    with app.app_context():
        examined(make, *ROWS[:1])
        db.session.rollback()
        before = counts()
        assert [verdict.fate for verdict in examined(make, *ROWS)] == [Fate.IMPORTED] * 6 + [Fate.PATIENT]
        assert counts() == before


def test_a_visit_that_moved_since_is_not_imported_again(app: Flask, make: Make) -> None:
    with app.app_context():
        imported(make, ROWS[0])
        [ada] = visits()
        appointments.reschedule(make.elm, ada.public_id, make.at("Thu 11:00"), by=CY, now=make.now)
        assert imported(make, ROWS[0]) == [Fate.KNOWN]
        # It is told like a first booking: nobody had heard of it.
        told = db.session.execute(sa.select(Message.kind, Message.role, Message.method)).all()
        assert sorted(map(tuple, told)) == [("booked", "patient", "REQUEST"), ("booked", "practitioner", "REQUEST")]


def test_a_visit_that_is_in_the_book_is_known(app: Flask, make: Make) -> None:
    make.appointment("Tue 09:00")
    with app.app_context():
        assert imported(make, "2027-01-12 09:00,visit,bo,Ada Lovelace,ada@example.com,,,,,,") == [Fate.KNOWN]
        assert imported(make, *["2027-01-12 10:00,visit,bo,Eve Adams,,,,,,,"] * 2) == [Fate.IMPORTED, Fate.KNOWN]


@pytest.mark.usefixtures("both_databases")
def test_clashes_are_named_and_squeezed_in_only_if_told_so(app: Flask, make: Make) -> None:
    make.appointment("Tue 09:00")
    clashing = (
        "2027-01-12 09:15,visit,bo,Eve Adams,,,,,,,",
        "2027-01-12 11:00,visit,bo,Uma Thorne,,,,,,,",
        "2027-01-12 11:00,visit,dee,Uma Thorne,,,,,,,",
    )
    with app.app_context():
        verdicts = examined(make, *clashing)
        assert [verdict.fate for verdict in verdicts] == [Fate.CLASH, Fate.IMPORTED, Fate.CLASH]
        assert verdicts[0].remarks == ("bo is taken then",)
        assert verdicts[2].remarks == ("the patient has another visit then",)
        assert imported(make, *clashing, squeeze=True) == [Fate.SQUEEZED, Fate.IMPORTED, Fate.SQUEEZED]
        assert db.session.scalar(sa.select(sa.func.count()).where(HoldTick.seat == 1)) == 3
        assert broken(make) == []


@pytest.mark.usefixtures("both_databases")
def test_neighbours_that_meet_inside_a_tick_share_it(app: Flask, make: Make) -> None:
    odd = ("2027-01-12 09:02,visit,bo,Eve Adams,,,,,,,30", "2027-01-12 09:32,visit,bo,Uma Thorne,,,,,,,")
    with app.app_context():
        assert imported(make, odd[0]) == [Fate.IMPORTED]
        assert imported(make, *odd) == [Fate.KNOWN, Fate.SHARED]
        assert {visit.start_time.minute for visit in visits()} == {2, 32}
        assert broken(make) == []


def test_who_takes_the_time_meanwhile_keeps_it(app: Flask, make: Make) -> None:
    with app.app_context():
        [batch] = importing.batches(examined(make, ROWS[0]))
    make.appointment("Tue 09:00", person=make.person("Eve Adams"))
    with app.app_context():
        assert [late.line for late in importing.write(make.elm, batch, now=make.now)] == [2]
        assert [verdict.fate for verdict in examined(make, ROWS[0])] == [Fate.CLASH]
        assert broken(make) == []


@pytest.mark.usefixtures("both_databases")
def test_one_of_a_batch_loses_its_time_and_the_others_are_written(app: Flask, make: Make) -> None:
    rows = [f"2027-01-12 {hour:02}:00,visit,bo,Patient {hour},,,,,,," for hour in range(9, 15)]
    with app.app_context():
        [batch] = importing.batches(examined(make, *rows))
    make.appointment("Tue 11:00")
    with app.app_context():
        assert [late.line for late in importing.write(make.elm, batch, now=make.now)] == [4]
        assert [f"{visit.start_time:%H}" for visit in visits()] == ["09", "10", "11", "12", "13", "14"]
        assert [verdict.fate for verdict in examined(make, *rows)].count(Fate.KNOWN) == 5
        assert broken(make) == []


@pytest.mark.usefixtures("both_databases")
def test_a_visit_that_got_no_time_is_not_written(app: Flask, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody took it without asking: the table's key finds that only after the visit was written."""
    rows = [f"2027-01-12 {hour:02}:00,visit,bo,Patient {hour},,,,,,," for hour in (9, 10, 11)]
    with app.app_context():
        [batch] = importing.batches(examined(make, *rows))
    make.appointment("Tue 10:00")
    with app.app_context():
        with monkeypatch.context() as patch:
            patch.setattr(holds, "_seats", lambda *_, **__: {})
            assert [late.line for late in importing.write(make.elm, batch, now=make.now)] == [3]
        assert len(visits()) == 3
        assert [verdict.fate for verdict in examined(make, *rows)] == [Fate.KNOWN, Fate.CLASH, Fate.KNOWN]
        assert broken(make) == []


QUARTER_PAST = "2027-01-12 10:15,visit,bo,Ada Lovelace,ada@example.com,,,,,,"


@pytest.mark.usefixtures("both_databases")
@pytest.mark.parametrize("phone", [None, "+442079460142"])
def test_a_patient_who_booked_another_visit_meanwhile_keeps_it(app: Flask, make: Make, phone: str | None) -> None:
    rows = (QUARTER_PAST, "2027-01-12 11:00,visit,bo,Eve Adams,eve@example.com,,,,,,")
    with app.app_context():
        [batch] = importing.batches(examined(make, *rows))
    make.appointment("Tue 10:00", practitioner="dee", person=make.person(phone=phone))
    with app.app_context():
        assert [late.line for late in importing.write(make.elm, batch, now=make.now)] == [2]
        assert len(visits()) == 2
        assert [verdict.fate for verdict in examined(make, *rows)] == [Fate.CLASH, Fate.KNOWN]
        assert imported(make, *rows, squeeze=True) == [Fate.SQUEEZED, Fate.KNOWN]
        assert broken(make) == []


@pytest.mark.usefixtures("both_databases")
def test_who_is_squeezed_in_is_so_whatever_the_patient_booked_meanwhile(app: Flask, make: Make) -> None:
    make.appointment("Tue 10:00", person=make.person("Eve Adams"))
    with app.app_context():
        [batch] = importing.batches(examined(make, QUARTER_PAST, squeeze=True))
    make.appointment("Tue 10:00", practitioner="dee")
    with app.app_context():
        assert importing.write(make.elm, batch, now=make.now) == []
        assert len(visits()) == 3


@pytest.mark.usefixtures("both_databases")
def test_a_patient_who_is_being_imported_is_refused_another_visit_then(
    app: Flask, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.appointment("Mon 09:00")
    refused: list[BookingError] = []

    def book() -> None:
        try:
            make.appointment("Tue 10:00", practitioner="dee")
        except BookingError as error:
            refused.append(error)

    rival = threading.Thread(target=book)
    add_people = patient.find_or_add_all

    def add_people_while_the_rival_books(*args: Any) -> Any:
        rival.start()
        rival.join(0.5)
        return add_people(*args)

    monkeypatch.setattr(patient, "find_or_add_all", add_people_while_the_rival_books)
    with app.app_context():
        assert imported(make, QUARTER_PAST) == [Fate.IMPORTED]
        rival.join(20)
        assert [type(error) for error in refused] == [PatientBusy]
        assert len(visits()) == 2


def test_one_person_under_two_contacts_is_in_one_place_at_a_time(app: Flask, make: Make) -> None:
    rows = (QUARTER_PAST, "2027-01-12 10:00,visit,dee,Ada  LOVELACE,ada@example.com,020 7946 0142,,,,,")
    with app.app_context():
        assert [verdict.fate for verdict in examined(make, *rows)] == [Fate.IMPORTED, Fate.CLASH]


def test_the_visits_of_a_merged_record_are_the_patients_too(app: Flask, make: Make) -> None:
    make.appointment("Tue 10:00", practitioner="dee", person=make.person("Ada L"))
    make.appointment("Mon 09:00")
    with app.app_context():
        kept, merged = db.session.scalars(sa.select(Patient.public_id).order_by(Patient.id))
        patients.merge(make.elm, kept, merged, by=CY, now=make.now)
        [verdict] = examined(make, QUARTER_PAST)
        assert (verdict.fate, verdict.remarks) == (Fate.CLASH, ("the patient has another visit then",))


def test_who_only_shares_a_tick_gets_no_time_that_was_taken_meanwhile(app: Flask, make: Make) -> None:
    first, second = ("2027-01-12 09:02,visit,bo,Eve Adams,,,,,,,30", "2027-01-12 09:32,visit,bo,Uma Thorne,,,,,,,")
    with app.app_context():
        assert imported(make, first) == [Fate.IMPORTED]
        [batch] = importing.batches(examined(make, second))
        assert [verdict.fate for verdict in batch] == [Fate.SHARED]
    make.appointment("Tue 10:00")
    with app.app_context():
        assert [late.line for late in importing.write(make.elm, batch, now=make.now)] == [2]
        assert [visit.start_time.minute for visit in visits()] == [2, 0]
        assert broken(make) == []


def test_a_file_in_two_halves_is_what_the_whole_is(app: Flask, make: Make) -> None:
    """Odd starts of a visit in stages: the practitioner is there for ten minutes, and again before the end."""
    rows = (
        "2027-01-12 09:02,needles,bo,Eve Adams,,,,,,,",
        "2027-01-12 09:12,needles,bo,Uma Thorne,,,,,,,",
        "2027-01-12 09:22,needles,bo,Ida Rhodes,,,,,,,",
    )
    with app.app_context():
        whole = [verdict.fate for verdict in examined(make, *rows)]
        assert imported(make, rows[0]) == whole[:1]
        assert imported(make, *rows)[1:] == whole[1:] == [Fate.SHARED, Fate.SHARED]
        assert {visit.start_time.minute for visit in visits()} == {2, 12, 22}
        assert broken(make) == []


@pytest.mark.usefixtures("both_databases")
@pytest.mark.parametrize(("service", "minutes"), [("visit", 17), ("needles", "")])
def test_undoing_a_move_gives_back_the_very_minutes(app: Flask, make: Make, service: str, minutes: int | str) -> None:
    with app.app_context():
        assert imported(make, f"2027-01-12 10:03,{service},bo,Eve Adams,,,,,,,{minutes}") == [Fate.IMPORTED]
        [visit] = visits()
        before = (visit.starts_at, visit.ends_at, visit.start_time, taken())
        appointments.reschedule(make.elm, visit.public_id, make.at("Tue 14:00"), by=CY, now=make.now)
        assert taken() != before[3]
        visit = appointments.undo_move(make.elm, visit.public_id, by=CY, now=make.now)
        assert (visit.starts_at, visit.ends_at, visit.start_time, taken()) == before
        assert broken(make) == []


def taken() -> list[tuple[int, int, int]]:
    query = sa.select(HoldTick.actor_id, HoldTick.tick, HoldTick.seat)
    return [(actor, tick, seat) for actor, tick, seat in db.session.execute(query.order_by(*query.selected_columns))]


def test_a_visit_of_odd_minutes_stays_longer_without_moving(app: Flask, make: Make) -> None:
    later = make.at("Tue 10:05")
    with app.app_context():
        imported(make, "2027-01-12 10:03,visit,bo,Eve Adams,,,,,,,17")
        [visit] = visits()
        starts_at, ends_at = visit.starts_at, visit.ends_at
        day_of.note(make.elm, visit.public_id, Status.CHECKED_IN, by=CY, now=later)
        visit = day_of.extend(make.elm, visit.public_id, by=CY, now=later)
        assert (visit.starts_at, visit.ends_at) == (starts_at, ends_at + timedelta(minutes=10))
        assert broken(make) == []


FAULTS = (
    ("2027-01-12 09:00,vist,bo,Ada,,,,,,,", 'service: expected a service (visit, needles), found "vist"; did you'),
    ("2027-01-12 09:00,visit,boo,Ada,,,,,,,", 'did you mean "bo"?'),
    ("2027-01-12 09:00,visit,,Ada,,,,,,,", "practitioner: expected a practitioner (bo, dee), found nothing"),
    ("12.1.2027 9:00,visit,bo,Ada,,,,,,,", "start: expected a time such as"),
    ("2027-01-12,visit,bo,Ada,,,,,,,", "start: expected a time such as"),
    ("2027-03-28 01:30,visit,bo,Ada,,,,,,,", "the clocks of Europe/London show on that day"),
    ("2027-01-12 09:00,visit,bo,,,,,,,,", "name: expected a name"),
    ("2027-01-12 09:00,visit,bo,Ada,ada at home,,,,,,", "email: expected an e-mail address"),
    ("2027-01-12 09:00,visit,bo,Ada,,12,,,,,", "phone: expected a phone number, as one dials it in GB"),
    ("2027-01-12 09:00,visit,bo,Ada,,,canceld,,,,", 'did you mean "canceled"?'),
    ("2027-01-12 09:00,visit,bo,Ada,,,fulfilled,,,,", "still to come"),
    ("2027-01-12 09:00,visit,bo,Ada,,,,,Oak,,", "location: expected a location (main)"),
    ("2027-01-12 09:00,visit,bo,Ada,,,,,,perhaps,", "new: expected yes or no"),
    ("2027-01-12 09:00,visit,bo,Ada,,,,,,,0", "minutes: expected minutes from 1"),
)


def test_every_fault_stands_next_to_its_cause(app: Flask, make: Make) -> None:
    with app.app_context():
        verdicts = examined(make, *(row for row, _ in FAULTS))
    assert {verdict.fate for verdict in verdicts} == {Fate.FAULTY}
    said = [str(fault) for verdict in verdicts for fault in verdict.faults]
    assert len(said) == len(FAULTS)
    assert [why for (_, why), fault in zip(FAULTS, said, strict=True) if why not in fault] == []


def test_hours_that_come_twice_and_other_zones(app: Flask, make: Make) -> None:
    twice, offset, elsewhere = (
        "2027-10-31 01:30,visit,bo,Ada,,,,,,,",
        "2027-10-31 01:30+00:00,visit,bo,Eve,,,,,,,",
        "2027-01-12 05:00,visit,bo,Uma,,,,,,,",
    )
    with app.app_context():
        first, second = examined(make, twice, offset)
        [third] = examined(make, elsewhere, zone="America/New_York")
    starts = [
        one.understood.visit.stay.starts_at for one in (first, second, third) if one.understood and one.understood.visit
    ]
    assert [f"{start:%H:%M}" for start in starts] == ["00:30", "01:30", "10:00"]
    assert "comes twice" in first.remarks[0]
    assert not [remark for remark in second.remarks if "twice" in remark]
