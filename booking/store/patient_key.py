"""What patients are found by: texts that begin with what somebody types, in the order of an index.

Each key is a letter for its kind and then
- n: a patient's folded name, once beginning with each of its words: "smith john ", "john smith ";
- s: the same in sounds: "smt jn ", "jn smt ";
- p: the digits of the phone, last one first;
- q: the digits of the phone without the country's;
- e: the e-mail address, once from the beginning and once from each part of it.
One search of a short stretch of the index so finds any beginning of any word; the other words are looked for in the
key itself. Keys are written in the transaction that writes the patient. Asked for nearest words, trigrams need three
times the rows, and so do words stored with each letter left out in turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import phonenumbers
import sqlalchemy as sa
from phonenumbers import NumberParseException
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from booking.domain.name import is_slip, slips, sound, together, turned, words
from booking.store.base import Base, UTCDateTime, connection, db, dialect, insert_or_ignore, table

VERSION = 1  # of the rules by which keys are made: raise it with them, and `booking migrate` writes all keys anew
LENGTH = 120
SCANNED = 2000  # keys looked at for one typed beginning; that many have it only if it is a letter or two
FOUND = 100  # of them, the whole words first and then the newest patients
SHORTEST, DISTINCT = 2, 3  # letters or digits: below them nothing is looked for; from there on they tell people apart
LAST = "\U0010ffff"  # sorts after every character


class Match(IntEnum):
    """What of a patient is like what was typed; the likest first."""

    REFERENCE = 0  # of one of their visits
    PHONE = 1
    NAME = 2
    EMAIL = 3
    SOUND = 4  # the name sounds alike
    SLIP = 5  # the name is like it but for a slip


class PatientKey(Base):
    """A patient is found by this text."""

    __tablename__ = "patient_key"
    __table_args__ = (sa.Index("ix_patient_key_patient", "patient_id"), {"sqlite_with_rowid": False})

    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), primary_key=True)
    # In the order of its bytes on both databases: a language's order has no stretch for a beginning.
    key: Mapped[str] = mapped_column(
        sa.String(LENGTH).with_variant(sa.String(LENGTH, collation="C"), "postgresql"), primary_key=True
    )
    patient_id: Mapped[int] = mapped_column(sa.ForeignKey("patient.id"), primary_key=True)


def keys_of(name: str, email: str | None, phone: str | None) -> set[str]:
    """The keys by which a patient of this name and these contacts (E.164) is found."""
    found = {f"q{_national(phone)}", f"p{phone.lstrip('+')[::-1]}"} if phone else set()
    spelt = words(name)
    for parts in (spelt, together(spelt)):
        found.update(f"n{text}" for text in turned(parts))
        found.update(f"s{text}" for text in turned([sound(part) for part in parts]))
    if email:
        address = email.casefold()
        local, _, domain = address.partition("@")
        found |= {f"e{address}", f"e@{domain}"}
        found.update(f"e{address[part.end() :]}" for part in re.finditer(r"[\W_]+", local))
    return {key[:LENGTH] for key in found}


def _national(phone: str) -> str:
    try:
        return str(phonenumbers.parse(phone).national_number)
    except NumberParseException:
        return phone.lstrip("+")


patient_key = table(PatientKey)
# RETURNING makes it one statement with many rows, not many statements.
ADD = {name: insert.returning(patient_key.c.key) for name, insert in insert_or_ignore(patient_key).items()}


def add(clinic_id: int, patient_id: int, keys: Collection[str]) -> None:
    """Let the patient be found by these keys too, in the caller's transaction."""
    add_all([(clinic_id, patient_id, keys)])


def add_all(patients: Iterable[tuple[int, int, Collection[str]]]) -> None:
    """Let patients (clinic, id) be found by these keys too, in the caller's transaction."""
    rows = [
        {"clinic_id": clinic_id, "key": key, "patient_id": patient_id}
        for clinic_id, patient_id, keys in patients
        for key in sorted(keys)
    ]
    if rows:
        connection().execute(ADD[dialect()], rows)


