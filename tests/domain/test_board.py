"""Where things stand on a board."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.board import Course, crowding, in_room, lanes, stretches, with_practitioner
from booking.domain.plan import Stage, shape
from booking.domain.time import Window

REST, TURNOVER = {"practitioner": False}, {"practitioner": False, "patient": False}


@pytest.mark.parametrize(
    ("stages", "in_column", "in_its_room"),
    [
        ([Stage(30)], Course(Window(0, 6)), Course(Window(0, 6))),
        (
            [Stage(10), Stage(30, **REST), Stage(5), Stage(5, **TURNOVER)],
            Course(Window(0, 2), again=(Window(8, 9),), rests=(Window(2, 8),)),
            Course(Window(0, 9), turnover=(Window(9, 10),)),
        ),
        (
            [Stage(45), Stage(15, patient=False)],
            Course(Window(0, 9), turnover=(Window(9, 12),)),
            Course(Window(0, 9), turnover=(Window(9, 12),)),
        ),
        (
            [Stage(10, **REST), Stage(20), Stage(15, **REST)],
            Course(Window(2, 6), rests=(Window(0, 2), Window(6, 9))),
            Course(Window(0, 9)),
        ),
        ([Stage(20, **REST)], Course(Window(0, 4)), Course(Window(0, 4))),
    ],
)
def test_a_visits_stages_become_what_is_drawn(stages: list[Stage], in_column: Course, in_its_room: Course) -> None:
    found = shape(tuple(stages))
    assert (with_practitioner(found), in_room(found)) == (in_column, in_its_room)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=20))
def test_no_two_stretches_in_one_lane_overlap_and_no_lane_is_drawn_in_vain(pairs: list[tuple[int, int]]) -> None:
    found = [Window(start, start + length) for start, length in sorted(pairs)]
    placed = lanes(found)
    assert len(placed) == len(found)
    for n, (one, lane) in enumerate(zip(found, placed, strict=True)):
        assert lane.number < lane.of
        for other, beside in list(zip(found, placed, strict=True))[n + 1 :]:
            if other.start < one.stop:
                assert (lane.number, lane.of) != (beside.number, beside.of)
                assert lane.of == beside.of
    for of in {lane.of for lane in placed}:
        assert of <= max(sum(one.start <= at.start < one.stop for one in found) for at in found)


def test_who_was_placed_last_where_all_places_were_taken_is_over_capacity() -> None:
    room, bo = 1, 2
    taken = [(10, room, 0b0011), (11, room, 0b0110), (12, bo, 0b1), (13, bo, 0b10), (14, room, 0b1100), (15, bo, 0b11)]
    assert crowding(taken, {room: 2}) == {15}
    assert crowding(taken, {room: 1}) == {11, 14, 15}


def test_runs_of_bits_are_stretches() -> None:
    assert stretches(0b0110_0111, 100) == [Window(100, 103), Window(105, 107)]
    assert stretches(0, 100) == []
