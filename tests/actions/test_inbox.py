"""Answers to our own invites, bounces, and what they do to visits: little."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from icalendar import Calendar

from booking.actions import appointment as appointments
from booking.actions import inbox
from booking.actions import outbox as sending
from booking.domain.access import Caller
from booking.domain.errors import Changed, NotFound
from booking.domain.reply import Outcome
from booking.store import answer as answers
from booking.store import board, history, phone
from booking.store.answer import Received
from booking.store.appointment import Appointment, Change
from booking.store.audit import Entry
from booking.store.base import db
from booking.store.outbox import Message
from tests.cast import Make
from tests.formats.replies import PROGRAMS, bounce, written

ADA, BO = "ada@example.com", "bo@elm.example"
ALIAS = "fox.4k@alias.example"
CY = Caller("staff", 1, "front-desk")


Said = tuple[str | None, ...]


class Post:
    """What comes in about Ada's visit on Monday at ten, and what became of it."""

    def __init__(self, app: Flask, make: Make) -> None:
        self.app, self.make = app, make
        self.visit = make.appointment("Mon 10:00")
        self.organizer = app.config["SETTINGS"].sender

    def receive(self, content: bytes, *, minutes: float = 0) -> Outcome:
        with self.app.app_context():
            return inbox.receive(content, self.make.now + timedelta(minutes=minutes))

    def answer(self, status: str = "ACCEPTED", *, program: str = "gmail", minutes: float = 0, **facts: Any) -> Outcome:
        """Ada answers, a minute later each time that `minutes` says."""
        stamp = self.make.now + timedelta(minutes=minutes)
        facts = {"uid": self.visit.uid, "organizer": self.organizer, "stamp": f"{stamp:%Y%m%dT%H%M%SZ}"} | facts
        return self.receive(written(program, status=status, **facts), minutes=minutes)

    def row(self) -> Appointment:
        with self.app.app_context():
            return db.session.get_one(Appointment, self.visit.id)

    def standing(self) -> list[Received]:
        with self.app.app_context():
            return answers.standing(db.session.get_one(Appointment, self.visit.id))

    def unheard(self) -> list[Said]:
        """Who said what that waits for the desk though it does not count, the newest first."""
        with self.app.app_context():
            rows = answers.unheard(db.session.get_one(Appointment, self.visit.id))
            return [(said.sender, row.wants, *said.doubts) for row, said in rows]

    def is_noticed(self, minutes: float = 0) -> bool:
        """Whether the desk's number of things to look at says so."""
        with self.app.app_context():
            return board.waiting(self.visit.clinic_id, self.make.now + timedelta(minutes=minutes)) == 1

    def outcomes(self) -> list[str]:
        with self.app.app_context():
            return list(db.session.scalars(sa.select(Received.outcome).order_by(Received.id)))

    def messages(self) -> list[Message]:
        with self.app.app_context():
            return list(db.session.scalars(sa.select(Message).order_by(Message.id)))

    def deliver(self, minutes: float = 0) -> int:
        with self.app.app_context():
            return sending.deliver(self.make.now + timedelta(minutes=minutes))

    def act(self, action: Callable[..., Appointment], *arguments: Any, **options: Any) -> Appointment:
        options = {"by": CY, "now": self.make.now} | options
        with self.app.app_context():
            return action(self.visit.clinic_id, self.visit.public_id, *arguments, **options)


@pytest.fixture
def post(app: Flask, make: Make) -> Post:
    return Post(app, make)


def facts(visit: Appointment) -> tuple[object, ...]:
    return visit.status, visit.starts_at, visit.ends_at, visit.sequence, visit.updated_at


def test_a_yes_is_kept_and_changes_nothing(post: Post, app: Flask) -> None:
    before = post.row()
    assert post.answer("ACCEPTED") is Outcome.TAKEN
    [said] = post.standing()
    assert (said.sender_role, said.wants, said.sequence) == ("patient", "accepted", 0)
    assert facts(post.row()) == facts(before)
    assert (post.row().needs_desk, post.row().version) == (None, before.version)
    with app.app_context():
        last = db.session.scalars(sa.select(Entry).order_by(Entry.seq.desc())).first()
    assert last is not None
    assert (last.action, last.by_kind, last.facts) == ("appointment.answered", "patient", {"answered": "accepted"})


