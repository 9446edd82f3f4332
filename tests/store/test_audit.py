"""The audit's chain: every change adds to it, nothing takes from it, and what a hand does in the tables shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError

from booking.actions import appointment as appointments
from booking.domain.access import PATIENT, WORKER, Caller
from booking.domain.appointment import Status
from booking.domain.audit import Action, of_visit
from booking.domain.errors import NotAllowed
from booking.store import audit
from booking.store.audit import Fault, Wanted
from booking.store.base import db, dialect, transaction
from tests.cast import Make

CY = Caller("staff", 1, "front-desk")
CHAIN = 77  # of a clinic that does nothing of its own accord
COPY = (
    "insert into audit select clinic_id, {}, at, by_kind, by_id, action, object, facts, hash from audit where seq = {}"
)


def add(make: Make, clinic_id: int | None, *actions: str) -> None:
    @transaction
    def change() -> None:
        for action in actions:
            audit.record(clinic_id, action, by=CY, now=make.now, object="patient:x", field="phone")

    change()


def actions_of(clinic_id: int) -> list[str]:
    return [entry.action for entry in reversed(audit.search(clinic_id, Wanted()))]


@pytest.fixture
def chain(app: Flask, make: Make) -> Iterator[int]:
    """A chain with five entries, and an open context."""
    with app.app_context():
        add(make, CHAIN, "one", "two")
        add(make, CHAIN, "three", "four", "five")
        yield CHAIN


@contextmanager
def unguarded() -> Iterator[None]:
    """What somebody does who may do anything in the database, except read the key."""
    if dialect() == "sqlite":
        kept = db.session.scalars(sa.text("select sql from sqlite_master where type = 'trigger'")).all()
        for verb in ("update", "delete"):
            db.session.execute(sa.text(f"drop trigger audit_no_{verb}"))
        yield
        for sql in kept:
            db.session.execute(sa.text(sql))
    else:
        db.session.execute(sa.text("alter table audit disable trigger audit_refuse"))
        yield
        db.session.execute(sa.text("alter table audit enable trigger audit_refuse"))
    db.session.commit()


@pytest.mark.usefixtures("both_databases")
def test_entries_are_chained_in_order_and_numbered_without_a_gap(make: Make, chain: int) -> None:
    assert [entry.seq for entry in audit.search(chain, Wanted())] == [5, 4, 3, 2, 1]
    assert actions_of(chain) == ["one", "two", "three", "four", "five"]
    assert list(audit.verify(chain)) == []


@pytest.mark.usefixtures("both_databases")
@pytest.mark.parametrize(
    "statement", ["update audit set action = 'x' where seq = 3", "delete from audit", "truncate audit"]
)
def test_the_database_refuses_to_change_or_delete_an_entry(chain: int, statement: str) -> None:
    if statement.startswith("truncate") and dialect() == "sqlite":
        statement = "delete from audit where seq = 5"  # SQLite has no truncate
    with pytest.raises(DBAPIError, match="never changed"):
        db.session.execute(sa.text(statement))


FORGERIES = {
    "an edited entry": (["update audit set action = 'x' where seq = 3"], {(3, "edited")}),
    "an edited fact": (['update audit set facts = \'{"field": "name"}\' where seq = 5'], {(5, "edited")}),
    "an entry with another author": (["update audit set by_id = 2 where seq = 1"], {(1, "edited")}),
    "a deleted entry": (["delete from audit where seq = 2"], {(2, "missing")}),
    "the first deleted": (["delete from audit where seq = 1"], {(1, "missing")}),
    "two swapped": (
        [
            "update audit set seq = 100 where seq = 2",
            "update audit set seq = 2 where seq = 3",
            "update audit set seq = 3 where seq = 100",
        ],
        {(2, "edited"), (3, "edited"), (4, "edited")},
    ),
    "an entry put in": (
        [
            "update audit set seq = 6 where seq = 5",
            COPY.format(5, 4),
        ],
        {(5, "edited"), (6, "edited"), (5, "cut")},
    ),
    "an entry added": (
        [COPY.format(6, 5)],
        {(6, "edited")},
    ),
    "a tail cut off": (["delete from audit where seq > 3"], {(5, "cut")}),
    "everything gone": (["delete from audit"], {(5, "cut")}),
    "the end forgotten": (["delete from audit_head"], {(5, "cut")}),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_what_a_hand_did_in_the_tables_is_found_and_named(make: Make, chain: int, name: str) -> None:
    statements, faults = FORGERIES[name]
    with unguarded():
        for statement in statements:
            db.session.execute(sa.text(statement))
    assert {(fault.seq, fault.what) for fault in audit.verify(chain)} == faults


def test_a_tail_cut_off_together_with_the_chains_end_shows_in_a_head_kept_elsewhere(make: Make, chain: int) -> None:
    kept = audit.signed_head(chain, make.now)
    assert kept is not None
    assert audit.is_genuine(kept)
    with unguarded():
        db.session.execute(sa.text("delete from audit where seq > 3"))
        db.session.execute(sa.text("update audit_head set seq = 3, hash = (select hash from audit where seq = 3)"))
    assert list(audit.verify(chain)) == []
    assert list(audit.verify(chain, [kept])) == [Fault(chain, 5, "head")]
    assert not audit.is_genuine(replace(kept, seq=3))


def test_a_head_kept_elsewhere_is_still_on_a_chain_that_went_on(make: Make, chain: int) -> None:
    kept = audit.signed_head(chain, make.now)
    assert kept is not None
    add(make, chain, "six")
    assert list(audit.verify(chain, [kept])) == []


def test_each_clinic_and_the_installation_have_chains_of_their_own(make: Make, chain: int) -> None:
    oak = make.clinic(slug="oak")
    add(make, oak, "oaks")
    add(make, None, "everybody's")
    assert {audit.INSTALLATION, chain, oak} <= set(audit.chains())
    assert "oaks" in actions_of(oak)
    assert "oaks" not in actions_of(chain)
    assert actions_of(audit.INSTALLATION)[-1] == "everybody's"
    assert [fault for clinic_id in audit.chains() for fault in audit.verify(clinic_id)] == []


def test_a_change_that_is_taken_back_leaves_no_entry(make: Make, chain: int) -> None:
    @transaction
    def refused() -> None:
        audit.record(chain, "six", by=CY, now=make.now)
        raise NotAllowed

    with pytest.raises(NotAllowed):
        refused()
    add(make, chain, "seven")
    assert actions_of(chain)[-1] == "seven"
    assert list(audit.verify(chain)) == []


def test_an_entry_needs_the_transaction_of_its_change(make: Make, chain: int) -> None:
    with pytest.raises(AssertionError):
        audit.record(chain, "six", by=CY, now=make.now)


@pytest.mark.usefixtures("both_databases")
def test_every_step_of_a_visit_is_in_the_chain(app: Flask, make: Make) -> None:
    visit = make.appointment("Tue 09:00")
    with app.app_context():
        appointments.reschedule(make.elm, visit.public_id, make.at("Wed 10:00"), by=CY, now=make.now)
        appointments.cancel(make.elm, visit.public_id, by=PATIENT, now=make.now)
        found = audit.search(make.elm, Wanted(objects=(f"appointment:{visit.public_id}",)))
        said = [(entry.action, entry.by_kind, entry.by_id, entry.facts) for entry in reversed(found)]
        assert said == [
            (Action.BOOKED, "patient", None, {}),
            (Action.MOVED, "staff", 1, {"moved_from": "2027-01-12T09:00:00+00:00"}),
            (Action.CANCELLED, "patient", None, {}),
        ]
        assert list(audit.verify(make.elm)) == []


S = Status
STEPS = [
    (None, S.PENDING, "patient", (), Action.REQUESTED),
    (None, S.BOOKED, "patient", (), Action.BOOKED),
    (S.PENDING, S.BOOKED, "staff", (), Action.CONFIRMED),
    (S.PENDING, S.CANCELLED, "staff", (), Action.DECLINED),
    (S.PENDING, S.CANCELLED, "worker", (), Action.LAPSED),
    (S.PENDING, S.CANCELLED, "patient", (), Action.CANCELLED),
    (S.PENDING, S.PENDING, "staff", ("offered", "moved_from"), Action.OFFERED),
    (S.BOOKED, S.BOOKED, "staff", ("moved_from",), Action.MOVED),
    (S.BOOKED, S.BOOKED, "staff", ("settled",), Action.SETTLED),
    (S.BOOKED, S.BOOKED, "staff", (), Action.CHANGED),
    (S.BOOKED, S.CHECKED_IN, "staff", (), Action.CHECKED_IN),
    (S.CHECKED_IN, S.ARRIVED, "staff", (), Action.REOPENED),
    (S.NOSHOW, S.BOOKED, "staff", (), Action.REOPENED),
    (S.NOSHOW, S.ARRIVED, "staff", (), Action.ARRIVED),
    (S.BOOKED, S.NOSHOW, "staff", (), Action.NOSHOW),
    (S.FULFILLED, S.ENTERED_IN_ERROR, "staff", (), Action.ENTERED_IN_ERROR),
]


@pytest.mark.parametrize(("old", "new", "by", "what", "action"), STEPS)
def test_a_step_is_called_what_it_was(
    old: Status | None, new: Status, by: str, what: tuple[str, ...], action: Action
) -> None:
    assert of_visit(old, new, by, what) is action


# What was looked at


@pytest.fixture
def staff_id(app: Flask, make: Make) -> int:
    make.session()
    with app.app_context():
        return int(db.session.execute(sa.text("select id from staff where email = 'cy@elm.example'")).scalar_one())


def look(make: Make, staff_id: int, *, minutes: int = 0) -> None:
    transaction(audit.note)(make.elm, staff_id, "patient:x", make.now + timedelta(minutes=minutes))


@pytest.mark.usefixtures("both_databases")
def test_looking_twice_within_ten_minutes_is_noted_once_and_chained_once(app: Flask, make: Make, staff_id: int) -> None:
    with app.app_context():
        elm = make.elm
        before = len(actions_of(elm))
        assert not audit.is_noted(elm, staff_id, "patient:x", make.now)
        look(make, staff_id)
        look(make, staff_id, minutes=9)
        assert audit.is_noted(elm, staff_id, "patient:x", make.now)
        assert transaction(audit.chain_notes)(make.now) == 1
        assert transaction(audit.chain_notes)(make.now) == 0
        look(make, staff_id, minutes=9)
        assert transaction(audit.chain_notes)(make.now) == 0
        look(make, staff_id, minutes=10)
        assert transaction(audit.chain_notes)(make.now + timedelta(minutes=10)) == 1
        seen = audit.search(elm, Wanted(action=Action.SEEN))
        assert [(entry.by_id, entry.object, entry.at) for entry in seen] == [
            (staff_id, "patient:x", make.now + timedelta(minutes=10)),
            (staff_id, "patient:x", make.now),
        ]
        assert len(actions_of(elm)) == before + 2
        assert list(audit.verify(elm)) == []


def test_entries_are_found_by_what_is_wanted(chain: int) -> None:
    cases = [
        (Wanted(), ["five", "four", "three", "two", "one"]),
        (Wanted(action="two"), ["two"]),
        (Wanted(staff_id=2), []),
        (Wanted(by_kind=WORKER.kind), []),
        (Wanted(objects=("patient:y",)), []),
        (Wanted(objects=("patient:x", "patient:y"), action="one"), ["one"]),
    ]
    for wanted, found in cases:
        assert [entry.action for entry in audit.search(chain, wanted)] == found, wanted


def test_entries_are_found_by_their_time_and_come_in_pages(make: Make, chain: int) -> None:
    assert audit.search(chain, Wanted(since=make.now + timedelta(seconds=1))) == []
    assert audit.search(chain, Wanted(until=make.now)) == []
    assert len(audit.search(chain, Wanted(since=make.now))) == 5
    assert [entry.seq for entry in audit.search(chain, Wanted(), before=4, limit=2)] == [3, 2]
