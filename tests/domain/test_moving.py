"""Whether the time of an imported visit is free, to the second; and words of other programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from booking.domain.moving import Book, Room, nearest, status_of, stay
from booking.domain.plan import Stage, shape

NINE = datetime(2027, 1, 11, 9, 0, tzinfo=UTC)
HALF_HOUR = shape((Stage(30),))
NEEDLES = shape(
    (
        Stage(10),
        Stage(30, practitioner=False),
        Stage(5),
        Stage(5, practitioner=False, patient=False),
    )
)


@pytest.mark.parametrize(
    ("first", "second", "room"),
    [
        ((0, 30), (30, 30), Room.FREE),
        ((0, 30), (29, 30), Room.FULL),
        ((0, 32), (32, 30), Room.SHARED),
        ((2, 30), (32, 30), Room.SHARED),
        ((0, 33), (32, 30), Room.FULL),
        ((0, 30), (0, 30), Room.FULL),
        ((2, 28), (30, 30), Room.FREE),
    ],
)
def test_only_what_overlaps_is_a_clash(first: tuple[int, int], second: tuple[int, int], room: Room) -> None:
    book = Book({1: 1})
    one, other = (stay(NINE + timedelta(minutes=start), HALF_HOUR, length) for start, length in (first, second))
    book.take(1, one.pieces(one.practitioner))
    assert book.room(1, other.pieces(other.practitioner)) is room


def test_odd_times_are_rounded_outwards() -> None:
    odd = stay(NINE + timedelta(minutes=7), HALF_HOUR, 28)
    assert (odd.shape().practitioner, odd.shape().stay, odd.shape().total) == (((0, 6),), 6, 6)
    assert odd.ends_at == NINE + timedelta(minutes=35)


def test_a_visit_on_the_ticks_has_the_shape_of_its_service() -> None:
    assert stay(NINE, NEEDLES).shape() == NEEDLES


def test_two_patients_rest_while_a_third_gets_needles() -> None:
    book = Book({1: 1})
    for start in (0, 10, 20):
        visit = stay(NINE + timedelta(minutes=start), NEEDLES)
        assert book.room(1, visit.pieces(visit.practitioner)) is Room.FREE
        book.take(1, visit.pieces(visit.practitioner))
    late = stay(NINE + timedelta(minutes=35), NEEDLES)
    assert book.room(1, late.pieces(late.practitioner)) is Room.FULL


@pytest.mark.parametrize(
    ("word", "status"),
    [("", "booked"), ("No-Show", "noshow"), ("Canceled", "cancelled"), ("Checked in", "checked-in"), ("???", "booked")],
)
def test_words_of_other_programs(word: str, status: str) -> None:
    assert status_of(word) == status


def test_an_unknown_word_is_none_and_a_near_one_is_named() -> None:
    assert status_of("happy") is None
    assert nearest("canceld", ["booked", "cancelled"]) == "cancelled"
    assert nearest("zzz", ["booked"]) is None