def test_a_no_waits_for_the_desk_and_frees_nothing(post: Post) -> None:
    before = post.row()
    assert post.answer("DECLINED", program="outlook") is Outcome.TAKEN
    assert post.row().needs_desk == "declined"
    assert facts(post.row()) == facts(before)


def test_the_last_word_stands_and_an_older_one_sent_again_is_stale(post: Post) -> None:
    assert post.answer("DECLINED") is Outcome.TAKEN
    assert post.answer("ACCEPTED", program="apple", minutes=1) is Outcome.TAKEN
    assert post.row().needs_desk is None
    assert post.answer("DECLINED") is Outcome.STALE
    assert [said.wants for said in post.standing()] == ["accepted"]
    assert post.row().needs_desk is None


def test_the_practitioner_answers_for_themselves(post: Post) -> None:
    assert post.answer("DECLINED", sender=BO) is Outcome.TAKEN
    assert post.answer("ACCEPTED") is Outcome.TAKEN
    assert {said.sender_role: said.wants for said in post.standing()} == {
        "practitioner": "declined",
        "patient": "accepted",
    }
    assert post.row().needs_desk == "declined"


def test_an_answer_to_the_time_before_a_move_is_stale(post: Post, make: Make) -> None:
    post.act(appointments.reschedule, make.at("Mon 11:00"))
    assert post.answer("ACCEPTED") is Outcome.STALE
    assert post.answer("ACCEPTED", sequence=1) is Outcome.TAKEN
    assert post.answer("DECLINED", sequence=2, minutes=1) is Outcome.FORGED
    assert post.outcomes() == ["stale", "taken", "forged"]


def test_a_move_undone_before_anybody_heard_of_it_makes_no_answer_stale(post: Post, make: Make) -> None:
    post.deliver()
    post.act(appointments.reschedule, make.at("Mon 11:00"))
    post.act(appointments.undo_move)
    assert post.row().sequence == 2
    assert post.answer("DECLINED", sequence=0) is Outcome.TAKEN
    assert post.row().needs_desk == "declined"
    assert post.answer("ACCEPTED", sequence=1, minutes=1) is Outcome.STALE


def test_who_is_written_to_at_a_plus_address_answers_from_the_plain_one(app: Flask, make: Make) -> None:
    post = Post(app, make)
    post.visit = make.appointment("Tue 10:00", person=make.person("Bo Andersen", email="bo+self@elm.example"))
    assert post.answer("DECLINED", sender=BO, attendee="bo+self@elm.example") is Outcome.TAKEN
    assert post.answer("ACCEPTED", sender=BO) is Outcome.TAKEN  # the practitioner's own invite
    assert {said.sender_role: said.wants for said in post.standing()} == {
        "patient": "declined",
        "practitioner": "accepted",
    }


NOT_COUNTED: list[tuple[dict[str, Any], Outcome]] = [
    ({"sender": "eve@example.com"}, Outcome.FORGED),
    ({"sender": "eve@example.com", "attendee": ADA}, Outcome.FORGED),
    ({"sender": ADA, "attendee": "eve@example.com"}, Outcome.FORGED),
    ({"organizer": "eve@example.com"}, Outcome.FORGED),
    ({"uid": "0@elm.example"}, Outcome.FOREIGN),
    ({"method": "CANCEL"}, Outcome.IGNORED),
    ({"method": "REQUEST"}, Outcome.IGNORED),
    ({"method": "REFRESH"}, Outcome.IGNORED),  # this program says that nobody wrote it
]


def test_what_does_not_count_is_told_apart_and_touches_nothing(post: Post) -> None:
    before = post.row()
    assert [post.answer("DECLINED", **changes) for changes, _ in NOT_COUNTED] == [said for _, said in NOT_COUNTED]
    assert post.outcomes() == [said for _, said in NOT_COUNTED]
    assert (post.row().version, len(post.messages()), post.standing()) == (before.version, 2, [])


