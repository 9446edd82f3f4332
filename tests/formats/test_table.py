from __future__ import annotations

import csv
import io

import pytest

from booking.formats import table


def test_rows_come_back_as_they_were() -> None:
    rows = [["name", "note"], ["Ada, the first", 'said "no"\nand left'], ["", "Zoë"]]
    text = table.write(rows)
    assert text.startswith("name,note\r\n")
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "  =1", "＝1", "\r=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert next(csv.reader(io.StringIO(table.write([[cell]]), newline=""))) == [f"'{cell}"]


def test_nothing_is_an_empty_cell_and_a_number_its_digits() -> None:
    assert table.write([[None, 7]]) == ",7\r\n"
