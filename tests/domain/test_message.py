from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from booking.domain.appointment import MAY, Status
from booking.domain.message import (
    Kind,
    Method,
    Notice,
    Recipient,
    Told,
    Transition,
    Was,
    as_sent,
    joined,
    notices,
    settled,
)
from tests.formats.cast import STARTS, VISIT

S, K = Status, Kind
REQUEST, CANCEL = Method.REQUEST, Method.CANCEL


def said(transition: Transition) -> list[str]:
    """Each notice as "kind to method"; a former recipient is starred."""
    return [
        f"{notice.kind} {notice.to}{'*' if notice.former else ''} {notice.method or '-'}"
        for notice in notices(transition)
    ]


PATIENT = [
    # made
    (Transition(None, S.PENDING, "public"), ["requested patient -"]),
    (Transition(None, S.BOOKED, "public"), ["booked patient REQUEST"]),
    (Transition(None, S.BOOKED, "staff"), ["booked patient REQUEST"]),
    (Transition(None, S.BOOKED, "key"), ["booked patient REQUEST"]),
    (Transition(None, S.ARRIVED, "staff"), []),
    # a request and its answer
    (Transition(S.PENDING, S.BOOKED, "staff"), ["confirmed patient REQUEST"]),
    (Transition(S.PENDING, S.BOOKED, "patient"), ["booked patient REQUEST"]),
    (Transition(S.PENDING, S.PENDING, "staff", moved=True, offered=True), ["offered patient -"]),
    (Transition(S.PENDING, S.PENDING, "patient", moved=True), ["requested patient -"]),
    (Transition(S.PENDING, S.PENDING, "staff"), []),
    (Transition(S.PENDING, S.CANCELLED, "staff"), ["declined patient -"]),
    (Transition(S.PENDING, S.CANCELLED, "worker"), ["lapsed patient -"]),
    (Transition(S.PENDING, S.CANCELLED, "patient"), ["cancelled patient -"]),
    # a booked visit
    (Transition(S.BOOKED, S.BOOKED, "patient", moved=True), ["moved patient REQUEST"]),
    (Transition(S.BOOKED, S.BOOKED, "staff", moved=True, practitioner_changed=True), ["moved patient REQUEST"]),
    (Transition(S.BOOKED, S.BOOKED, "staff", practitioner_changed=True), ["changed patient REQUEST"]),
    (Transition(S.BOOKED, S.BOOKED, "staff", details_changed=True), ["changed patient REQUEST"]),
    (Transition(S.BOOKED, S.BOOKED, "staff"), []),
    (Transition(S.BOOKED, S.CANCELLED, "patient"), ["cancelled patient CANCEL"]),
    (Transition(S.BOOKED, S.CANCELLED, "staff"), ["called-off patient CANCEL"]),
    (Transition(S.BOOKED, S.ENTERED_IN_ERROR, "staff"), ["mistake patient CANCEL"]),
    (Transition(S.PENDING, S.ENTERED_IN_ERROR, "staff"), ["mistake patient -"]),
    # the address
    (
        Transition(S.BOOKED, S.BOOKED, "staff", address_changed=True),
        ["elsewhere patient* CANCEL", "booked patient REQUEST"],
    ),
    (Transition(S.BOOKED, S.BOOKED, "staff", address_changed=True, patient=False), ["elsewhere patient* CANCEL"]),
    (Transition(S.BOOKED, S.BOOKED, "staff", address_changed=True, former_patient=False), ["booked patient REQUEST"]),
    (Transition(S.PENDING, S.PENDING, "staff", address_changed=True), ["requested patient -"]),
    # the day itself changes no event
    (Transition(S.BOOKED, S.ARRIVED, "staff"), []),
    (Transition(S.BOOKED, S.CHECKED_IN, "staff"), []),
    (Transition(S.BOOKED, S.FULFILLED, "staff"), []),
    (Transition(S.BOOKED, S.NOSHOW, "staff"), []),
    (Transition(S.ARRIVED, S.BOOKED, "staff"), []),
    (Transition(S.NOSHOW, S.BOOKED, "staff"), []),
    # but what goes after that takes its event along
    (Transition(S.ARRIVED, S.CANCELLED, "staff"), ["called-off patient CANCEL"]),
    (Transition(S.FULFILLED, S.ENTERED_IN_ERROR, "staff"), ["mistake patient CANCEL"]),
]