@pytest.mark.parametrize("declines", ["note", "cancel"])
def test_a_no_from_an_alias_waits_for_the_desk_and_touches_nothing(app: Flask, make: Make, declines: str) -> None:
    make.clinic(declines=declines)
    post = Post(app, make)
    before = post.row()
    assert not post.is_noticed()
    assert post.answer("DECLINED", sender=ALIAS, minutes=-1) is Outcome.FORGED
    assert post.unheard() == [(ALIAS, "declined", "elsewhere")]
    assert post.is_noticed()
    after = post.row()
    assert (*facts(after), after.version, after.needs_desk) == (*facts(before), before.version, None)
    assert (len(post.messages()), post.standing()) == (2, [])
    with app.app_context():
        assert [visit.id for visit, _patient in answers.visits_unheard(make.elm, make.now)] == [before.id]
        assert len(history.of(before)) == 1


@pytest.mark.settings(mail_authserv="mx.elm.example")
def test_an_answer_without_proof_says_so_to_the_desk(post: Post) -> None:
    assert post.answer("TENTATIVE", program="gmail") is Outcome.FORGED
    assert post.unheard() == [(ADA, "tentative", "unproven")]


def test_a_no_to_the_time_before_a_move_waits_for_the_desk(post: Post, make: Make) -> None:
    post.act(appointments.reschedule, make.at("Mon 11:00"))
    assert post.answer("DECLINED") is Outcome.STALE
    assert post.unheard() == [(ADA, "declined", "moved")]


def test_a_proposal_that_does_not_count_is_kept_with_its_time(post: Post, app: Flask, make: Make) -> None:
    post.answer("TENTATIVE", sender=ALIAS, program="outlook", method="COUNTER", starts="20270111T143000")
    with app.app_context():
        [(row, said)] = answers.unheard(db.session.get_one(Appointment, post.visit.id))
    assert (row.wants, row.starts_at, said.comment) == (
        "counter",
        make.at("Mon 14:30"),
        "I can come, but later\nplease",
    )
    assert row.comment
    assert not any(word in row.comment for word in (b"alias", b"come", b"elsewhere"))


def test_nobody_is_asked_to_look_at_what_changes_no_plan(post: Post) -> None:
    post.answer("ACCEPTED", sender=ALIAS)
    post.answer("DECLINED", minutes=2)
    post.answer("DECLINED", minutes=2)  # handed over twice
    post.answer("TENTATIVE", minutes=1)  # late
    post.answer(sender=ALIAS, program="thunderbird", method="REFRESH")
    assert post.outcomes() == ["forged", "taken", "stale", "stale", "forged"]
    assert post.unheard() == []


def test_a_no_to_a_visit_that_is_over_or_only_asked_for_is_not_kept(post: Post, make: Make, app: Flask) -> None:
    assert post.answer("DECLINED", sender=ALIAS, minutes=151) is Outcome.FORGED  # the visit ended at half past ten
    post.act(appointments.cancel)
    assert post.answer("DECLINED", sender=ALIAS) is Outcome.FORGED
    make.clinic(confirmation="request")
    asked = Post(app, make)
    assert asked.answer("DECLINED", sender=ALIAS) is Outcome.FORGED
    assert post.unheard() == asked.unheard() == []


@pytest.mark.usefixtures("both_databases")
def test_of_each_sender_the_newest_stands_and_of_all_the_newest_three(post: Post) -> None:
    for minutes, name in enumerate("abcbd"):
        post.answer("TENTATIVE" if minutes == 3 else "DECLINED", sender=f"{name}@example.org", minutes=minutes)
    assert [said[:2] for said in post.unheard()] == [
        ("d@example.org", "declined"),
        ("b@example.org", "tentative"),
        ("c@example.org", "declined"),
    ]
    assert post.is_noticed()  # one visit, however many write


def test_a_yes_takes_back_the_no_of_its_sender_alone(post: Post) -> None:
    post.answer("DECLINED", sender=ALIAS)
    post.answer("ACCEPTED", sender="eve@example.com", minutes=1)
    post.answer("ACCEPTED", sender=ALIAS, minutes=2)
    assert [said[:2] for said in post.unheard()] == [(ALIAS, "accepted")]


