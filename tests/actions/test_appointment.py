"""A visit's life: each step's effect on the time, the row, its history and the messages, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from booking.actions import appointment as actions
from booking.actions import slot as slots
from booking.domain.access import PATIENT, PUBLIC, WORKER, Caller, digest
from booking.domain.availability import ReasonCode, Wish
from booking.domain.errors import (
    BookingError,
    KeyReused,
    NotAllowed,
    NotFound,
    NotOffered,
    PatientBusy,
    SlotTaken,
    TooLate,
    TooManyVisits,
    WrongStatus,
)
from booking.store.access import IdempotencyKey
from booking.store.appointment import Appointment, by_public_id, changes, note_of
from booking.store.base import db
from booking.store.hold import Hold, HoldTick
from booking.store.outbox import Message
from tests.cast import Make

pytestmark = pytest.mark.usefixtures("both_databases", "context")

CY = Caller("staff", 1, "front-desk")
BEA = {"name": "Bea Potter"}


def free(make: Make, starts: str, wish: Wish | None = None) -> bool:
    """Whether the time is on offer now."""
    start = make.at(starts)
    wish = wish or make.wish()
    found = slots.search(slots.read(make.elm, make.now), wish, start.date(), start.date() + timedelta(days=1)).slots
    db.session.rollback()
    return start in [slot.start for slot in found]


def messages(visit: Appointment) -> list[tuple[str, str, str | None]]:
    """Kind, recipient and method of what is queued about the visit, in order."""
    query = sa.select(Message.kind, Message.role, Message.method).where(
        Message.appointment_id == visit.id, Message.state == "queued"
    )
    return [(kind, role, method) for kind, role, method in db.session.execute(query.order_by(Message.id))]


def now_of(make: Make, visit: Appointment) -> Appointment:
    return by_public_id(make.elm, visit.public_id)


def mark_all_sent() -> None:
    db.session.execute(sa.update(Message).values(state="sent", attempts=1))
    db.session.commit()


# Booking


def test_a_booked_visit_takes_its_time_and_invites_patient_and_practitioner(make: Make) -> None:
    visit = make.appointment("Mon 10:00", note="I use a wheelchair")
    assert (visit.status, visit.sequence, visit.zone) == ("booked", 0, "Europe/London")
    assert visit.start_time == datetime(2027, 1, 11, 10, 0)
    assert note_of(now_of(make, visit)) == "I use a wheelchair"
    assert visit.uid.endswith("@booking.example")
    assert not free(make, "Mon 10:00")
    assert free(make, "Mon 10:30")
    assert messages(visit) == [("booked", "patient", "REQUEST"), ("booked", "practitioner", "REQUEST")]
    assert [(c.old_status, c.new_status, c.by_kind) for c in changes(visit.id)] == [(None, "booked", "patient")]


def test_the_note_is_not_readable_in_the_database(make: Make) -> None:
    visit = make.appointment("Mon 10:00", note="a marker in plain text")
    stored = db.session.scalar(sa.select(Appointment.note).where(Appointment.id == visit.id))
    assert stored
    assert b"marker" not in bytes(stored)


def test_a_taken_time_is_refused_with_the_three_nearest(make: Make) -> None:
    make.appointment("Mon 10:00")
    with pytest.raises(SlotTaken) as refusal:
        make.appointment("Mon 10:00", person=make.person(**BEA))
    assert {slot.start for slot in refusal.value.alternatives} == {
        make.at("Mon 09:30"),
        make.at("Mon 10:30"),
        make.at("Mon 09:00") if free(make, "Mon 09:00") else make.at("Mon 11:00"),
    }


@pytest.mark.parametrize(
    ("starts", "code"),
    [
        ("Mon 08:00", ReasonCode.CLOSED),
        ("Mon 10:10", ReasonCode.OFF_GRID),
        ("Sun 10:00", ReasonCode.CLOSED),
        ("Mon 16:45", ReasonCode.OFF_GRID),
    ],
)
def test_a_time_that_is_not_on_offer_is_refused_with_its_reason(make: Make, starts: str, code: ReasonCode) -> None:
    with pytest.raises(NotOffered) as refusal:
        make.appointment(starts)
    assert code in [reason.code for reason in refusal.value.reasons]
    assert db.session.scalar(sa.select(sa.func.count()).select_from(HoldTick)) == 0


def test_an_unknown_service_is_not_found(make: Make) -> None:
    with pytest.raises(NotFound):
        actions.book(make.elm, Wish(9999), make.at("Mon 10:00"), make.person(), by=PUBLIC, now=make.now)


def test_any_practitioner_means_the_first_who_is_free(make: Make) -> None:
    first = make.appointment("Tue 10:00", practitioner=None)
    second = make.appointment("Tue 10:00", practitioner=None, person=make.person(**BEA))
    assert first.practitioner_id != second.practitioner_id
    with pytest.raises(SlotTaken):
        make.appointment("Tue 10:00", practitioner=None, person=make.person(name="Eve Third"))


def test_six_chairs_and_one_practitioner_start_a_patient_every_quarter_of_an_hour(make: Make) -> None:
    for n in range(6):
        make.appointment(
            f"Mon 10:{15 * n:02}" if n < 4 else f"Mon 11:{15 * (n - 4):02}",
            service="needles",
            person=make.person(name=f"Patient{n} Elm"),
        )
    holds = db.session.scalars(sa.select(Hold.room_id)).all()
    assert len(holds) == 6
    assert len(set(holds)) == 1


# Holds


def test_a_hold_keeps_others_out_until_it_expires(make: Make) -> None:
    make.hold("Mon 10:00")
    with pytest.raises(SlotTaken):
        make.appointment("Mon 10:00")
    later = make.now + timedelta(minutes=11)
    actions.book(make.elm, make.wish(), make.at("Mon 10:00"), make.person(), by=PUBLIC, now=later)


def test_the_holder_books_its_own_hold_and_the_time_lasts(make: Make) -> None:
    make.hold("Mon 10:00", session_key="ada")
    actions.book(make.elm, make.wish(), make.at("Mon 10:00"), make.person(), session_key="ada", by=PUBLIC, now=make.now)
    [hold] = db.session.scalars(sa.select(Hold))
    assert hold.expires_at is None
    assert hold.appointment_id is not None
    assert set(db.session.scalars(sa.select(HoldTick.expires_at))) == {None}


def test_a_new_hold_of_the_same_browser_frees_the_old_one(make: Make) -> None:
    make.hold("Mon 10:00", session_key="ada")
    make.hold("Mon 10:30", session_key="ada")
    assert free(make, "Mon 10:00")
    assert not free(make, "Mon 10:30")


def test_a_refused_hold_leaves_the_old_one_alone(make: Make) -> None:
    make.appointment("Mon 11:00")
    make.hold("Mon 10:00", session_key="ada")
    with pytest.raises(SlotTaken):
        make.hold("Mon 11:00", session_key="ada")
    assert not free(make, "Mon 10:00")


def test_the_same_hold_again_lasts_longer(make: Make) -> None:
    first = make.hold("Mon 10:00", session_key="ada").expires_at
    later = make.now + timedelta(minutes=8)
    again = slots.hold(make.elm, make.wish(), make.at("Mon 10:00"), session_key="ada", now=later)
    assert first
    assert again.expires_at == first + timedelta(minutes=8)


def test_sweeping_deletes_what_expired_and_what_is_long_past(make: Make) -> None:
    make.hold("Mon 10:00")
    make.appointment("Mon 11:00")
    actions.sweep(make.now + timedelta(minutes=5))
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Hold)) == 2
    actions.sweep(make.now + timedelta(minutes=12))
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Hold)) == 1
    actions.sweep(make.now + timedelta(days=2))
    assert db.session.scalar(sa.select(sa.func.count()).select_from(HoldTick)) == 0


# The same request twice


def test_the_same_key_gives_the_same_visit_and_another_body_is_refused(make: Make) -> None:
    def book(body: str) -> Appointment:
        key = IdempotencyKey("web", "key", digest(body))
        start = make.at("Mon 10:00")
        return actions.book(make.elm, make.wish(), start, make.person(), key=key, by=PUBLIC, now=make.now)

    assert book("same").public_id == book("same").public_id
    with pytest.raises(KeyReused):
        book("other")
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Appointment)) == 1


# Patients


def test_a_patient_cannot_be_in_two_visits_at_once_with_any_practitioner(make: Make) -> None:
    make.appointment("Tue 10:00", practitioner="bo")
    with pytest.raises(PatientBusy):
        make.appointment("Tue 10:00", practitioner="dee")
    # The same name with another phone but the same address is the same person; a relative is not.
    with pytest.raises(PatientBusy):
        make.appointment(
            "Tue 10:00", practitioner="dee", person=make.person(name="ADA  lovelace", phone="+442079460199")
        )
    make.appointment("Tue 10:00", practitioner="dee", person=make.person(name="Byron", email="ada@example.com"))


def test_a_patient_over_the_limit_is_asked_to_phone_and_their_address_hears_of_it_once(make: Make) -> None:
    for day in ("Mon", "Tue", "Wed", "Thu"):
        make.appointment(f"{day} 10:00")
    for _ in range(2):
        with pytest.raises(TooManyVisits):
            make.appointment("Fri 10:00")
    assert free(make, "Fri 10:00")
    told = db.session.scalars(sa.select(Message.address).where(Message.kind == "limit")).all()
    assert told == ["ada@example.com"]
    make.appointment("Fri 10:00", by=CY)  # the desk may


def test_somebody_new_may_have_one_visit(make: Make) -> None:
    make.appointment("Mon 10:00", new=True)
    with pytest.raises(TooManyVisits) as refusal:
        make.appointment("Tue 10:00", new=True)
    assert refusal.value.limit == 1


# Cancelling


def test_cancelling_frees_the_time_and_sends_a_cancel_to_who_was_invited(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    mark_all_sent()
    actions.cancel(make.elm, visit.public_id, by=PATIENT, now=make.now)
    after = now_of(make, visit)
    assert (after.status, after.sequence) == ("cancelled", 1)
    assert after.stamped_at > visit.created_at
    assert messages(after) == [("cancelled", "patient", "CANCEL"), ("cancelled", "practitioner", "CANCEL")]
    assert free(make, "Tue 10:00")
    actions.cancel(make.elm, visit.public_id, by=PATIENT, now=make.now)
    assert now_of(make, visit).sequence == 1


def test_a_visit_cancelled_before_anything_was_sent_is_never_mailed(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    actions.cancel(make.elm, visit.public_id, by=PATIENT, now=make.now)
    assert messages(now_of(make, visit)) == []


def test_a_patient_inside_the_notice_has_to_phone_and_the_desk_does_not(make: Make) -> None:
    visit = make.appointment("Mon 09:30")
    with pytest.raises(TooLate):
        actions.cancel(make.elm, visit.public_id, by=PATIENT, now=make.now)
    with pytest.raises(TooLate):
        actions.reschedule(make.elm, visit.public_id, make.at("Tue 10:00"), by=PATIENT, now=make.now)
    assert actions.cancel(make.elm, visit.public_id, by=CY, now=make.now).status == "cancelled"


def test_another_clinics_visit_is_not_found(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    with pytest.raises(NotFound):
        actions.cancel(make.elm + 1, visit.public_id, by=PATIENT, now=make.now)


# Moving


def test_a_move_takes_the_new_time_frees_the_old_and_updates_the_invite(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    mark_all_sent()
    actions.reschedule(make.elm, visit.public_id, make.at("Tue 10:30"), by=PATIENT, now=make.now)
    after = now_of(make, visit)
    assert (after.starts_at, after.sequence, after.uid) == (make.at("Tue 10:30"), 1, visit.uid)
    assert messages(after)[0] == ("moved", "patient", "REQUEST")
    assert free(make, "Tue 10:00")
    assert not free(make, "Tue 10:30")
    assert changes(visit.id)[-1].what["moved_from"] == visit.starts_at.isoformat()


def test_a_move_to_a_taken_time_leaves_everything_as_it_was(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    make.appointment("Tue 11:00", person=make.person(**BEA))
    with pytest.raises(SlotTaken):
        actions.reschedule(
            make.elm,
            visit.public_id,
            make.at("Tue 11:00"),
            practitioner=visit.practitioner_id,
            by=PATIENT,
            now=make.now,
        )
    assert now_of(make, visit).sequence == 0
    assert not free(make, "Tue 10:00")


def test_a_visit_may_move_onto_a_part_of_its_own_time(make: Make) -> None:
    visit = make.appointment("Tue 10:00", service="needles")
    actions.reschedule(make.elm, visit.public_id, make.at("Tue 10:15"), by=PATIENT, now=make.now)
    assert now_of(make, visit).starts_at == make.at("Tue 10:15")
    assert free(make, "Tue 09:45", make.wish("needles"))


def test_a_move_to_the_same_time_changes_nothing(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    actions.reschedule(make.elm, visit.public_id, make.at("Tue 10:00"), by=PATIENT, now=make.now)
    assert now_of(make, visit).sequence == 0
    assert len(changes(visit.id)) == 1


def test_a_desks_move_is_mailed_three_minutes_later(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    mark_all_sent()
    actions.reschedule(make.elm, visit.public_id, make.at("Tue 10:30"), by=CY, now=make.now)
    due = db.session.scalars(sa.select(Message.due_at).where(Message.state == "queued")).all()
    assert set(due) == {make.now + timedelta(minutes=3)}


def test_another_practitioner_gets_the_invite_and_the_former_one_a_cancel(make: Make) -> None:
    visit = make.appointment("Tue 10:00", practitioner="bo")
    mark_all_sent()
    dee = make.wish(practitioner="dee").practitioner
    actions.reschedule(make.elm, visit.public_id, make.at("Tue 11:00"), practitioner=dee, by=PATIENT, now=make.now)
    assert ("replaced", "practitioner", "CANCEL") in messages(now_of(make, visit))
    assert now_of(make, visit).practitioner_id == dee


# Requests


@pytest.fixture
def request_clinic(make: Make) -> Make:
    make.clinic(confirmation="request")
    return make


def test_a_request_holds_the_time_and_waits_for_the_desk(request_clinic: Make) -> None:
    make = request_clinic
    visit = make.appointment("Wed 10:00")
    assert (visit.status, visit.waits_for) == ("pending", "desk")
    assert visit.lapses_at == make.now + timedelta(minutes=1440)
    assert not free(make, "Wed 10:00")
    assert ("requested", "patient", None) in messages(visit)
    assert all(method is None for _, _, method in messages(visit))


def test_a_confirmed_request_is_booked_with_its_first_invite(request_clinic: Make) -> None:
    make = request_clinic
    visit = make.appointment("Wed 10:00")
    mark_all_sent()
    actions.confirm(make.elm, visit.public_id, by=CY, now=make.now)
    after = now_of(make, visit)
    assert (after.status, after.sequence, after.lapses_at, after.waits_for) == ("booked", 0, None, None)
    assert ("confirmed", "patient", "REQUEST") in messages(after)
    actions.confirm(make.elm, visit.public_id, by=CY, now=make.now)
    with pytest.raises(WrongStatus):
        actions.decline(make.elm, visit.public_id, by=CY, now=make.now)


def test_a_declined_request_frees_the_time_and_tells_in_words(request_clinic: Make) -> None:
    make = request_clinic
    visit = make.appointment("Wed 10:00")
    mark_all_sent()
    actions.decline(make.elm, visit.public_id, message="We are full that week", by=CY, now=make.now)
    assert free(make, "Wed 10:00")
    assert messages(now_of(make, visit)) == [("declined", "patient", None)]
    with pytest.raises(WrongStatus):
        actions.confirm(make.elm, visit.public_id, by=CY, now=make.now)


def test_an_offered_time_is_held_instead_and_booked_when_the_patient_accepts(request_clinic: Make) -> None:
    make = request_clinic
    visit = make.appointment("Wed 10:00")
    mark_all_sent()
    actions.offer(make.elm, visit.public_id, make.at("Thu 11:00"), by=CY, now=make.now)
    after = now_of(make, visit)
    assert (after.status, after.waits_for, after.starts_at) == ("pending", "patient", make.at("Thu 11:00"))
    assert free(make, "Wed 10:00")
    assert not free(make, "Thu 11:00")
    assert ("offered", "patient", None) in messages(after)
    actions.accept(make.elm, visit.public_id, by=PATIENT, now=make.now)
    assert now_of(make, visit).status == "booked"


def test_a_patient_cannot_accept_what_was_not_offered(request_clinic: Make) -> None:
    visit = request_clinic.appointment("Wed 10:00")
    with pytest.raises(WrongStatus):
        actions.accept(request_clinic.elm, visit.public_id, by=PATIENT, now=request_clinic.now)


def test_an_unanswered_request_lapses_and_the_patient_is_told(
    request_clinic: Make, set_clock: Callable[[datetime], None]
) -> None:
    make = request_clinic
    visit = make.appointment("Wed 10:00")
    mark_all_sent()
    assert visit.lapses_at
    assert actions.lapse(visit.lapses_at - timedelta(seconds=1)) == 0
    assert actions.lapse(visit.lapses_at) == 1
    assert now_of(make, visit).status == "cancelled"
    assert ("lapsed", "patient", None) in messages(now_of(make, visit))
    assert changes(visit.id)[-1].by_kind == WORKER.kind
    assert free(make, "Wed 10:00")
    assert actions.lapse(visit.lapses_at) == 0


def test_a_request_never_waits_longer_than_until_the_notice_before_the_start(request_clinic: Make) -> None:
    visit = request_clinic.appointment("Mon 10:00")
    assert visit.lapses_at == request_clinic.at("Mon 09:30")


def test_a_patient_may_withdraw_a_request_until_it_is_answered(request_clinic: Make) -> None:
    visit = request_clinic.appointment("Mon 09:30")
    assert actions.cancel(request_clinic.elm, visit.public_id, by=PATIENT, now=request_clinic.now).status == "cancelled"


def test_a_request_whose_time_has_come_cannot_be_confirmed_any_more(request_clinic: Make) -> None:
    visit = request_clinic.appointment("Mon 10:00")
    with pytest.raises(WrongStatus):
        actions.confirm(request_clinic.elm, visit.public_id, by=CY, now=visit.starts_at)


def test_a_visit_that_is_over_cannot_be_cancelled(make: Make) -> None:
    visit = make.appointment("Mon 10:00")
    with pytest.raises(WrongStatus):
        actions.cancel(make.elm, visit.public_id, by=CY, now=visit.ends_at)


def test_only_new_patients_ask_first_where_the_clinic_says_so(make: Make) -> None:
    make.clinic(confirmation="request-new")
    assert make.appointment("Wed 10:00").status == "booked"
    assert make.appointment("Wed 11:00", new=True, person=make.person(**BEA)).status == "pending"


def test_what_the_desk_books_is_booked(request_clinic: Make) -> None:
    assert request_clinic.appointment("Wed 10:00", by=CY).status == "booked"


# Squeezing in


def test_a_squeeze_in_needs_the_desk_and_keeps_the_time_closed_until_it_is_free(make: Make) -> None:
    first = make.appointment("Tue 10:00")
    start, bea = make.at("Tue 10:00"), make.person(**BEA)

    def squeeze(by: Caller) -> Appointment:
        return actions.book(make.elm, make.wish(), start, bea, by=by, now=make.now, squeeze="in great pain")

    with pytest.raises(NotAllowed):
        squeeze(PATIENT)
    second = squeeze(CY)
    assert changes(second.id)[0].what == {"squeezed": True}
    actions.cancel(make.elm, first.public_id, by=CY, now=make.now)
    assert not free(make, "Tue 10:00")
    actions.cancel(make.elm, second.public_id, by=CY, now=make.now)
    assert free(make, "Tue 10:00")


def test_nothing_is_left_behind_by_a_refusal(make: Make) -> None:
    make.appointment("Tue 10:00")
    before = {
        table.name: db.session.scalar(sa.select(sa.func.count()).select_from(table))
        for table in db.metadata.sorted_tables
    }
    for starts in ("Tue 10:00", "Tue 03:00"):
        with pytest.raises(BookingError):
            make.appointment(starts, person=make.person(**BEA))
    after = {
        table.name: db.session.scalar(sa.select(sa.func.count()).select_from(table))
        for table in db.metadata.sorted_tables
    }
    assert before == after


# Reminders


def reminders() -> list[str]:
    return list(db.session.scalars(sa.select(Message.address).where(Message.kind == "reminder")))


def test_a_patient_is_reminded_once_a_day_before(make: Make) -> None:
    visit = make.appointment("Wed 10:00")
    a_day_before = visit.starts_at - timedelta(hours=24)
    assert actions.remind(a_day_before - timedelta(minutes=1)) == 0
    assert actions.remind(a_day_before) == 1
    assert actions.remind(a_day_before + timedelta(minutes=1)) == 0
    assert reminders() == ["ada@example.com"]


def test_nobody_is_reminded_of_what_was_cancelled_or_booked_just_now_or_without_wanting_it(make: Make) -> None:
    cancelled = make.appointment("Wed 10:00")
    actions.cancel(make.elm, cancelled.public_id, by=CY, now=make.now)
    make.appointment("Mon 10:00", person=make.person(**BEA))
    start = make.at("Wed 11:00")
    actions.book(make.elm, make.wish(), start, make.person(name="Eve"), remind=False, by=PUBLIC, now=make.now)
    make.appointment("Wed 12:00", person=make.person(name="Tom", email=None, phone="+442079460155"))
    assert actions.remind(make.now) == 0
    assert actions.remind(make.at("Tue 12:30")) == 0


def test_a_moved_visit_is_reminded_of_at_its_new_time(make: Make) -> None:
    visit = make.appointment("Wed 10:00")
    assert actions.remind(make.at("Tue 10:00")) == 1
    actions.reschedule(make.elm, visit.public_id, make.at("Fri 10:00"), by=CY, now=make.at("Tue 11:00"))
    assert actions.remind(make.at("Wed 10:00")) == 0
    assert actions.remind(make.at("Thu 10:00")) == 1
