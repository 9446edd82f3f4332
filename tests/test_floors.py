"""The floors of the house: imports point down, one reader of the clock, one commit."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "booking"

# What each room may import of ours, besides itself. What is not named here (cli, demo, doctor, worker) may import all.
ALLOWED = {
    "clock": set(),
    "settings": set(),
    "domain": set(),
    "formats": {"domain"},
    "store": {"domain", "settings"},
    "mail": {"domain", "settings"},
    "imap": {"domain", "settings"},
    "fetch": {"domain", "settings"},
    "apart": set(),
    "actions": {"domain", "formats", "store", "mail", "fetch", "apart", "settings"},
    "web": {"domain", "formats", "store", "mail", "actions", "settings", "clock"},
}
READS_THE_CLOCK = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "localtime", "gmtime"},
    "func": {"now", "current_date", "current_time", "current_timestamp"},
}

Source = tuple[str, ast.Module]  # a module's dotted name and its code


@cache
def sources() -> list[Source]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = ["booking", *path.relative_to(ROOT).with_suffix("").parts]
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append((name, ast.parse(path.read_text(encoding="utf-8"))))
    return found


def made_up(name: str, code: str) -> Source:
    return name, ast.parse(code)


def imports(source: Source) -> Iterator[str]:
    """The dotted names that a module imports, those inside functions and for types too."""
    for node in ast.walk(source[1]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def is_out_of_place(name: str, imported: str) -> bool:
    """Whether the module `name` may not import `imported`. Relative imports hide the floor, so we have none."""
    if imported.startswith("."):
        return True
    here, there = name.split("."), imported.split(".")
    room = here[1] if len(here) > 1 else ""
    if there[0] != "booking":
        return room == "domain" and there[0] not in sys.stdlib_module_names
    if room not in ALLOWED:
        return False
    if there[1] != room:
        return there[1] not in ALLOWED[room]
    # Two files of actions do not know each other; elsewhere a room is free within itself.
    return room == "actions" and here[2:3] != there[2:3]


def misplaced(source: Source) -> list[str]:
    return [f"{source[0]} imports {name}" for name in imports(source) if is_out_of_place(source[0], name)]


def clock_readings(source: Source) -> list[str]:
    name, tree = source
    if name == "booking.clock":
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            owned_by = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if node.func.attr in READS_THE_CLOCK.get(owned_by, ()):
                found.append(f"{name}:{node.lineno} {ast.unparse(node.func)}")
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            names = {alias.name for alias in node.names} & READS_THE_CLOCK["time"]
            found += [f"{name}:{node.lineno} from time import {taken}" for taken in names]
    return found


def commits(source: Source) -> list[str]:
    calls = [node for node in ast.walk(source[1]) if isinstance(node, ast.Call)]
    return [source[0] for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "commit"]


def test_imports_point_down() -> None:
    assert [fault for source in sources() for fault in misplaced(source)] == []


def test_only_clock_reads_the_clock() -> None:
    assert [fault for source in sources() for fault in clock_readings(source)] == []


def test_commit_stands_once() -> None:
    assert [place for source in sources() for place in commits(source)] == ["booking.store.base"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("booking.domain.time", "import sqlalchemy"),
        ("booking.domain.time", "from ..store import base"),
        ("booking.domain.time", "def later():\n    from booking import settings"),
        ("booking.formats.ical", "from booking.store.clinic import Clinic"),
        ("booking.store.clinic", "from booking import mail"),
        ("booking.store.clinic", "from booking import clock"),
        ("booking.actions.slot", "import booking.web.patient"),
        ("booking.actions.slot", "from booking.actions import appointment"),
        ("booking.actions.slot", "from .appointment import book"),
        ("booking.web.errors", "from booking.cli import main"),
    ],
)
def test_an_import_that_points_up_or_sideways_is_found(name: str, code: str) -> None:
    assert misplaced(made_up(name, code))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("booking.domain.availability", "from booking.domain.time import ticks\nimport functools"),
        ("booking.store.clinic", "import sqlalchemy\nfrom booking.domain.errors import NotFound"),
        ("booking.actions.slot", "from booking.store import hold\nfrom booking.formats import ical"),
        ("booking.web.errors", "from booking import clock\nfrom booking.actions import slot, appointment"),
        ("booking.cli", "from booking import create_app"),
    ],
)
def test_an_import_that_points_down_is_left_alone(name: str, code: str) -> None:
    assert misplaced(made_up(name, code)) == []


@pytest.mark.parametrize(
    "code",
    [
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "time.time()",
        "from time import time",
        "sa.func.now()",
    ],
)
def test_a_second_reader_of_the_clock_is_found(code: str) -> None:
    assert clock_readings(made_up("booking.actions.slot", code))


@pytest.mark.parametrize("code", ["clock.now()", "time.monotonic()", "time.perf_counter()", "datetime.time(9, 30)"])
def test_what_is_no_reading_of_the_clock_is_left_alone(code: str) -> None:
    assert clock_readings(made_up("booking.web.app", code)) == []


def test_a_second_commit_is_found() -> None:
    assert commits(made_up("booking.actions.slot", "db.session.commit()"))