@pytest.mark.usefixtures("both_databases")
def test_what_was_dealt_with_is_forgotten_and_stays_so(post: Post, app: Flask, make: Make) -> None:
    post.answer("DECLINED", sender=ALIAS)
    with app.app_context():
        [(row, _said)] = answers.unheard(db.session.get_one(Appointment, post.visit.id))
    post.answer("DECLINED", sender="eve@example.com", minutes=1)
    before = post.row()
    assert post.act(inbox.put_away, row.id).version == before.version
    post.act(inbox.put_away, row.id)
    assert [said[0] for said in post.unheard()] == ["eve@example.com"]  # it came after the page was shown
    assert post.answer("DECLINED", sender=ALIAS, minutes=0) is Outcome.FORGED  # handed over once more
    assert [said[0] for said in post.unheard()] == ["eve@example.com"]
    with app.app_context():
        assert [entry.what for entry in history.of(before)] == [{}, {"settled": "heard"}]
        last = db.session.scalars(sa.select(Entry).order_by(Entry.seq.desc())).first()
    assert last is not None
    assert (last.action, last.by_kind) == ("appointment.settled", "staff")
    assert facts(post.row()) == facts(before)


def test_another_clinic_sees_and_puts_away_nothing(post: Post, app: Flask, make: Make) -> None:
    oak = make.clinic(slug="oak")
    post.answer("DECLINED", sender=ALIAS)
    with app.app_context():
        assert answers.visits_unheard(oak, make.now) == []
        assert board.waiting(oak, make.now) == 0
        with pytest.raises(NotFound):
            inbox.put_away(oak, post.visit.public_id, 1, by=CY, now=make.now)
    assert post.is_noticed()


@pytest.mark.usefixtures("both_databases")
def test_the_desk_is_not_kept_busy_by_visits_that_are_over(post: Post, app: Flask, make: Make) -> None:
    post.answer("DECLINED", sender=ALIAS)
    assert post.is_noticed(149)
    assert not post.is_noticed(151)
    with app.app_context():
        inbox.prune(make.now + timedelta(days=90))
        assert len(post.unheard()) == 1
        inbox.prune(make.now + timedelta(days=91))
    assert post.unheard() == []
    assert post.outcomes() == ["forged"]


def test_mail_that_is_no_answer_is_ignored(post: Post) -> None:
    assert post.receive(b"From: ada@example.com\n\nSee you on Monday") is Outcome.IGNORED
    assert post.receive(b"x" * 2_000_000) is Outcome.IGNORED


@pytest.mark.settings(mail_authserv="mx.elm.example")
def test_with_an_own_mail_server_a_sender_has_to_be_proven(post: Post) -> None:
    assert post.answer("ACCEPTED", program="gmail") is Outcome.FORGED
    assert post.answer("ACCEPTED", program="outlook") is Outcome.TAKEN  # the sample carries its word


def test_a_no_cancels_in_time_where_the_clinic_says_so(app: Flask, make: Make) -> None:
    make.clinic(declines="cancel")
    post = Post(app, make)
    post.deliver()
    assert post.answer("DECLINED", minutes=-1) is Outcome.TAKEN
    assert (post.row().status, post.row().sequence) == ("cancelled", 1)
    assert [(m.method, m.address) for m in post.messages()[2:]] == [("CANCEL", ADA), ("CANCEL", BO)]
    with app.app_context():
        assert db.session.scalars(sa.select(Change.by_kind)).all() == ["patient"] * 3


def test_a_no_within_the_notice_only_waits_for_the_desk(app: Flask, make: Make) -> None:
    make.clinic(declines="cancel")
    post = Post(app, make)
    assert post.answer("DECLINED", minutes=1) is Outcome.TAKEN  # two hours before ten it was too late
    assert (post.row().status, post.row().needs_desk) == ("booked", "declined")


def test_a_practitioners_no_never_cancels(app: Flask, make: Make) -> None:
    make.clinic(declines="cancel")
    post = Post(app, make)
    assert post.answer("DECLINED", sender=BO, minutes=-1) is Outcome.TAKEN
    assert post.row().status == "booked"


