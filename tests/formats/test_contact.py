"""What people type about themselves, and the values made of it."""

from __future__ import annotations

import pytest

from booking.formats import contact, itip


@pytest.mark.parametrize("typed", ["ada@example.com", "o'brien+x@example.com", "ada@bücher.example", "ada@faß.example"])
def test_an_address_that_is_taken_can_be_mailed(typed: str) -> None:
    kept = contact.email_address(typed)
    assert kept is not None
    assert itip.address(kept)


@pytest.mark.parametrize("typed", ["ädä@example.com", "ada", "ada@", "a@x.example, b@x.example", '"a b"@example.com'])
def test_an_address_that_can_not_be_mailed_is_refused_where_it_is_typed(typed: str) -> None:
    assert contact.email_address(typed) is None
