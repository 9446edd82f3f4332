"""Passwords: long, and not what everybody would try first."""

from __future__ import annotations

import pytest

from booking.domain.password import common_words, fault

CY = ("Cy Adler", "cy.adler@elm.example", "Elm Clinic")


@pytest.mark.parametrize(
    ("password", "has_factor", "found"),
    [
        ("three small birds sing", False, None),
        ("vBv7qX!2kL9#mN4z", False, None),
        ("correct horse battery staple", False, None),
        ("中文密码很长很长很长很长很长的密码", False, None),
        ("fourteen chars", False, "password-short"),
        ("milk for Zoe", True, None),
        ("milk for Zoe", False, "password-short"),
        ("eleven char", True, "password-short-factor"),
        ("x7 small bird " * 18 + "abcd", False, None),
        ("x7 small bird " * 18 + "abcde", False, "password-long"),
    ],
)
def test_length_is_what_counts(password: str, has_factor: bool, found: str | None) -> None:
    assert fault(password, has_factor=has_factor, about=CY) == found


@pytest.mark.parametrize(
    "password",
    [
        "password1234567",
        "P@ssw0rd-2026!!",
        "iloveyouforever",
        "qwertyuiop12345",
        "zxcvbnm,./asdfgh",
        "1q2w3e4r5t6y7u8i",
        "aaaaaaaaaaaaaaaa",
        "abcabcabcabcabc",
        "123456789012345",
        "987654321987654",
        "Summer2026Summer",
        "trustno1trustno1",
        "jennifer1234567",
        "elmclinic2026!!!",
        "CyAdler-CyAdler",
        "Welcome to the clinic",
    ],
)
def test_what_others_would_try_first_is_not_taken(password: str) -> None:
    assert fault(password, has_factor=False, about=CY) == "password-common"


def test_a_name_is_only_common_for_who_has_it() -> None:
    assert fault("Zbigniew Krzyzak", has_factor=False, about=CY) is None
    assert fault("Zbigniew Krzyzak", has_factor=False, about=("Zbigniew Krzyzak",)) == "password-common"


def test_the_list_of_words_came_along() -> None:
    assert {"password", "qwerty", "clinic"} <= common_words()
