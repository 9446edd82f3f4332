"""Visits as CSV: what is understood, and what is refused with its line."""

from __future__ import annotations

import pytest

from booking.domain.moving import Row, Unreadable
from booking.formats import table, visits_table

HEAD = "start,service,practitioner,name,email,phone,status,note"
ADA = "2027-01-12 09:00,visit,bo,Ada Lovelace,ada@example.com,,booked,"
ROW = Row(2, "2027-01-12 09:00", "visit", "bo", "Ada Lovelace", "ada@example.com", "", "booked", "")


@pytest.mark.parametrize(
    "content",
    [
        f"{HEAD}\n{ADA}\n".encode(),
        f"{HEAD}\r\n{ADA}\r\n".encode(),
        f"{HEAD}\n{ADA}".encode("utf-8-sig"),
        f"{HEAD}\n{ADA}".replace(",", ";").encode(),
        f"{HEAD}\n{ADA}".replace(",", "\t").encode(),
        b"Start Time,SERVICE,Practitioner,Full-Name,E-Mail,Mobile,Status,Notes\n" + ADA.encode(),
        f"{HEAD},colour\n{ADA},blue\n,,,,,,,,\n\n".encode(),
    ],
)
def test_the_same_row_however_it_is_written(content: bytes) -> None:
    assert visits_table.read(content).rows == (ROW,)


def test_columns_that_nobody_reads_are_named() -> None:
    assert visits_table.read(b"name,colour\nAda,blue\n").unread == ("colour",)


def test_a_note_of_two_lines_is_one_row_and_the_next_keeps_its_line() -> None:
    rows = visits_table.read(b'name,note\nAda,"one\ntwo"\nEve,\n').rows
    assert [(row.line, row.name, row.note) for row in rows] == [(2, "Ada", "one\ntwo"), (4, "Eve", "")]


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (b"name\nAda\nZo\xeb\n", 3, "UTF-8"),
        ("name\nAda\n".encode("utf-16"), 0, "UTF-16"),
        (b"name\nA\0da\n", 2, "NUL"),
        (b"name\nAda\n" + b"x" * 10_000_000, 3, "characters"),
        (b'name,note\nAda,"' + b"x\n" * 100_000, 65_538, "field limit"),
        (b"start,service\n", 1, "name is needed"),
        (b"", 1, "name is needed"),
        (b"name,servise\nAda,visit\n", 1, 'did you mean "service"'),
        (b"name,patient\nAda,Ada\n", 1, "two columns"),
        (b"name,note\nAda,one,two\n", 2, "3 values for 2 columns"),
        (b'name,note\nAda,"one" two\n', 2, "not CSV"),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_line(content: bytes, line: int, why: str) -> None:
    with pytest.raises(Unreadable, match=why) as refused:
        visits_table.read(content)
    assert refused.value.line == line


@pytest.mark.parametrize("cell", ["=1+1", "+44 20 7946 0142", "-", "@home", "＝1", "plain", "'quoted", "O'Neil"])
def test_a_cell_is_read_as_it_was_written(cell: str) -> None:
    content = table.write([("name", "note"), ("Ada", cell)]).encode()
    assert visits_table.read(content).rows[0].note == cell
