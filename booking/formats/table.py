"""Rows as a table that a spreadsheet opens: CSV (RFC 4180), in which no cell is ever taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # the wide ones work too


def write(rows: Iterable[Sequence[object]]) -> str:
    """The rows as CSV with CRLF. A cell that a spreadsheet would compute has an apostrophe in front."""
    out = io.StringIO()
    csv.writer(out).writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def plain(cell: str) -> str:
    """What `write` was given for this cell: without the apostrophe that it put in front."""
    return cell[1:] if cell.startswith("'") and cell[1:].lstrip(" ").startswith(FORMULA) else cell