def forget(patients: Collection[int]) -> None:
    """Let these patients be found by nothing, in the caller's transaction."""
    db.session.execute(sa.delete(PatientKey).where(PatientKey.patient_id.in_(patients)))


class Hit(NamedTuple):
    """A patient with a key that begins as typed."""

    patient_id: int
    key: str
    is_whole: bool  # what was typed is a whole word of it
    visited_at: datetime | None  # start of the last visit, past or to come


# Not the model: appointments know patients, not the other way round.
_appointment = sa.table("appointment", sa.column("patient_id"), sa.column("starts_at", UTCDateTime()))


def _with_visit(found: sa.Subquery) -> sa.Select[int, str, bool, datetime]:
    newest = sa.select(sa.func.max(_appointment.c.starts_at)).where(_appointment.c.patient_id == found.c.patient_id)
    return sa.select(found.c.patient_id, found.c.key, found.c.is_whole, newest.scalar_subquery())


@cache
def _beginning(others: int) -> sa.Select[int, str, bool, datetime]:
    """Keys that begin with `low` and have so many other texts in them."""
    key = patient_key.c.key
    looked_at = (
        sa.select(patient_key.c.patient_id, key, (key < sa.bindparam("whole")).label("is_whole"))
        .where(
            patient_key.c.clinic_id == sa.bindparam("clinic"),
            key >= sa.bindparam("low"),
            key < sa.bindparam("high"),
            *(key.like(sa.bindparam(f"other{n}")) for n in range(others)),
        )
        .limit(SCANNED)
        .subquery()
    )
    best = (
        sa.select(looked_at)
        .order_by(looked_at.c.is_whole.desc(), looked_at.c.patient_id.desc())
        .limit(FOUND)
        .subquery()
    )
    return _with_visit(best)


@cache
def _any_beginning(database: str, others: int) -> sa.Select[int, str, bool, datetime]:
    """Keys that begin with any of the texts in `lows` and have so many other texts in them."""
    if database == "postgresql":
        lows = sa.bindparam("lows", type_=postgresql.ARRAY(sa.Text))
        texts = sa.func.unnest(lows).table_valued("value", name="texts").render_derived()
    else:
        texts = sa.func.json_each(sa.bindparam("lows", type_=sa.JSON)).table_valued("value")
    low, key = texts.c.value, patient_key.c.key
    found = sa.select(patient_key.c.patient_id, key, sa.false().label("is_whole")).where(
        patient_key.c.clinic_id == sa.bindparam("clinic"),
        key >= low,
        key < low + LAST,
        *(key.like(sa.bindparam(f"other{n}")) for n in range(others)),
    )
    if database == "postgresql":
        # One look into the index for each text. Left to itself it may read all keys, and compare each with every text.
        one = found.order_by(key).limit(FOUND).correlate(texts).lateral("one")
        found = sa.select(one.c.patient_id, one.c.key, one.c.is_whole).select_from(texts.join(one, sa.true()))
    return _with_visit(found.limit(FOUND).subquery())


def find(clinic_id: int, text: str, *, limit: int) -> list[tuple[int, Match]]:
    """The patients whose name, phone or e-mail is most like the text, at most `limit`; and what is like it.

    Likest first; of those alike, whole words before beginnings, then who came last or is to come, then the newest.
    """
    best: dict[int, tuple[int, bool, float, int]] = {}
    for match, look in _tries(clinic_id, text):
        if match is Match.SLIP and best:
            break
        for hit in look():
            rank = (
                match.value,
                not hit.is_whole,
                -hit.visited_at.timestamp() if hit.visited_at else 0.0,
                -hit.patient_id,
            )
            best[hit.patient_id] = min(rank, best.get(hit.patient_id, rank))
        if len(best) >= limit:
            break
    ranked = sorted(best.items(), key=lambda item: item[1])[:limit]
    return [(patient_id, Match(rank[0])) for patient_id, rank in ranked]