@pytest.mark.parametrize(("transition", "expected"), PATIENT)
def test_the_patient_is_told(transition: Transition, expected: list[str]) -> None:
    assert said(transition) == expected


@pytest.mark.parametrize(("transition", "_expected"), [case for case in PATIENT if not case[0].address_changed])
def test_without_an_address_the_patient_is_told_nothing(transition: Transition, _expected: list[str]) -> None:
    assert said(replace(transition, patient=False)) == []


B = Transition(S.BOOKED, S.BOOKED, "staff", patient=False, practitioner=True)


@pytest.mark.parametrize(
    ("transition", "expected"),
    [
        (replace(B, old=None, new=S.PENDING), []),
        (replace(B, old=None), ["booked practitioner REQUEST"]),
        (replace(B, old=S.PENDING), ["confirmed practitioner REQUEST"]),
        (replace(B, old=S.PENDING, new=S.CANCELLED), []),
        (replace(B, old=S.PENDING, new=S.PENDING, moved=True, offered=True), []),
        (replace(B, moved=True), ["moved practitioner REQUEST"]),
        (replace(B, new=S.CANCELLED), ["called-off practitioner CANCEL"]),
        (replace(B, new=S.ARRIVED), []),
        (
            replace(B, practitioner_changed=True, moved=True, former_practitioner=True),
            ["replaced practitioner* CANCEL", "booked practitioner REQUEST"],
        ),
        (replace(B, practitioner_changed=True), ["booked practitioner REQUEST"]),
        (
            replace(B, practitioner_changed=True, former_practitioner=True, practitioner=False),
            ["replaced practitioner* CANCEL"],
        ),
        (
            replace(B, address_changed=True, former_practitioner=True, former_patient=False),
            ["elsewhere practitioner* CANCEL", "booked practitioner REQUEST"],
        ),
        (replace(B, moved=True, practitioner=False), []),
    ],
)
def test_a_practitioner_who_wants_invites_is_told(transition: Transition, expected: list[str]) -> None:
    assert said(transition) == expected


@pytest.mark.parametrize(
    ("transition", "expected"),
    [
        (Transition(None, S.BOOKED, "public"), ["booked clinic -"]),
        (Transition(None, S.PENDING, "key"), ["requested clinic -"]),
        (Transition(None, S.BOOKED, "staff"), []),
        (Transition(S.BOOKED, S.BOOKED, "patient", moved=True), ["moved clinic -"]),
        (Transition(S.BOOKED, S.CANCELLED, "patient"), ["cancelled clinic -"]),
        (Transition(S.BOOKED, S.CANCELLED, "staff"), []),
        (Transition(S.PENDING, S.CANCELLED, "worker"), ["lapsed clinic -"]),
    ],
)
def test_a_clinic_that_wants_it_hears_what_patients_do(transition: Transition, expected: list[str]) -> None:
    assert said(replace(transition, patient=False, clinic=True)) == expected


def test_a_calendar_is_asked_for_what_is_booked_and_cleared_of_what_was_by_every_transition_there_is() -> None:
    for old, news in MAY.items():
        for new in news:
            for by in ("public", "patient", "key", "staff", "worker"):
                told = notices(Transition(old, new, by, practitioner=True, clinic=True))
                methods = {notice.method for notice in told if notice.method}
                ends = old != Status.PENDING and new in (Status.CANCELLED, Status.ENTERED_IN_ERROR)
                begins = old == Status.PENDING and new == Status.BOOKED
                assert methods == ({CANCEL} if ends else {REQUEST} if begins else set()), (old, new, by)


