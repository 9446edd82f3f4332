"""What is on offer and why not: against the brute-force oracle, and the cases that the design names.

The cast: practitioner Bo and a colleague at Elm Clinic (Europe/London), Mei at the community acupuncture.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import product
from typing import TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from booking.domain.availability import (
    ExtraHours,
    Hours,
    Location,
    NewPatients,
    NotAvailable,
    Plan,
    Practitioner,
    Reason,
    ReasonCode,
    Room,
    Service,
    Slot,
    Stage,
    StageFault,
    Window,
    Wish,
    first,
    nearest,
    per_day,
    rooms_for,
    rooms_over_capacity,
    runs,
    shape,
    slots,
    stage_faults,
    stages_for,
    why_not,
)
from booking.domain.time import day_window, instant_of, local, tick_of, wall_instants
from tests.domain import oracle

BO, DI, MAIN, OTHER, VISIT, FIRST_VISIT, CHAIRS, TABLE = 1, 2, 11, 12, 21, 22, 31, 32
LONDON, CHICAGO, ADELAIDE, LORD_HOWE = "Europe/London", "America/Chicago", "Australia/Adelaide", "Australia/Lord_Howe"
EVERY_DAY = frozenset(range(7))
T = TypeVar("T")
TUESDAY = date(2026, 6, 2)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
Question = tuple[Plan, oracle.Book, Wish, Window, datetime]
NEEDLES = (Stage(10), Stage(30, practitioner=False), Stage(5), Stage(5, practitioner=False, patient=False))

CLOCK_CHANGES = [
    (CHICAGO, date(2026, 3, 8)),
    (CHICAGO, date(2026, 11, 1)),
    (CHICAGO, date(2027, 3, 14)),
    (CHICAGO, date(2027, 11, 7)),
    (ADELAIDE, date(2026, 4, 5)),
    (ADELAIDE, date(2026, 10, 4)),
    (ADELAIDE, date(2027, 4, 4)),
    (ADELAIDE, date(2027, 10, 3)),
    (LORD_HOWE, date(2026, 4, 5)),
    (LORD_HOWE, date(2026, 10, 4)),
    (LORD_HOWE, date(2027, 4, 4)),
    (LORD_HOWE, date(2027, 10, 3)),
    ("Atlantic/Azores", date(2026, 10, 25)),  # the hour after midnight happens twice
    ("Africa/Cairo", date(2026, 4, 24)),  # there is no midnight
]


def hours(opens: str, closes: str, *, location: int = MAIN, days: frozenset[int] = EVERY_DAY, **rest: object) -> Hours:
    return Hours(days, minutes(opens), minutes(closes), location, **rest)  # type: ignore[arg-type]


def minutes(clock: str) -> int:
    hour, minute = map(int, clock.split(":"))
    return hour * 60 + minute


def elm(
    *opened: Hours,
    stages: tuple[Stage, ...] = (Stage(30),),
    zone: str = LONDON,
    every: int = 15,
    rooms: dict[int, int] | None = None,
    closures: tuple[NotAvailable, ...] = (),
    time_off: tuple[NotAvailable, ...] = (),
    extra_hours: tuple[ExtraHours, ...] = (),
    notice: int = 0,
    horizon: int = 400,
    **service: object,
) -> Plan:
    """Elm Clinic: Bo, one location, one service; rooms as id to places."""
    rooms = rooms or {}
    what = {"new_patient_stages": None, **service}
    return Plan(
        clinic=1,
        revision=1,
        minimum_notice=notice,
        horizon=horizon,
        locations={MAIN: Location(MAIN, "main", "Elm Clinic", zone)},
        rooms={room: Room(room, f"room-{room}", "Room", MAIN, places) for room, places in rooms.items()},
        practitioners={BO: Practitioner(BO, "bo", "Bo", frozenset({VISIT}), opened, extra_hours, time_off)},
        services={VISIT: Service(VISIT, "visit", "Visit", stages, every=every, rooms=tuple(rooms), **what)},  # type: ignore[arg-type]
        closures=closures,
    )


def book_of(plan: Plan) -> oracle.Book:
    capacity = dict.fromkeys(plan.practitioners, 1) | {room.id: room.places for room in plan.rooms.values()}
    return oracle.Book(capacity)


def take(plan: Plan, book: oracle.Book, starts: str, day: date = TUESDAY, room: int | None = None) -> None:
    """Enter a visit of Bo as `store/hold` would, whatever is there already."""
    form = shape(plan.services[VISIT].stages)
    at = tick(plan, starts, day)
    for offset, length in form.practitioner:
        book.take(BO, range(at + offset, at + offset + length))
    for offset, length in form.room if room else ():
        book.take(room or 0, range(at + offset, at + offset + length))


def tick(plan: Plan, clock: str, day: date = TUESDAY) -> int:
    return tick_of(at(plan, clock, day))


def at(plan: Plan, clock: str, day: date = TUESDAY) -> datetime:
    naive = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes(clock))
    return wall_instants(naive, plan.locations[MAIN].zone)[0]


def clocks(
    plan: Plan,
    book: oracle.Book | None = None,
    *,
    day: date = TUESDAY,
    wish: Wish = Wish(VISIT),  # noqa: B008
    now: datetime = LONG_AGO,
) -> list[str]:
    """The starts on offer on a day, as the clock on the wall shows them."""
    zone = plan.locations[MAIN].zone
    found = slots(plan, book or book_of(plan), wish, day_window(day, zone), now)
    return [local(slot.start, zone).strftime("%H:%M") for slot in found]


def codes(
    plan: Plan,
    clock: str,
    book: oracle.Book | None = None,
    *,
    day: date = TUESDAY,
    wish: Wish = Wish(VISIT),  # noqa: B008
    now: datetime = LONG_AGO,
) -> list[str]:
    found = why_not(plan, book or book_of(plan), wish, BO, at(plan, clock, day), now)
    return [reason.code.value for reason in found]


# Against the oracle.


@cache
def below(n: int) -> st.SearchStrategy[int]:
    """Built once: most of hypothesis's time goes into building strategies."""
    return st.integers(0, n - 1)