def _tries(clinic_id: int, text: str) -> Iterator[tuple[Match, Callable[[], Iterable[Hit]]]]:
    """What the text may mean, likeliest first, each with the way to look for it."""
    typed = text.strip()
    if "@" in typed:
        yield Match.EMAIL, lambda: _begins(clinic_id, "e", typed.casefold())
        return
    if not any(char.isalpha() for char in typed):
        yield Match.PHONE, lambda: _phones(clinic_id, typed)
        return
    parts = list(dict.fromkeys(words(typed)))
    spellings = [parts] if parts == together(parts) else [parts, together(parts)]
    if max(map(len, parts), default=0) < SHORTEST:
        return
    yield Match.NAME, lambda: [hit for spelling in spellings for hit in _named(clinic_id, "n", spelling)]
    if " " not in typed:
        yield Match.EMAIL, lambda: _begins(clinic_id, "e", typed.casefold())
    heard = [[sound(part) for part in spelling] for spelling in spellings]
    yield Match.SOUND, lambda: [hit for one in heard for hit in _named(clinic_id, "s", one, whole_below=DISTINCT)]
    yield Match.SLIP, lambda: _slipped(clinic_id, parts)


def _phones(clinic_id: int, typed: str) -> Iterator[Hit]:
    """Numbers that end or begin with these digits, with or without what stands before them abroad or at home."""
    digits = re.sub(r"\D", "", typed.replace("(0)", "")).lstrip("0")
    if len(digits) < DISTINCT:
        return
    yield from _begins(clinic_id, "p", digits[::-1])
    for start in range(4 if typed.startswith(("+", "00")) else 1):
        if len(digits) - start >= DISTINCT:
            yield from _begins(clinic_id, "q", digits[start:])


def _named(clinic_id: int, kind: str, parts: list[str], *, whole_below: int = 0) -> list[Hit]:
    """Names with words that begin like all of these, in any order; short ones have to be whole words."""
    ends = ["" if len(part) >= whole_below else " " for part in parts]
    lead = max(range(len(parts)), key=lambda n: len(parts[n]))
    others = [f"% {part}{end}%" for n, (part, end) in enumerate(zip(parts, ends, strict=True)) if n != lead]
    if len(parts[lead]) < SHORTEST:
        return []
    return _begins(clinic_id, kind, parts[lead], end=ends[lead], others=others)


def _begins(clinic_id: int, kind: str, text: str, *, end: str = "", others: Sequence[str] = ()) -> list[Hit]:
    low = (kind + text + end)[:LENGTH]
    asked: dict[str, object] = {f"other{n}": other for n, other in enumerate(others)}
    asked |= {"clinic": clinic_id, "low": low, "high": low + LAST, "whole": f"{kind}{text}!"}
    rows = connection().execute(_beginning(len(others)), asked)
    return [Hit._make(row) for row in rows]


def _slipped(clinic_id: int, parts: list[str]) -> list[Hit]:
    """Names in which the longest of these words has one slip at most, and each of the others too, after its first
    letter."""
    lead = max(parts, key=len)
    others = [part for part in parts if part != lead]
    if len(lead) < DISTINCT + 1:
        return []
    end = "" if len(lead) > 2 * DISTINCT - 1 and lead == parts[-1] else " "  # it may be typed to half only
    lows = [f"n{slip}{end}" for slip in sorted(slips(lead) | {lead})]
    asked: dict[str, object] = {f"other{n}": f"% {other[0]}%" for n, other in enumerate(others)}
    asked |= {"clinic": clinic_id, "lows": lows}
    rows = connection().execute(_any_beginning(dialect(), len(others)), asked)
    heard = [(other, sound(other)) for other in others]
    hits = []
    for patient_id, key, _, visited_at in rows:
        first, *rest = key[1:].split()
        if all(any(_is_like(word, *other) for word in rest) for other in heard):
            hits.append(Hit(patient_id, key, is_slip(first, lead), visited_at))
    return hits


def _is_like(word: str, typed: str, heard: str) -> bool:
    return word.startswith(typed) or is_slip(word, typed) or sound(word) == heard