def notice(kind: Kind, method: Method | None, to: Recipient = Recipient.PATIENT) -> Notice:
    return Notice(kind, to, method)


@pytest.mark.parametrize(
    ("planned", "told", "sent"),
    [
        # a CANCEL goes only where an event is
        (notice(K.CANCELLED, CANCEL), Told.EVENT, notice(K.CANCELLED, CANCEL)),
        (notice(K.CANCELLED, CANCEL), Told.MAIL, notice(K.CANCELLED, None)),
        (notice(K.CANCELLED, CANCEL), Told.NOTHING, None),
        (notice(K.REPLACED, CANCEL, Recipient.PRACTITIONER), Told.NOTHING, None),
        (notice(K.ELSEWHERE, CANCEL), Told.NOTHING, None),
        # who saw "You are booked" on the page must not come in vain
        (notice(K.CALLED_OFF, CANCEL), Told.NOTHING, notice(K.CALLED_OFF, None)),
        (notice(K.DECLINED, None), Told.NOTHING, notice(K.DECLINED, None)),
        (notice(K.LAPSED, None), Told.NOTHING, notice(K.LAPSED, None)),
        (notice(K.CANCELLED, None), Told.NOTHING, None),
        (notice(K.CANCELLED, None), Told.MAIL, notice(K.CANCELLED, None)),
        (notice(K.CANCELLED, None, Recipient.CLINIC), Told.NOTHING, notice(K.CANCELLED, None, Recipient.CLINIC)),
        # news of what nobody knew of is a first booking
        (notice(K.MOVED, REQUEST), Told.EVENT, notice(K.MOVED, REQUEST)),
        (notice(K.MOVED, REQUEST), Told.NOTHING, notice(K.BOOKED, REQUEST)),
        (notice(K.CHANGED, REQUEST), Told.MAIL, notice(K.BOOKED, REQUEST)),
        (notice(K.MOVED, None, Recipient.CLINIC), Told.NOTHING, notice(K.MOVED, None, Recipient.CLINIC)),
        (notice(K.CONFIRMED, REQUEST), Told.NOTHING, notice(K.CONFIRMED, REQUEST)),
    ],
)
def test_a_notice_suits_what_its_reader_knows(planned: Notice, told: Told, sent: Notice | None) -> None:
    assert as_sent(planned, told=told) == sent


WAS = Was(VISIT.starts_at, VISIT.ends_at, VISIT.location, VISIT.practitioner, "", "ada@example.com", VISIT.uid, 0)


@pytest.mark.parametrize(
    ("kind", "was", "expected"),
    [
        (K.MOVED, replace(WAS, starts_at=STARTS - timedelta(days=1)), K.MOVED),
        (K.MOVED, replace(WAS, location="Oak Road"), K.MOVED),
        (K.MOVED, WAS, None),
        (K.MOVED, replace(WAS, practitioner="Di"), K.CHANGED),
        (K.MOVED, None, K.MOVED),
        (K.CHANGED, WAS, K.CHANGED),
        (K.CALLED_OFF, WAS, K.CALLED_OFF),
    ],
)
def test_a_move_that_was_undone_is_not_told(kind: Kind, was: Was | None, expected: Kind | None) -> None:
    assert settled(kind, VISIT, was) == expected


@pytest.mark.parametrize(
    ("earlier", "later", "one"),
    [
        (K.MOVED, K.MOVED, K.MOVED),
        (K.MOVED, K.CHANGED, K.MOVED),
        (K.CHANGED, K.MOVED, K.MOVED),
        (K.CHANGED, K.CHANGED, K.CHANGED),
        (K.MOVED, K.CANCELLED, K.CANCELLED),
        (K.BOOKED, K.BOOKED, K.BOOKED),
        (K.REQUESTED, K.CONFIRMED, K.CONFIRMED),
    ],
)
def test_two_unsent_messages_become_one(earlier: Kind, later: Kind, one: Kind) -> None:
    assert joined(earlier, later) == one
