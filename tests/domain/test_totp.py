"""Codes of authenticator apps, with the vectors of RFC 6238."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from booking.domain import totp

SEED = b"12345678901234567890"  # of RFC 6238, appendix B
NOW = datetime(2027, 1, 11, 8, 0, 7, tzinfo=UTC)
STEP = int(NOW.timestamp()) // 30


@pytest.mark.parametrize(
    ("seconds", "digits"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds: int, digits: str) -> None:
    assert totp.code(SEED, seconds // 30) == digits


@pytest.mark.parametrize(("off", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_phone_may_be_half_a_minute_off(off: int, taken: bool) -> None:
    given = totp.code(SEED, STEP + off)
    assert totp.step_of(SEED, given, NOW) == (STEP + off if taken else None)


def test_a_code_is_taken_once_and_none_before_it() -> None:
    used = totp.step_of(SEED, totp.code(SEED, STEP), NOW)
    assert totp.step_of(SEED, totp.code(SEED, STEP), NOW, after=used) is None
    assert totp.step_of(SEED, totp.code(SEED, STEP - 1), NOW, after=used) is None
    later = NOW + timedelta(seconds=30)
    assert totp.step_of(SEED, totp.code(SEED, STEP + 1), later, after=used) == STEP + 1


@pytest.mark.parametrize("given", ["", "12345", "abcdef", "٠٠٠٠٠٠", "0000000"])
def test_what_is_no_code_is_refused(given: str) -> None:
    assert totp.step_of(SEED, given, NOW) is None


def test_the_address_holds_what_an_app_needs() -> None:
    said = totp.address(SEED, account="cy@elm.example", issuer="book.elm.example")
    assert said == (
        "otpauth://totp/book.elm.example:cy%40elm.example"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=book.elm.example"
    )
    assert len(totp.new_seed()) == 20
    assert totp.new_seed() != totp.new_seed()
