"""Visits and patients as CSV from another program, or from ourselves.

The first line names the columns, in any order and case: `start`, `service`, `practitioner`, `name`, `email`, `phone`,
`status`, `note`, and where they are needed `location`, `new` (yes: a first visit's stages) and `minutes`. A row without
`start` is a patient without a visit. Columns that are not known are left out and named.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

from booking.domain.moving import Row, Unreadable, nearest
from booking.formats import table

COLUMNS = tuple(column.name for column in fields(Row) if column.name not in ("line", "remark"))
ALSO = {
    "patient": "name",
    "patient name": "name",
    "full name": "name",
    "e mail": "email",
    "email address": "email",
    "mobile": "phone",
    "telephone": "phone",
    "phone number": "phone",
    "notes": "note",
    "starts at": "start",
    "start time": "start",
}
DELIMITERS = ",;\t|"
SIZE = 64 * 1024 * 1024  # bytes of a file
LINE = 20_000  # characters of a line


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file, and the columns in it that nobody reads."""

    rows: tuple[Row, ...]
    unread: tuple[str, ...]


def read(content: bytes) -> Table:
    """The rows of a CSV file (UTF-8, with or without a mark), whose delimiter is found from its first line.

    Lines that are empty are left out. Raises Unreadable, with the line, for what is no such file.
    """
    text = decoded(content)
    for number, line in enumerate(text.split("\n"), 1):
        if "\0" in line:
            raise Unreadable("a NUL character: this is not a text file", number)
        if len(line) > LINE:
            raise Unreadable(f"longer than {LINE:,} characters", number)
    lines = io.StringIO(text, newline="")
    head = text.lstrip("\r\n").partition("\n")[0]
    reader = csv.reader(lines, delimiter=_delimiter(head), strict=True)
    try:
        return _table(reader)
    except csv.Error as error:
        raise Unreadable(f"not CSV: {error}", reader.line_num) from None


def decoded(content: bytes) -> str:
    """The text of a file in UTF-8, with or without a mark. Raises Unreadable."""
    if len(content) > SIZE:
        raise Unreadable(f"larger than {SIZE >> 20} MB")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Unreadable("UTF-16 text: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"not UTF-8 text (byte {content[error.start]:#04x}): save it as UTF-8", line) from None


def _table(reader: Iterator[list[str]]) -> Table:
    lines = _numbered(reader)
    first, head = next(lines, (1, []))
    names, unread = _columns(head, first)
    rows = []
    for number, cells in lines:
        if len(cells) > len(head):
            raise Unreadable(f"{len(cells)} values for {len(head)} columns: is a delimiter not quoted?", number)
        values = {name: table.plain(cell).strip() for name, cell in zip(names, cells, strict=False) if name}
        rows.append(Row(number, **values))
    return Table(tuple(rows), unread)


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """The rows that say anything, each with the line that it begins in."""
    before = 0
    for cells in reader:
        begins, before = before + 1, reader.line_num  # type: ignore[attr-defined]
        if any(cell.strip() for cell in cells):
            yield begins, cells


def _columns(head: list[str], line: int) -> tuple[list[str], tuple[str, ...]]:
    names: list[str] = []
    unread: list[str] = []
    for cell in head:
        said = " ".join(re.sub(r"[\W_]+", " ", cell.casefold()).split())
        name = said if said in COLUMNS else ALSO.get(said, "")
        if name and name in names:
            raise Unreadable(f"two columns are {name}", line)
        if not name and said:
            if near := nearest(said, set(COLUMNS) - {*names}):
                raise Unreadable(f'no column is called "{said[:60]}"; did you mean "{near}"?', line)
            unread.append(said[:60])
        names.append(name)
    if "name" not in names:
        raise Unreadable(f"the first line names the columns: {', '.join(COLUMNS)}; name is needed", line)
    return names, tuple(unread)


def _delimiter(head: str) -> str:
    return max(DELIMITERS, key=head.count)
