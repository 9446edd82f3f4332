"""Which answers from calendars count: each rule with the answer that just misses it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from booking.domain.appointment import Status
from booking.domain.reply import Answer, Doubt, Invited, Outcome, Reply, answer, doubts, judge

NOW = datetime(2027, 1, 11, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ADA, BO, EVE, ELM = "ada@example.com", "bo@elm.example", "eve@example.com", "booking@elm.example"
YES = Reply("REPLY", "uid", ELM, (ADA,), "ACCEPTED", 1, NOW - SECOND)
VISIT = Invited(ELM, (ADA, BO), Status.BOOKED, 1, frozenset({1}), last_at=NOW - 2 * SECOND)

TAKEN, STALE, FORGED, IGNORED = Outcome.TAKEN, Outcome.STALE, Outcome.FORGED, Outcome.IGNORED


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, TAKEN),
        ({"partstat": "tentative"}, TAKEN),
        ({"partstat": "DECLINED"}, TAKEN),
        ({"partstat": "DELEGATED"}, IGNORED),
        ({"partstat": "NEEDS-ACTION"}, IGNORED),
        ({"partstat": ""}, IGNORED),
        ({"method": "COUNTER", "partstat": "TENTATIVE"}, TAKEN),
        ({"method": "COUNTER", "sequence": 0}, STALE),
        ({"method": "REFRESH", "partstat": "", "sequence": 0}, TAKEN),
        ({"method": "REFRESH", "attendees": (EVE,)}, FORGED),
        *[({"method": method}, IGNORED) for method in ("REQUEST", "CANCEL", "ADD", "PUBLISH", "DECLINECOUNTER", "")],
        ({"attendees": ()}, FORGED),
        ({"attendees": (ADA, BO)}, FORGED),
        ({"attendees": (BO,)}, FORGED),
        ({"attendees": (EVE,)}, FORGED),
        ({"organizer": ""}, TAKEN),
        ({"organizer": EVE}, FORGED),
        ({"sequence": 0}, STALE),
        ({"sequence": 2}, FORGED),
        ({"stamped_at": None}, IGNORED),
        ({"stamped_at": NOW - 2 * SECOND}, STALE),
        ({"stamped_at": NOW - 3 * SECOND}, STALE),
        ({"stamped_at": NOW + timedelta(hours=23)}, TAKEN),
        ({"stamped_at": NOW + timedelta(hours=25)}, IGNORED),
    ],
)
def test_an_answer_counts_only_if_every_rule_holds(changes: dict[str, Any], outcome: Outcome) -> None:
    assert judge(replace(YES, **changes), ADA, VISIT, NOW) is outcome


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"status": Status.PENDING}, IGNORED),
        ({"status": Status.ARRIVED}, TAKEN),
        ({"status": Status.CANCELLED}, STALE),
        ({"status": Status.ENTERED_IN_ERROR}, STALE),
        ({"last_at": None}, TAKEN),
        ({"addresses": (BO,)}, FORGED),
    ],
)
def test_an_answer_is_judged_by_how_the_visit_stands(changes: dict[str, Any], outcome: Outcome) -> None:
    assert judge(YES, ADA, replace(VISIT, **changes), NOW) is outcome


def test_an_answer_about_no_visit_of_ours_is_foreign() -> None:
    assert judge(YES, ADA, None, NOW) is Outcome.FOREIGN


@pytest.mark.parametrize("sender", [EVE, BO, ""])
def test_an_answer_sent_by_another_than_its_attendee_is_forged(sender: str) -> None:
    assert judge(YES, sender, VISIT, NOW) is FORGED


@pytest.mark.parametrize(
    ("invited", "attendee", "sender", "outcome"),
    [
        ("ada+elm@example.com", "ada+elm@example.com", "ada@example.com", TAKEN),
        ("ada+elm@example.com", "ada@example.com", "ada@example.com", TAKEN),
        ("ada.lovelace@googlemail.com", "adalovelace@gmail.com", "adalovelace@gmail.com", TAKEN),
        ("ada.lovelace+elm@gmail.com", "ada.lovelace+elm@gmail.com", "adalovelace@gmail.com", TAKEN),
        ("ada.lovelace@example.com", "ada.lovelace@example.com", "adalovelace@example.com", FORGED),
        ("ada+elm@example.com", "ada+elm@example.com", "ada@example.org", FORGED),
        ("+elm@example.com", "+elm@example.com", "+oak@example.com", FORGED),
        (ADA, "", "", FORGED),
    ],
)
def test_an_answer_may_come_by_another_name_of_the_same_mailbox(
    invited: str, attendee: str, sender: str, outcome: Outcome
) -> None:
    said = replace(YES, attendees=(attendee,))
    assert judge(said, sender, replace(VISIT, addresses=(invited,)), NOW) is outcome


def test_a_visit_that_has_begun_is_not_sent_once_more() -> None:
    refresh = replace(YES, method="REFRESH")
    assert judge(refresh, ADA, replace(VISIT, status=Status.ARRIVED), NOW) is STALE


def test_an_answer_says_what_it_wants() -> None:
    assert answer(YES) is Answer.ACCEPTED
    assert answer(replace(YES, method="COUNTER", partstat="DECLINED")) is Answer.COUNTER


@pytest.mark.parametrize(
    ("changes", "sender", "is_proven", "why"),
    [
        ({"attendees": (EVE,)}, EVE, True, [Doubt.ELSEWHERE]),
        ({}, EVE, True, [Doubt.ELSEWHERE]),  # an assistant's account
        ({}, "", True, [Doubt.ELSEWHERE]),
        ({}, ADA, False, [Doubt.UNPROVEN]),
        ({"attendees": (EVE,)}, EVE, False, [Doubt.ELSEWHERE, Doubt.UNPROVEN]),
        ({"attendees": (EVE,)}, ADA, True, [Doubt.UNFIT]),
        ({"attendees": ()}, ADA, True, [Doubt.UNFIT]),
        ({"organizer": EVE}, ADA, True, [Doubt.UNFIT]),
        ({"sequence": 2}, ADA, True, [Doubt.UNFIT]),
        ({"sequence": 0}, ADA, True, [Doubt.MOVED]),
        ({"sequence": 0, "attendees": (EVE,)}, EVE, True, [Doubt.ELSEWHERE, Doubt.MOVED]),
        # Ada has said something later that counts.
        ({"sequence": 0, "stamped_at": NOW - 2 * SECOND}, ADA, True, []),
        ({"stamped_at": NOW - 2 * SECOND}, ADA, False, []),
        ({"attendees": (EVE,), "stamped_at": NOW - 2 * SECOND}, EVE, True, [Doubt.ELSEWHERE]),
    ],
)
def test_it_is_said_why_an_answer_does_not_count(
    changes: dict[str, Any], sender: str, is_proven: bool, why: list[Doubt]
) -> None:
    said = replace(YES, **changes)
    assert judge(said, sender if is_proven else "", VISIT, NOW) in (STALE, FORGED)
    assert [*doubts(said, sender, VISIT, is_proven=is_proven)] == why
