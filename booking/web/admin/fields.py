"""The fields of the settings' forms: between what stands in a form and what a clinic file would say.

A field knows a key (or a few) of one table of the file. What is right or wrong is the file's business: a field only
turns text into the value that `tomllib` would have read, and leaves it as text where it can't, so that the file's
reader says what it expects. `Tree` is the whole file, for what a field offers to choose from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from flask_babel.speaklater import LazyString
from werkzeug.datastructures import MultiDict

from booking.formats.clinic_file import DAYS
from booking.formats.contact import tidy_lines

Tree = Mapping[str, Any]
Table = Mapping[str, Any]
Form = MultiDict[str, str]
Options = Callable[[Tree], Sequence[tuple[str, str]]]  # values with their words
MOST_ROWS = 100


def languages(tree: Tree) -> list[str]:
    """The clinic's languages, the first of them the one that texts must have."""
    return list(tree["clinic"].get("languages", ["en"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of one line; the others differ in how they look and in what becomes of the text.

    `raw` is what stands in its inputs: a text, ticked values, texts by language, or rows.
    """

    kind: ClassVar[str] = "line"  # how the template draws it

    key: str
    label: str | LazyString
    hint: str | LazyString = ""
    attributes: Mapping[str, str | int] = field(default_factory=dict)
    rare: bool = False  # in a row: folded away while it is not used

    @property
    def keys(self) -> tuple[str, ...]:
        """What it says in its table."""
        return (self.key,)

    def show(self, table: Table, tree: Tree) -> Any:
        """What stands in the inputs for a table of the file."""
        return str(table.get(self.key, ""))

    def typed(self, form: Form, name: str, tree: Tree) -> Any:
        """What somebody typed into the inputs."""
        return form.get(name, "").strip()

    def take(self, raw: Any) -> dict[str, Any]:
        """What the file says for that; nothing for what was left empty."""
        return {self.key: self.value(raw)} if raw else {}

    def value(self, raw: Any) -> Any:
        return raw

    def is_blank(self, raw: Any) -> bool:
        """Whether nobody filled it in."""
        return not raw

    def inputs(self, raw: Any, name: str, tree: Tree) -> list[str]:
        """The names (and ids) of its inputs."""
        return [name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden(Field):
    """What a row is known by."""

    kind = "hidden"

    def is_blank(self, raw: Any) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose(Field):
    """Some lines."""

    kind = "prose"

    def typed(self, form: Form, name: str, tree: Tree) -> str:
        return tidy_lines(form.get(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines(Prose):
    """A list, one entry on each line."""

    def show(self, table: Table, tree: Tree) -> str:
        return "\n".join(table.get(self.key, ()))

    def value(self, raw: str) -> list[str]:
        return [line.strip() for line in raw.split("\n") if line.strip()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words(Field):
    """A list with commas between its entries."""

    def show(self, table: Table, tree: Tree) -> str:
        return ", ".join(table.get(self.key, ()))

    def value(self, raw: str) -> list[str]:
        return [word.strip() for word in raw.split(",") if word.strip()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Field):
    kind = "number"
    default: int | str = ""

    def show(self, table: Table, tree: Tree) -> str:
        return str(table.get(self.key, self.default))

    def take(self, raw: str) -> dict[str, Any]:
        return {self.key: self.value(raw)} if raw not in ("", str(self.default)) else {}

    def value(self, raw: str) -> int | str:
        return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Decimal(Field):
    def value(self, raw: str) -> float | str:
        try:
            return float(raw.replace(",", "."))
        except ValueError:
            return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Field):
    kind = "flag"
    default: bool = False

    def show(self, table: Table, tree: Tree) -> bool:
        return bool(table.get(self.key, self.default))

    def typed(self, form: Form, name: str, tree: Tree) -> bool:
        return name in form

    def take(self, raw: bool) -> dict[str, Any]:
        return {} if raw == self.default else {self.key: raw}

    def is_blank(self, raw: bool) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Field):
    """One of some; the first where nothing is said."""

    kind = "choice"
    options: Options

    def show(self, table: Table, tree: Tree) -> str:
        return str(table.get(self.key, next((value for value, _ in self.options(tree)), "")))

    def is_blank(self, raw: str) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Many(Field):
    """Some of some, each with a box to tick."""

    kind = "many"
    options: Options
    needed: bool = False  # an empty list is said too

    def show(self, table: Table, tree: Tree) -> list[str]:
        return list(table.get(self.key, ()))

    def typed(self, form: Form, name: str, tree: Tree) -> list[str]:
        return form.getlist(name)

    def take(self, raw: list[str]) -> dict[str, Any]:
        return {self.key: raw} if raw or self.needed else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Days(Many):
    """Days of the week."""

    kind = "days"

    def show(self, table: Table, tree: Tree) -> list[str]:
        return [DAYS[day] for part in table.get(self.key, "").split(",") for day in _span(part)]

    def value(self, raw: list[str]) -> str:
        return ",".join(raw)

    def take(self, raw: list[str]) -> dict[str, Any]:
        return {self.key: ",".join(raw)} if raw else {}


def _span(part: str) -> range:
    first, _, last = part.partition("-")
    return range(DAYS.index(first), DAYS.index(last or first) + 1) if first else range(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock(Field):
    """A time of day. No clock of a browser shows 24:00: as an end, midnight is the end of the day."""

    kind = "clock"
    is_end: bool = False

    def show(self, table: Table, tree: Tree) -> str:
        found = str(table.get(self.key, ""))
        return "00:00" if found == "24:00" else found

    def value(self, raw: str) -> str:
        return "24:00" if self.is_end and raw == "00:00" else raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Date(Field):
    kind = "date"

    def value(self, raw: str) -> date | str:
        try:
            return date.fromisoformat(raw)
        except ValueError:
            return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Period(Field):
    """From when to when: days, and times where it is not whole days. The last day is part of it."""

    kind = "period"
    parts: ClassVar = ("from", "from_time", "to", "to_time")

    @property
    def keys(self) -> tuple[str, ...]:
        return ("from", "to", "on")

    def show(self, table: Table, tree: Tree) -> dict[str, str]:
        if "on" in table:
            return dict.fromkeys(self.parts, "") | {"from": table["on"].isoformat()}
        if "from" not in table:
            return dict.fromkeys(self.parts, "")
        starts, ends = table["from"], table["to"]
        last = ends - timedelta(days=1) if ends.time() == time.min else ends
        clocks = ["" if wall.time() == time.min else f"{wall:%H:%M}" for wall in (starts, ends)]
        return {
            "from": starts.date().isoformat(),
            "from_time": clocks[0],
            "to": last.date().isoformat(),
            "to_time": clocks[1],
        }

    def typed(self, form: Form, name: str, tree: Tree) -> dict[str, str]:
        return {part: form.get(f"{name}.{part}", "").strip() for part in self.parts}

    def take(self, raw: dict[str, str]) -> dict[str, Any]:
        starts = _wall(raw["from"], raw["from_time"])
        ends = _wall(raw["to"] or raw["from"], raw["to_time"])
        if isinstance(ends, datetime) and not raw["to_time"]:
            ends += timedelta(days=1)
        return {key: value for key, value in (("from", starts), ("to", ends)) if value}

    def is_blank(self, raw: dict[str, str]) -> bool:
        return not any(raw.values())

    def inputs(self, raw: Any, name: str, tree: Tree) -> list[str]:
        return [f"{name}.{part}" for part in self.parts]


def _wall(day: str, clock: str) -> datetime | str:
    """Wall clock, or what was typed if it is none."""
    try:
        found = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock or "00:00"))
    except ValueError:
        return f"{day} {clock}".strip()
    return found if found.year < 9999 else f"{day} {clock}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Where(Choice):
    """What a closure shuts: everything, a location or a room. Its choices are like "room:blue"."""

    @property
    def keys(self) -> tuple[str, ...]:
        return ("location", "room")

    def show(self, table: Table, tree: Tree) -> str:
        return next((f"{key}:{table[key]}" for key in self.keys if key in table), "")

    def take(self, raw: str) -> dict[str, Any]:
        key, _, slug = raw.partition(":")
        return {key: slug} if key in self.keys else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Field):
    """What patients read, in each of the clinic's languages."""

    kind = "text"
    long: bool = False

    def show(self, table: Table, tree: Tree) -> dict[str, str]:
        return _by_language(table.get(self.key, ""), tree)

    def typed(self, form: Form, name: str, tree: Tree) -> dict[str, str]:
        return {language: tidy_lines(form.get(f"{name}.{language}")) for language in languages(tree)}

    def take(self, raw: dict[str, str]) -> dict[str, Any]:
        found = {language: text for language, text in raw.items() if text}
        if not found:
            return {}
        return {self.key: found[next(iter(raw))] if list(found) == [next(iter(raw))] else found}

    def is_blank(self, raw: dict[str, str]) -> bool:
        return not any(raw.values())

    def inputs(self, raw: Any, name: str, tree: Tree) -> list[str]:
        return [f"{name}.{language}" for language in languages(tree)]


def _by_language(text: str | Mapping[str, str], tree: Tree) -> dict[str, str]:
    known = languages(tree)
    said = {known[0]: text} if isinstance(text, str) else text
    return {language: said.get(language, "") for language in known}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Field):
    """A list of tables, each of some fields. Rows that nobody filled in are none."""

    kind = "rows"
    fields: tuple[Field, ...]
    row: str | LazyString  # what one is called
    add: str | LazyString  # the button that adds one
    ordered: bool = False  # rows can be moved

    def show(self, table: Table, tree: Tree) -> list[dict[str, Any]]:
        return [self.shown(entry, tree) for entry in table.get(self.key, ())] or [self.blank(tree)]

    def shown(self, entry: Any, tree: Tree) -> dict[str, Any]:
        return {each.key: each.show(entry, tree) for each in self.fields}

    def blank(self, tree: Tree) -> dict[str, Any]:
        """What stands in a row that nobody filled in yet."""
        return self.shown({}, tree)

    def typed(self, form: Form, name: str, tree: Tree) -> list[dict[str, Any]]:
        rows = self.all_typed(form, name, tree)
        return [row for row in rows if not all(each.is_blank(row[each.key]) for each in self.fields)]

    def all_typed(self, form: Form, name: str, tree: Tree) -> list[dict[str, Any]]:
        """What was typed into each row, empty ones among them."""
        return [
            {each.key: each.typed(form, self.name(each, name, number), tree) for each in self.fields}
            for number in range(_count(form, name))
        ]

    def value(self, raw: list[dict[str, Any]]) -> list[Any]:
        return [self.taken(row) for row in raw]

    def taken(self, row: Mapping[str, Any]) -> Any:
        return {key: value for each in self.fields for key, value in each.take(row[each.key]).items()}

    def is_unfolded(self, row: Mapping[str, Any], name: str, number: int, faults: Mapping[str, str]) -> bool:
        """Whether a row's rare fields are in use, or wrong."""
        rare = [each for each in self.fields if each.rare]
        return any(row[each.key] != each.show({}, {}) or self.name(each, name, number) in faults for each in rare)

    def name(self, each: Field, name: str, number: int) -> str:
        """What the input of a field in a row is called. A period is the row's own: it has two keys."""
        return f"{name}.{number}" if isinstance(each, Period) else f"{name}.{number}.{each.key}"

    def inputs(self, raw: list[dict[str, Any]], name: str, tree: Tree) -> list[str]:
        rows = [
            input
            for number, row in enumerate(raw)
            for each in self.fields
            if not isinstance(each, Hidden)
            for input in each.inputs(row[each.key], self.name(each, name, number), tree)
        ]
        return [*rows, name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts(Rows):
    """A list of texts. Each row remembers what it said in the first language, so that others can follow a change."""

    def shown(self, entry: Any, tree: Tree) -> dict[str, Any]:
        said = _by_language(entry or "", tree)
        return {"text": said, "was": said[languages(tree)[0]]}

    def taken(self, row: Mapping[str, Any]) -> Any:
        return next(iter(self.fields[0].take(row["text"]).values()))

    def name(self, each: Field, name: str, number: int) -> str:
        return f"{name}.{number}" if isinstance(each, Text) else f"{name}.{number}.{each.key}"


def _count(form: Form, name: str) -> int:
    """How many rows a form has: the highest number in the names of their inputs, within reason."""
    return min(max(_numbers(form, name), default=-1) + 1, MOST_ROWS)


def _numbers(form: Form, name: str) -> Iterator[int]:
    for key in form:
        if key.startswith(f"{name}."):
            number = key[len(name) + 1 :].partition(".")[0]
            if number.isascii() and number.isdigit() and len(number) < 4:
                yield int(number)