@pytest.mark.parametrize("program", PROGRAMS)
def test_another_time_is_proposed_accepted_and_invited_to(post: Post, make: Make, program: str) -> None:
    post.deliver()
    taken = post.answer(
        "TENTATIVE", program=program, method="COUNTER", starts="20270111T143000", ends="20270111T150000"
    )
    assert taken is Outcome.TAKEN
    [said] = post.standing()
    assert (said.starts_at, post.row().needs_desk) == (make.at("Mon 14:30"), "counter")
    assert said.starts_at is not None
    moved = post.act(appointments.reschedule, said.starts_at, expected=post.row().version)
    assert (moved.starts_at, moved.sequence, moved.needs_desk) == (make.at("Mon 14:30"), 1, None)
    assert [(m.kind, m.method) for m in post.messages()[2:]] == [("moved", "REQUEST")] * 2
    assert post.standing() == []


@pytest.mark.usefixtures("context")
def test_a_proposal_is_declined_with_the_visits_own_time(post: Post, mailbox: Any, make: Make) -> None:
    post.deliver()
    post.answer("TENTATIVE", program="apple", method="COUNTER", starts="20270111T143000")
    with pytest.raises(Changed):
        post.act(inbox.decline_counter, expected=1)
    post.act(inbox.decline_counter, expected=post.row().version)
    post.act(inbox.decline_counter)
    assert post.row().needs_desk is None
    assert post.deliver() == 1
    last = mailbox.to(ADA)[-1]
    [part] = [part for part in last.walk() if part.get_content_type() == "text/calendar"]
    event = Calendar.from_ical(part.get_payload(decode=True)).walk("VEVENT")[0]
    assert part.get_param("method") == "DECLINECOUNTER"
    assert (event["SEQUENCE"], event.start) == (0, make.at("Mon 10:00"))
    assert "stays as it is" in last.get_body(("plain",)).get_content()


def test_who_asks_for_the_invite_gets_it_once_in_ten_minutes(post: Post) -> None:
    post.deliver()
    refresh = {"program": "thunderbird", "method": "REFRESH"}
    assert post.answer(minutes=5, **refresh) is Outcome.TAKEN
    assert len(post.messages()) == 2
    assert post.answer(minutes=11, **refresh) is Outcome.TAKEN
    assert post.answer(minutes=12, **refresh) is Outcome.TAKEN
    assert [(m.address, m.method) for m in post.messages()[2:]] == [(ADA, "REQUEST")]
    assert post.row().sequence == 0
    assert post.answer("ACCEPTED", minutes=1) is Outcome.TAKEN  # the invite says the same, and so does the answer


def test_a_bounced_mail_has_failed_and_its_patient_is_to_be_phoned(post: Post, app: Flask, now: datetime) -> None:
    post.deliver()
    to_ada = post.messages()[0]
    assert post.receive(bounce(to_ada.message_id)) is Outcome.BOUNCED
    assert post.receive(bounce(to_ada.message_id)) is Outcome.BOUNCED
    assert (post.messages()[0].state, post.messages()[0].error) == ("failed", "bounced 5.1.1")
    with app.app_context():
        [call] = phone.calls(post.visit.clinic_id, now)
        mails = history.mails(db.session.get_one(Appointment, post.visit.id))
    assert (call.visit.id, [mail.state for mail in mails]) == (post.visit.id, ["failed", "sent"])


def test_a_bounce_of_another_mail_is_foreign(post: Post) -> None:
    post.deliver()
    assert post.receive(bounce("<none@elm.example>")) is Outcome.FOREIGN
    assert post.receive(bounce(post.messages()[0].message_id, action="delayed")) is Outcome.IGNORED
    assert [message.state for message in post.messages()] == ["sent", "sent"]


def test_what_was_about_no_visit_is_forgotten(post: Post, app: Flask, now: datetime) -> None:
    post.answer("ACCEPTED")
    post.answer(uid="x@y")
    with app.app_context():
        inbox.prune(now + timedelta(days=91))
    assert post.outcomes() == ["taken"]


@pytest.mark.usefixtures("both_databases")
def test_of_the_same_answer_handed_over_twice_at_once_one_is_taken(post: Post) -> None:
    gate, found = threading.Barrier(4), []

    def hand_over() -> None:
        gate.wait()
        found.append(post.answer("DECLINED"))

    threads = [threading.Thread(target=hand_over) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["stale"] * 3 + ["taken"]
    assert post.row().needs_desk == "declined"