class Dice:
    """Drawn choices, each of which shrinks towards its first option."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def one(self, *options: T) -> T:
        return options[self.draw(below(len(options)))]

    def between(self, least: int, most: int) -> int:
        return least + self.draw(below(most - least + 1))

    def seldom(self) -> bool:
        return self.between(0, 9) == 9

    def clock(self) -> int:
        """Minutes from midnight, mostly in fives."""
        return self.between(0, 1439) if self.seldom() else 15 * self.between(0, 50)

    def near(self, day: date) -> date:
        return day + timedelta(days=self.one(0, -1, 1, -2, 2))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """A clinic around a day on which its clocks are changed, a book, a wish, a window and a now."""
    dice = Dice(draw)
    zone, day = dice.one(*CLOCK_CHANGES)
    plan = drawn_plan(dice, zone, day)
    whole = day_window(day, zone)
    start = dice.between(whole.start - 12, whole.start + 120)
    window = Window(start, start + dice.between(12, 72))
    book = book_of(plan)
    for _ in range(dice.between(0, 8)):
        begin = dice.between(window.start - 6, window.stop + 12)
        book.take(dice.one(BO, DI, CHAIRS, CHAIRS, TABLE), range(begin, begin + dice.between(1, 12)))
    for _ in range(dice.between(0, 2)):
        begin = dice.between(window.start - 6, window.stop + 12)
        book.leave(dice.one(BO, DI), range(begin, begin + dice.between(1, 12)))
    wish = Wish(
        VISIT,
        new=dice.one(False, True),
        practitioner=dice.one(None, None, BO, DI),
        location=dice.one(None, None, None, MAIN, OTHER),
        staff=dice.one(False, True),
        any_tick=dice.one(False, False, True),
    )
    ago = timedelta(minutes=dice.one(720, 1440, 240, 2880, 0, -90), seconds=dice.between(0, 299))
    return plan, book, wish, window, instant_of(window.start) - ago


def drawn_plan(dice: Dice, zone: str, day: date) -> Plan:
    zones = {MAIN: zone, OTHER: dice.one(zone, LONDON)}
    return Plan(
        clinic=1,
        revision=1,
        minimum_notice=dice.one(0, 7, 120, 900),
        horizon=dice.one(60, 60, 2, 1, 0),
        locations={n: Location(n, f"l{n}", "Elm", zones[n]) for n in (MAIN, OTHER)},
        rooms={
            n: Room(n, f"r{n}", "Room", OTHER if dice.seldom() else MAIN, dice.between(1, 3)) for n in (CHAIRS, TABLE)
        },
        practitioners={n: drawn_practitioner(dice, n, day) for n in (BO, DI)},
        services={VISIT: drawn_service(dice)},
        closures=tuple(drawn_absence(dice, day, room=dice.one(None, CHAIRS, TABLE)) for _ in range(dice.between(0, 2))),
    )


def drawn_practitioner(dice: Dice, number: int, day: date) -> Practitioner:
    return Practitioner(
        number,
        f"p{number}",
        f"P{number}",
        frozenset() if dice.seldom() else frozenset({VISIT}),
        tuple(drawn_hours(dice, day) for _ in range(dice.between(1, 3))),
        tuple(ExtraHours(dice.near(day), *drawn_opening(dice)) for _ in range(dice.between(0, 1))),
        tuple(drawn_absence(dice, day) for _ in range(dice.between(0, 2))),
    )


def drawn_hours(dice: Dice, day: date) -> Hours:
    weekdays = EVERY_DAY - {dice.between(0, 6), dice.between(0, 6)} if dice.one(False, True) else EVERY_DAY
    since = day + timedelta(days=dice.between(-21, 1)) if dice.one(False, True) else None
    until = day + timedelta(days=dice.between(0, 2)) if dice.seldom() else None
    return Hours(weekdays, *drawn_opening(dice), dice.between(1, 3) if since else 1, since, until)


def drawn_opening(dice: Dice) -> tuple[int, int, int]:
    opens = dice.clock()
    return opens, min(opens + dice.one(480, 1440, 240, 600, 60, 31), 1440), dice.one(MAIN, MAIN, MAIN, OTHER)


def drawn_absence(dice: Dice, day: date, room: int | None = None) -> NotAvailable:
    starts = datetime.combine(dice.near(day), time.min) + timedelta(minutes=dice.clock())
    ends = starts + timedelta(minutes=dice.one(60, 1440, dice.clock()))
    return NotAvailable(starts, ends, dice.one("Holiday", "Training"), dice.one(None, MAIN, OTHER), room)


def drawn_service(dice: Dice) -> Service:
    return Service(
        VISIT,
        "visit",
        "Visit",
        drawn_stages(dice),
        drawn_stages(dice),
        every=dice.one(5, 5, 10, 15, 20, 25, 30, 45, 60, 1440),
        rooms=dice.one((), (CHAIRS,), (CHAIRS, TABLE), (TABLE, CHAIRS)),
        online=not dice.seldom(),
        new_patients=dice.one(NewPatients.SAME, NewPatients.LONGER, NewPatients.LONGER, *NewPatients),
        first_visit=FIRST_VISIT,
    )


def drawn_stages(dice: Dice) -> tuple[Stage, ...]:
    def stage(most: int, *, patient: bool) -> Stage:
        return Stage(5 * dice.between(1, most), dice.one(True, False), dice.one(True, False), patient)

    stay = [stage(6, patient=True) for _ in range(dice.between(1, 4))]
    return (*stay, *(stage(3, patient=False) for _ in range(dice.between(0, 2))))


@given(questions())
def test_exactly_what_the_oracle_finds_is_on_offer(
    question: Question,
) -> None:
    plan, book, wish, window, now = question
    expected = list(oracle.offered(plan, book, wish, window, now))

    found = slots(plan, book, wish, window, now)

    assert [(tick_of(slot.start), slot.practitioner, slot.location) for slot in found] == expected
    stay = sum(stage.minutes for stage in stages_for(plan.services[VISIT], wish.new) if stage.patient)
    assert all(slot.end - slot.start == timedelta(minutes=stay) for slot in found)
    counts: dict[date, set[int]] = {}
    for start, _, location in expected:
        counts.setdefault(oracle.wall(start, plan.locations[location].zone).date(), set()).add(start)
    assert per_day(plan, book, wish, window, now) == {day: len(starts) for day, starts in counts.items()}


@given(questions())
def test_a_start_is_on_offer_exactly_if_there_is_no_reason_why_not(
    question: Question,
) -> None:
    plan, book, wish, window, now = question
    window = Window(window.start, min(window.stop, window.start + 24))
    open_to_all = replace(wish, practitioner=None)
    offered = {(slot.practitioner, tick_of(slot.start)) for slot in slots(plan, book, open_to_all, window, now)}

    for person, start in product(plan.practitioners, range(window.start, window.stop)):
        reasons = why_not(plan, book, wish, person, instant_of(start), now)
        assert ((person, start) in offered) == (not reasons), (start - window.start, reasons)


@given(questions())
def test_the_first_and_the_nearest_are_those_that_a_look_at_everything_finds(
    question: Question,
) -> None:
    plan, book, wish, window, now = question
    now = max(now, instant_of(window.start))
    far = Window(window.start, window.start + 6 * 288)
    everything = slots(plan, book, wish, far, now)
    by_start: dict[datetime, Slot] = {}
    for slot in everything:
        by_start.setdefault(slot.start, slot)

    found = first(plan, book, wish, window.start, now)
    assert found == next(iter(everything), None) or (not everything and found and tick_of(found.start) >= far.stop)

    wanted = instant_of(window.start) + timedelta(hours=20, minutes=2)
    close = nearest(plan, book, wish, wanted, now)
    ranked = sorted(by_start.values(), key=lambda slot: (abs(slot.start - wanted), slot.start))
    reliable = [slot for slot in ranked if slot.start - wanted < timedelta(days=5)][:3]
    assert close[: len(reliable)] == reliable
    assert len({slot.start for slot in close}) == len(close) <= 3


@given(questions())
def test_a_start_has_a_room_exactly_where_the_oracle_has_one(
    question: Question,
) -> None:
    plan, book, wish, window, _ = question
    spread = oracle.minute_by_minute(plan.services[VISIT], wish)
    for start, location in product(range(window.start, window.stop, 5), (MAIN, OTHER)):
        zone = plan.locations[location].zone
        assert rooms_for(plan, book, wish, location, start) == tuple(
            room
            for room in plan.services[VISIT].rooms
            if plan.rooms[room].location == location and oracle.room_fits(plan, book, room, spread, start, zone)
        )


@given(st.integers(0, 2**80), st.integers(1, 20))
@example(0b1111, 4)
@example(0b1111, 5)
def test_runs_are_found_where_looking_one_by_one_finds_them(free: int, length: int) -> None:
    digits = [free >> n & 1 for n in range(120)]
    assert [runs(free, length) >> n & 1 for n in range(100)] == [int(all(digits[n : n + length])) for n in range(100)]


@pytest.mark.parametrize(("zone", "day"), CLOCK_CHANGES)
def test_the_days_that_are_tried_are_days_of_changed_clocks(zone: str, day: date) -> None:
    window = day_window(day, zone)
    assert window.stop - window.start != 288


# Stages.


def test_the_stages_of_community_acupuncture_take_the_practitioner_twice_and_the_chair_once() -> None:
    form = shape(NEEDLES)
    assert form.practitioner == ((0, 2), (8, 1))
    assert form.room == ((0, 10),)
    assert (form.stay, form.total) == (9, 10)


def test_stages_that_follow_each_other_are_one_stretch() -> None:
    form = shape((Stage(5), Stage(10), Stage(5, room=False), Stage(5, practitioner=False), Stage(5, patient=False)))
    assert form.practitioner == ((0, 4), (5, 1))
    assert form.room == ((0, 3), (4, 2))
    assert form.room_during_stay == ((0, 3), (4, 1))


@pytest.mark.parametrize(
    ("stages", "faults"),
    [
        (NEEDLES, []),
        ((Stage(1440),), []),
        ((), [StageFault.NO_PATIENT]),
        ((Stage(0),), [StageFault.MINUTES]),
        ((Stage(-5),), [StageFault.MINUTES]),
        ((Stage(7),), [StageFault.MINUTES]),
        ((Stage(5, patient=False),), [StageFault.NO_PATIENT]),
        ((Stage(5, patient=False), Stage(5)), [StageFault.TURNOVER]),
        ((Stage(5), Stage(5, patient=False), Stage(5)), [StageFault.TURNOVER]),
        ((Stage(1440), Stage(5, patient=False)), [StageFault.TOO_LONG]),
        ((Stage(3, patient=False), Stage(1440)), [StageFault.MINUTES, StageFault.TURNOVER, StageFault.TOO_LONG]),
    ],
)
def test_stages_that_are_no_visit_are_named(stages: tuple[Stage, ...], faults: list[StageFault]) -> None:
    assert stage_faults(stages) == faults


@pytest.mark.parametrize(
    ("rule", "new", "length"),
    [
        (NewPatients.LONGER, True, 60),
        (NewPatients.LONGER, False, 30),
        (NewPatients.SAME, True, 30),
        (NewPatients.ONLY, True, 30),
    ],
)
def test_only_new_patients_of_a_longer_service_have_stages_of_their_own(
    rule: NewPatients, new: bool, length: int
) -> None:
    plan = elm(new_patients=rule, new_patient_stages=(Stage(60),))
    assert stages_for(plan.services[VISIT], new) == (Stage(length),)


# Cases.


def test_community_acupuncture_starts_a_patient_every_quarter_of_an_hour() -> None:
    plan = elm(hours("09:00", "12:00"), stages=NEEDLES, rooms={CHAIRS: 6}, zone=CHICAGO)
    book = book_of(plan)
    quarters = [f"{hour:02}:{minute:02}" for hour in (9, 10, 11) for minute in (0, 15, 30, 45)][:-2]  # 45 minutes' stay
    assert clocks(plan, book) == quarters

    for starts in quarters:
        assert starts in clocks(plan, book)
        take(plan, book, starts, room=CHAIRS)

    assert clocks(plan, book) == []
    assert max(book.visits[CHAIRS].values()) == 4  # of six chairs
    assert max(book.visits[BO].values()) == 1


def test_a_room_is_full_at_its_peak_and_not_by_the_number_of_visits_that_touch() -> None:
    plan = elm(hours("09:00", "11:00"), stages=(Stage(60, practitioner=False),), rooms={CHAIRS: 2}, every=30)
    book = book_of(plan)
    take(plan, book, "09:00", room=CHAIRS)
    take(plan, book, "10:00", room=CHAIRS)
    assert clocks(plan, book) == ["09:00", "09:30", "10:00"]
    take(plan, book, "09:30", room=CHAIRS)
    assert clocks(plan, book) == []
    assert codes(plan, "09:30", book) == ["room-full"]


def test_a_time_that_was_squeezed_in_stays_closed_until_it_is_really_free() -> None:
    plan = elm(hours("09:00", "10:00"), stages=(Stage(30, practitioner=False),), rooms={CHAIRS: 2}, every=30)
    book = book_of(plan)
    for _ in range(3):
        take(plan, book, "09:00", room=CHAIRS)
    ticks = range(tick(plan, "09:00"), tick(plan, "09:30"))

    book.visits[CHAIRS].subtract(ticks)
    assert clocks(plan, book) == ["09:30"]
    book.visits[CHAIRS].subtract(ticks)
    assert clocks(plan, book) == ["09:00", "09:30"]


def test_nobody_rests_across_the_lunch_break() -> None:
    plan = elm(hours("11:00", "12:00"), hours("13:00", "14:00"), stages=NEEDLES)
    assert clocks(plan) == ["11:00", "11:15", "13:00", "13:15"]
    assert codes(plan, "11:30") == ["too-long"]
    assert codes(plan, "12:30") == ["closed"]


def test_openings_that_touch_are_one() -> None:
    plan = elm(hours("09:00", "09:30"), stages=(Stage(60),), extra_hours=(ExtraHours(TUESDAY, 570, 600, MAIN),))
    assert clocks(plan) == ["09:00"]
    assert clocks(plan, day=date(2026, 6, 3)) == []


def test_a_turnover_may_run_past_closing_and_into_time_off_but_not_into_a_visit() -> None:
    off = NotAvailable(datetime(2026, 6, 2, 11), datetime(2026, 6, 2, 17), "Dentist")
    stages = (Stage(30), Stage(15, patient=False))
    plan = elm(hours("09:00", "10:00"), hours("10:30", "12:00"), stages=stages, every=30, time_off=(off,))
    book = book_of(plan)
    assert clocks(plan, book) == ["09:00", "09:30", "10:30"]

    book.take(BO, range(tick(plan, "10:10"), tick(plan, "10:15")))
    assert clocks(plan, book) == ["09:00", "10:30"]
    assert codes(plan, "09:30", book) == ["taken"]


def test_a_room_may_be_shut_during_the_turnover_only() -> None:
    shut = NotAvailable(datetime(2026, 6, 2, 9, 30), datetime(2026, 6, 2, 10), "Painting", room=TABLE)
    stages = (Stage(30), Stage(15, patient=False))
    plan = elm(hours("09:00", "11:00"), stages=stages, rooms={TABLE: 1}, closures=(shut,))
    assert clocks(plan) == ["09:00", "10:00", "10:15", "10:30"]
    assert why_not(plan, book_of(plan), Wish(VISIT), BO, at(plan, "09:15"), LONG_AGO) == [
        Reason(ReasonCode.ROOM_CLOSED, "Painting", at(plan, "10:00"))
    ]


def test_the_spring_gap_is_nobodys_time() -> None:
    plan = elm(hours("00:30", "03:00"), every=15, stages=(Stage(30),))
    change = date(2026, 3, 29)
    assert clocks(plan, day=change) == ["00:30", "00:45", "02:00", "02:15", "02:30"]
    found = slots(plan, book_of(plan), Wish(VISIT), day_window(change, LONDON), LONG_AGO)
    assert all(slot.end - slot.start == timedelta(minutes=30) for slot in found)


def test_hours_wholly_in_the_spring_gap_are_empty() -> None:
    plan = elm(hours("01:00", "02:00"))
    assert clocks(plan, day=date(2026, 3, 28)) == ["01:00", "01:15", "01:30"]
    assert clocks(plan, day=date(2026, 3, 29)) == []


def test_both_runs_of_a_repeated_hour_are_offered() -> None:
    plan = elm(hours("00:45", "02:15"), every=30, stages=(Stage(15),))
    change = date(2026, 10, 25)
    assert clocks(plan, day=change) == ["01:00", "01:30", "01:00", "01:30", "02:00"]
    found = slots(plan, book_of(plan), Wish(VISIT), day_window(change, LONDON), LONG_AGO)
    assert [local(slot.start, LONDON).tzname() for slot in found] == ["BST", "BST", "GMT", "GMT", "GMT"]


def test_the_grid_follows_the_clock_on_the_wall_where_half_an_hour_is_repeated() -> None:
    plan = elm(hours("00:00", "04:00"), zone=LORD_HOWE, every=60, stages=(Stage(5),))
    assert clocks(plan, day=date(2026, 4, 5)) == ["00:00", "01:00", "02:00", "03:00"]
    assert clocks(plan, day=date(2026, 10, 4)) == ["00:00", "01:00", "03:00"]  # 02:00 is skipped
    halves = elm(hours("01:00", "03:00"), zone=LORD_HOWE, every=30, stages=(Stage(5),))
    assert clocks(halves, day=date(2026, 4, 5)) == ["01:00", "01:30", "01:30", "02:00", "02:30"]


def test_every_other_week_counts_from_the_iso_week_of_since() -> None:
    wednesday = date(2026, 6, 3)
    plan = elm(hours("09:00", "09:30", weeks=2, since=wednesday, until=date(2026, 6, 16)))
    on = [wednesday + timedelta(days=n) for n in range(-3, 28)]
    assert [day.day for day in on if clocks(plan, day=day)] == [3, 4, 5, 6, 7, 15, 16]


def test_minimum_notice_and_horizon_bind_the_public_and_not_the_staff() -> None:
    plan = elm(hours("09:00", "10:00"), every=30, notice=60, horizon=1, online=True)
    now = at(plan, "08:00")
    assert clocks(plan, now=now) == ["09:00", "09:30"]
    assert clocks(plan, now=now + timedelta(seconds=1)) == ["09:30"]
    assert codes(plan, "09:00", now=now + timedelta(seconds=1)) == ["too-soon"]
    assert clocks(plan, now=now, day=date(2026, 6, 3)) == ["09:00", "09:30"]
    assert clocks(plan, now=now, day=date(2026, 6, 4)) == []

    staff = Wish(VISIT, staff=True)
    assert clocks(plan, now=at(plan, "09:00"), wish=staff) == ["09:00", "09:30"]
    assert clocks(plan, now=at(plan, "09:01"), wish=staff) == ["09:30"]
    assert clocks(plan, now=now, wish=staff, day=date(2026, 6, 4)) == ["09:00", "09:30"]


def test_a_visit_may_start_at_any_tick_from_the_running_one_on_if_the_desk_wishes() -> None:
    plan = elm(hours("09:00", "10:00"), stages=(Stage(45),), every=30)
    wish = Wish(VISIT, staff=True, any_tick=True)
    assert clocks(plan, now=at(plan, "08:00"), wish=wish) == ["09:00", "09:05", "09:10", "09:15"]
    now = at(plan, "09:09")
    assert clocks(plan, now=now, wish=wish) == ["09:05", "09:10", "09:15"]
    assert codes(plan, "09:05", now=now, wish=wish) == []
    assert codes(plan, "09:00", now=now, wish=wish) == ["past"]
    soonest = first(plan, book_of(plan), wish, tick_of(now), now)
    assert soonest is not None
    assert soonest.start == at(plan, "09:05")


def test_a_service_by_phone_is_offered_to_staff_alone() -> None:
    plan = elm(hours("09:00", "09:30"), online=False)
    assert clocks(plan) == []
    assert codes(plan, "09:00") == ["not-online"]
    assert clocks(plan, wish=Wish(VISIT, staff=True)) == ["09:00"]


@pytest.mark.parametrize(
    ("rule", "new", "refused"),
    [
        (NewPatients.ONLY, True, []),
        (NewPatients.ONLY, False, [Reason(ReasonCode.NEW_PATIENTS_ONLY)]),
        (NewPatients.NO, False, []),
        (NewPatients.NO, True, [Reason(ReasonCode.FIRST_VISIT_FIRST, "Consultation", service=FIRST_VISIT)]),
        (NewPatients.SAME, True, []),
    ],
)
def test_who_may_book_a_service_depends_on_being_new(rule: NewPatients, new: bool, refused: list[Reason]) -> None:
    plan = elm(hours("09:00", "09:30"), new_patients=rule, first_visit=FIRST_VISIT)
    consultation = replace(plan.services[VISIT], id=FIRST_VISIT, name="Consultation", new_patients=NewPatients.ONLY)
    plan = replace(plan, services={**plan.services, FIRST_VISIT: consultation})
    wish = Wish(VISIT, new=new)
    assert why_not(plan, book_of(plan), wish, BO, at(plan, "09:00"), LONG_AGO) == refused
    assert clocks(plan, wish=wish) == ([] if refused else ["09:00"])


def test_the_first_room_on_the_list_that_fits_is_named_first() -> None:
    plan = elm(hours("09:00", "10:00"), rooms={TABLE: 1, CHAIRS: 2})
    book = book_of(plan)
    nine = tick(plan, "09:00")
    assert rooms_for(plan, book, Wish(VISIT), MAIN, nine) == (TABLE, CHAIRS)
    book.take(TABLE, range(nine + 5, nine + 6))
    assert rooms_for(plan, book, Wish(VISIT), MAIN, nine) == (CHAIRS,)
    book.take(CHAIRS, range(nine, nine + 1))
    assert rooms_for(plan, book, Wish(VISIT), MAIN, nine) == (CHAIRS,)
    book.take(CHAIRS, range(nine, nine + 1))
    assert rooms_for(plan, book, Wish(VISIT), MAIN, nine) == ()


def test_an_open_room_that_is_full_and_a_free_room_that_is_shut_are_no_room() -> None:
    shut = NotAvailable(datetime(2026, 6, 2), datetime(2026, 6, 3), "Painting", room=TABLE)
    plan = elm(hours("09:00", "10:00"), stages=(Stage(60),), rooms={TABLE: 1, CHAIRS: 1}, closures=(shut,))
    book = book_of(plan)
    assert rooms_for(plan, book, Wish(VISIT), MAIN, tick(plan, "09:00")) == (CHAIRS,)
    book.take(CHAIRS, range(tick(plan, "09:00"), tick(plan, "09:05")))
    assert clocks(plan, book) == []
    assert codes(plan, "09:00", book) == ["room-full"]


def test_odd_times_are_rounded_to_what_is_surely_open() -> None:
    away = NotAvailable(datetime(2026, 6, 2, 9, 29), datetime(2026, 6, 2, 9, 41), "Phone")
    plan = elm(hours("09:01", "10:04"), stages=(Stage(10),), every=5, time_off=(away,))
    assert clocks(plan) == ["09:05", "09:10", "09:15", "09:45", "09:50"]


def test_time_off_from_one_location_leaves_the_other_open() -> None:
    away = NotAvailable(datetime(2026, 6, 2), datetime(2026, 6, 3), "Removal", location=OTHER)
    plan = elm(hours("09:00", "09:30"), hours("10:00", "10:30", location=OTHER), time_off=(away,))
    plan = replace(plan, locations={**plan.locations, OTHER: Location(OTHER, "other", "Annexe", LONDON)})
    assert clocks(plan) == ["09:00"]
    assert codes(plan, "10:00") == ["time-off"]


def test_a_visit_does_not_change_rooms() -> None:
    plan = elm(hours("09:00", "10:00"), stages=(Stage(60),), rooms={TABLE: 1, CHAIRS: 1})
    book = book_of(plan)
    book.take(TABLE, range(tick(plan, "09:00"), tick(plan, "09:30")))
    book.take(CHAIRS, range(tick(plan, "09:30"), tick(plan, "10:00")))
    assert clocks(plan, book) == []
    assert codes(plan, "09:00", book) == ["room-full"]


def test_a_service_whose_rooms_stand_elsewhere_is_not_offered_here() -> None:
    plan = elm(hours("09:00", "10:00"), rooms={CHAIRS: 1})
    there = Location(OTHER, "other", "Elm Annexe", LONDON)
    plan = replace(
        plan,
        locations={**plan.locations, OTHER: there},
        rooms={CHAIRS: replace(plan.rooms[CHAIRS], location=OTHER)},
    )
    assert clocks(plan) == []
    assert codes(plan, "09:00") == ["no-room"]


def test_reasons_come_together_with_their_facts() -> None:
    closure = NotAvailable(datetime(2026, 6, 2), datetime(2026, 6, 3), "Founder's day")
    away = NotAvailable(datetime(2026, 6, 1, 12), datetime(2026, 6, 2, 9, 15), "Training")
    plan = elm(hours("09:00", "10:00"), rooms={CHAIRS: 1}, closures=(closure,), time_off=(away,), notice=120)
    book = book_of(plan)
    take(plan, book, "09:00", room=CHAIRS)
    now = at(plan, "08:00")
    nine = Window(tick(plan, "09:00"), tick(plan, "09:30"))

    assert why_not(plan, book, Wish(VISIT), BO, at(plan, "09:00"), now) == [
        Reason(ReasonCode.TIME_OFF, "Training", at(plan, "09:15")),
        Reason(ReasonCode.CLOSURE, "Founder's day", at(plan, "00:00", date(2026, 6, 3))),
        Reason(ReasonCode.TOO_SOON, until=at(plan, "10:00")),
        Reason(ReasonCode.ROOM_FULL, full=((CHAIRS, nine),)),
        Reason(ReasonCode.TAKEN, full=((BO, nine),)),
    ]


def test_who_is_busy_elsewhere_leaves_nobody_resting() -> None:
    stages = (Stage(10), Stage(30, practitioner=False), Stage(5), Stage(15, practitioner=False, patient=False))
    plan = elm(hours("09:00", "12:00"), stages=stages, every=15)
    book = book_of(plan)
    book.leave(BO, range(tick(plan, "10:00"), tick(plan, "10:15")))
    assert clocks(plan, book) == ["09:00", "09:15", "10:15", "10:30", "10:45", "11:00", "11:15"]
    assert codes(plan, "09:30", book) == ["busy-outside"]
    assert codes(plan, "10:00", book) == ["busy-outside"]


def test_what_is_full_is_said_for_the_stretches_that_a_visit_needs_and_no_others() -> None:
    stages = (Stage(10), Stage(30, practitioner=False), Stage(5))
    plan = elm(hours("09:00", "12:00"), stages=stages, rooms={CHAIRS: 2, TABLE: 1}, every=5)
    book = book_of(plan)
    take(plan, book, "09:00", room=CHAIRS)
    book.take(BO, range(tick(plan, "09:30"), tick(plan, "09:35")))
    book.take(TABLE, range(tick(plan, "09:10"), tick(plan, "09:20")))
    [taken] = why_not(plan, book, Wish(VISIT), BO, at(plan, "09:05"), LONG_AGO)
    assert taken == Reason(ReasonCode.TAKEN, full=((BO, Window(tick(plan, "09:05"), tick(plan, "09:10"))),))
    book.take(CHAIRS, range(tick(plan, "09:40"), tick(plan, "10:00")))
    wish = Wish(VISIT, practitioner=BO)
    [full] = why_not(plan, book, wish, BO, at(plan, "09:10"), LONG_AGO)
    nine_forty = tick(plan, "09:40")
    assert full.full == (
        (CHAIRS, Window(nine_forty, nine_forty + 1)),
        (TABLE, Window(tick(plan, "09:10"), tick(plan, "09:20"))),
    )


def test_a_visit_is_squeezed_into_a_room_with_a_place_before_a_full_one_and_into_no_shut_one() -> None:
    shut = NotAvailable(datetime(2026, 6, 2), datetime(2026, 6, 3), "Painting", room=31)
    plan = elm(hours("09:00", "12:00"), rooms={31: 1, 32: 1, 33: 1}, closures=(shut,))
    book = book_of(plan)
    take(plan, book, "09:00", room=32)
    assert rooms_over_capacity(plan, book, Wish(VISIT), MAIN, tick(plan, "09:00")) == (33, 32)
    assert rooms_over_capacity(plan, book, Wish(VISIT), MAIN, tick(plan, "10:00")) == (32, 33)


@pytest.mark.parametrize(
    ("clock", "now", "expected"),
    [
        ("09:05", "2026-06-01T12:00", ["off-grid"]),
        ("09:00", "2026-06-02T12:00", ["past"]),
        ("09:00", "2026-05-31T12:00", ["too-far"]),
        ("08:45", "2026-06-01T12:00", ["closed"]),
        ("09:45", "2026-06-01T12:00", ["too-long"]),
        ("09:30", "2026-06-01T12:00", []),
    ],
)
def test_each_cause_is_named_alone(clock: str, now: str, expected: list[str]) -> None:
    plan = elm(hours("09:00", "10:00"), horizon=1)
    assert codes(plan, clock, now=datetime.fromisoformat(now).replace(tzinfo=UTC)) == expected


def test_a_start_within_a_tick_is_off_the_grid() -> None:
    plan = elm(hours("09:00", "10:00"), every=5)
    start = at(plan, "09:00") + timedelta(seconds=1)
    reasons = why_not(plan, book_of(plan), Wish(VISIT), BO, start, LONG_AGO)
    assert [reason.code for reason in reasons] == [ReasonCode.OFF_GRID]


@pytest.mark.parametrize(
    ("wish", "practitioner", "location"),
    [(Wish(99), BO, None), (Wish(VISIT), 99, None), (Wish(VISIT), BO, 99), (Wish(VISIT, location=99), BO, None)],
)
def test_what_does_not_exist_is_not_offered(wish: Wish, practitioner: int, location: int | None) -> None:
    plan = elm(hours("09:00", "10:00"))
    reasons = why_not(plan, book_of(plan), wish, practitioner, at(plan, "09:00"), LONG_AGO, location)
    assert reasons == [Reason(ReasonCode.NOT_OFFERED)]
    if practitioner == BO and location is None:
        assert clocks(plan, wish=wish) == []
        assert first(plan, book_of(plan), wish, tick(plan, "09:00"), LONG_AGO) is None


def test_a_practitioner_who_does_not_give_the_service_never_has_it_on_offer() -> None:
    plan = elm(hours("09:00", "10:00"))
    plan = replace(plan, practitioners={BO: replace(plan.practitioners[BO], services=frozenset())})
    assert clocks(plan) == []
    assert codes(plan, "09:00") == ["not-offered"]


def two_practitioners() -> Plan:
    plan = elm(hours("09:00", "10:00"), every=30)
    bo = plan.practitioners[BO]
    return replace(plan, practitioners={DI: replace(bo, id=DI, slug="di", name="Di"), BO: bo})


def test_practitioners_come_in_the_order_of_the_plan_and_a_start_counts_once_a_day() -> None:
    plan = two_practitioners()
    book = book_of(plan)
    window = day_window(TUESDAY, LONDON)
    found = slots(plan, book, Wish(VISIT), window, LONG_AGO)
    assert [(slot.start, slot.practitioner) for slot in found] == [
        (at(plan, "09:00"), DI),
        (at(plan, "09:00"), BO),
        (at(plan, "09:30"), DI),
        (at(plan, "09:30"), BO),
    ]
    assert per_day(plan, book, Wish(VISIT), window, LONG_AGO) == {TUESDAY: 2}


def test_alternatives_are_the_closest_starts_each_named_once() -> None:
    plan = two_practitioners()
    book = book_of(plan)
    take(plan, book, "09:30")
    wednesday = date(2026, 6, 3)
    found = nearest(plan, book, Wish(VISIT, practitioner=BO), at(plan, "09:30"), at(plan, "00:00"))
    assert [slot.start for slot in found] == [
        at(plan, "09:00"),
        at(plan, "09:00", wednesday),
        at(plan, "09:30", wednesday),
    ]
    anyone = nearest(plan, book, Wish(VISIT), at(plan, "09:30"), at(plan, "00:00"), count=2)
    assert [(slot.start, slot.practitioner) for slot in anyone] == [(at(plan, "09:30"), DI), (at(plan, "09:00"), DI)]


def test_fewer_alternatives_than_asked_for_are_what_there_is() -> None:
    plan = elm(hours("09:00", "09:30"), horizon=0)
    found = nearest(plan, book_of(plan), Wish(VISIT), at(plan, "12:00"), at(plan, "08:00"))
    assert [slot.start for slot in found] == [at(plan, "09:00")]


def test_the_first_free_time_is_found_months_away_with_few_readings_of_the_book() -> None:
    plan = elm(hours("09:00", "17:00"), horizon=365)
    book = book_of(plan)
    book.take(BO, range(tick(plan, "00:00"), tick(plan, "00:00", date(2027, 5, 1))))
    found = first(plan, book, Wish(VISIT), tick(plan, "00:00"), at(plan, "00:00"))
    assert found == Slot(at(plan, "09:00", date(2027, 5, 1)), at(plan, "09:30", date(2027, 5, 1)), BO, MAIN)
    assert book.calls <= 6


def test_nothing_is_found_beyond_the_horizon() -> None:
    plan = elm(extra_hours=(ExtraHours(date(2026, 6, 12), 540, 600, MAIN),), horizon=9)
    now = at(plan, "12:00")
    assert first(plan, book_of(plan), Wish(VISIT), tick_of(now), now) is None
    found = first(plan, book_of(plan), Wish(VISIT, staff=True), tick_of(now), now)
    assert found
    assert found.start == at(plan, "09:00", date(2026, 6, 12))


def test_someone_in_two_places_at_once_is_offered_in_the_first_alone() -> None:
    plan = elm(hours("09:00", "09:30"), hours("09:00", "10:00", location=OTHER), every=30)
    plan = replace(plan, locations={**plan.locations, OTHER: Location(OTHER, "other", "Annexe", LONDON)})
    found = slots(plan, book_of(plan), Wish(VISIT), day_window(TUESDAY, LONDON), LONG_AGO)
    assert [slot.location for slot in found] == [MAIN, OTHER]
    assert found[0].start != found[1].start


def test_new_settings_are_a_new_plan_and_nothing_of_the_old_is_remembered() -> None:
    plan = elm(hours("09:00", "09:30"))
    assert clocks(plan) == ["09:00"]
    bo = replace(plan.practitioners[BO], hours=(hours("10:00", "10:30"),))
    changed = replace(plan, practitioners={BO: bo})
    assert clocks(changed) == ["10:00"]
    assert clocks(plan) == ["09:00"]


def test_a_window_that_is_empty_or_far_beyond_the_horizon_offers_nothing() -> None:
    plan = elm(hours("09:00", "10:00"), horizon=10)
    book = book_of(plan)
    now = at(plan, "00:00")
    for window in (Window(tick_of(now), tick_of(now)), Window(10**8, 10**8 + 288)):
        assert slots(plan, book, Wish(VISIT), window, now) == []
        assert per_day(plan, book, Wish(VISIT), window, now) == {}
    assert book.calls == 0
