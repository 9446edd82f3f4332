"""Passwords as they are kept, at their real cost."""

from __future__ import annotations

import pytest

from booking.store.hashed import NOBODYS, hashed, is_dated, matches


def test_a_password_matches_its_hash_however_its_letters_are_composed() -> None:
    kept = hashed("café noir et croissants")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert matches("cafe\u0301 noir et croissants", kept)
    assert not matches("cafe noir et croissants", kept)


@pytest.mark.parametrize("password", ["", "anything", "x" * 257])
def test_nobodys_hash_matches_nothing_and_costs_as_much_as_any(password: str) -> None:
    assert not matches(password, None)
    assert not is_dated(NOBODYS)
