"""The open stretches of a date, as the clinic's pages print them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from booking.domain import spells
from booking.domain.plan import Hours, Location, NotAvailable, Plan, Practitioner

BO, DEE, ELM = 1, 2, 3
EVERY_DAY = frozenset(range(7))


def plan(*, time_off: tuple[NotAvailable, ...] = (), closures: tuple[NotAvailable, ...] = ()) -> Plan:
    """Bo from 00:30 to 10 and from 14 to 18, Dee from 9 to 12."""
    bo = (Hours(EVERY_DAY, 30, 600, ELM), Hours(EVERY_DAY, 840, 1080, ELM))
    people = (
        Practitioner(BO, "bo", "Bo", frozenset(), bo, time_off=time_off),
        Practitioner(DEE, "dee", "Dee", frozenset(), (Hours(EVERY_DAY, 540, 720, ELM),)),
    )
    return Plan(
        clinic=1,
        revision=1,
        minimum_notice=0,
        horizon=60,
        locations={ELM: Location(ELM, "main", "Elm House", "Europe/London")},
        rooms={},
        practitioners={person.id: person for person in people},
        services={},
        closures=closures,
    )


def shown(found: Plan, day: date, *people: int) -> list[str]:
    """The stretches as London's clocks show them in winter."""
    return [f"{start:%H:%M}-{end:%H:%M}" for start, end in spells.of_day(found, ELM, day, people)]


MONDAY = date(2027, 1, 11)
MORNING = NotAvailable(datetime(2027, 1, 11, 0, 0), datetime(2027, 1, 11, 9, 30))
WHOLE_DAY = NotAvailable(datetime(2027, 1, 11, 0, 0), datetime(2027, 1, 12, 0, 0))


@pytest.mark.parametrize(
    ("found", "people", "expected"),
    [
        (plan(), (BO,), ["00:30-10:00", "14:00-18:00"]),
        (plan(), (BO, DEE), ["00:30-12:00", "14:00-18:00"]),
        (plan(), (), []),
        (plan(time_off=(MORNING,)), (BO,), ["09:30-10:00", "14:00-18:00"]),
        (plan(time_off=(MORNING,)), (BO, DEE), ["09:00-12:00", "14:00-18:00"]),
        (plan(closures=(MORNING,)), (BO, DEE), ["09:30-12:00", "14:00-18:00"]),
        (plan(closures=(WHOLE_DAY,)), (BO, DEE), []),
    ],
)
def test_stretches_join_where_people_overlap_and_end_where_nobody_is_there(
    found: Plan, people: tuple[int, ...], expected: list[str]
) -> None:
    assert shown(found, MONDAY, *people) == expected


def test_on_the_spring_sunday_a_morning_is_an_hour_shorter() -> None:
    [morning, _afternoon] = spells.of_day(plan(), ELM, date(2027, 3, 28), (BO,))
    assert morning == (datetime(2027, 3, 28, 0, 30, tzinfo=UTC), datetime(2027, 3, 28, 9, 0, tzinfo=UTC))
