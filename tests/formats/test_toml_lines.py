"""Where keys stand in a TOML text, on awkward layouts."""

import tomllib
from pathlib import Path

import pytest

from booking.formats.toml_lines import lines

DEMO = Path(__file__).parents[2] / "booking" / "demo"

AWKWARD = '''# a comment with [brackets] and a = sign
top = 1

[clinic]  # [not.a.table]
name = "a # b [c]"
long = """
x = 1
[[fake]]
quotes "" at the end"""""
plain = \'\'\'
y = 2\'\'\'
after = true
nested.deep."quoted key" = 1
nested.other = [ # a list
  1,
  # between
  [2,
   3],
  "]", '}',
]

[[services]]
slug = "one"
stages = [ {minutes = 5}, {minutes = [10,
  11], patient = false},
  { deep = { text = """
""", deeper = 1 } },
]
[services.texts]
en = "first"
[[services.hours]]
days = "Mon"
[[services.hours]]
days = "Tue"

[[ services ]]
slug = "two"
  [[services.hours]]
  days = "Wed"
[last."dotted key"]
on = 2026-11-26 10:00:00 # a date with a space
end = [ ]'''

WHERE = {
    ("top",): 2,
    ("clinic",): 4,
    ("clinic", "name"): 5,
    ("clinic", "long"): 6,
    ("clinic", "plain"): 10,
    ("clinic", "after"): 12,
    ("clinic", "nested"): 13,
    ("clinic", "nested", "deep", "quoted key"): 13,
    ("clinic", "nested", "other"): 14,
    ("clinic", "nested", "other", 0): 15,
    ("clinic", "nested", "other", 1): 17,
    ("clinic", "nested", "other", 1, 1): 18,
    ("clinic", "nested", "other", 2): 19,
    ("clinic", "nested", "other", 3): 19,
    ("services",): 22,
    ("services", 0): 22,
    ("services", 0, "slug"): 23,
    ("services", 0, "stages", 1): 24,
    ("services", 0, "stages", 1, "patient"): 25,
    ("services", 0, "stages", 2, "deep", "deeper"): 27,
    ("services", 0, "texts"): 29,
    ("services", 0, "texts", "en"): 30,
    ("services", 0, "hours", 0, "days"): 32,
    ("services", 0, "hours", 1): 33,
    ("services", 0, "hours", 1, "days"): 34,
    ("services", 1): 36,
    ("services", 1, "slug"): 37,
    ("services", 1, "hours", 0, "days"): 39,
    ("last", "dotted key"): 40,
    ("last", "dotted key", "on"): 41,
    ("last", "dotted key", "end"): 42,
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_key_is_found_on_its_line_in_an_awkward_layout(newline: str) -> None:
    text = AWKWARD.replace("\n", newline)
    tomllib.loads(text)

    found = lines(text)

    assert {path: found.get(path) for path in WHERE} == WHERE


@pytest.mark.parametrize("file", sorted(DEMO.glob("*.toml")), ids=lambda file: file.stem)
def test_every_key_of_a_demonstration_file_stands_on_the_line_that_is_told(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    found = lines(text)

    rows = text.split("\n")
    assert set(found) == set(_paths(tomllib.loads(text), ()))
    for path, line in found.items():
        key = [part for part in path if isinstance(part, str)][-1]
        if isinstance(path[-1], str):
            assert key in rows[line - 1], path


def _paths(value: object, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for part, inner in entries:
        found += [(*path, part), *_paths(inner, (*path, part))]
    return found


def test_an_empty_text_has_no_keys() -> None:
    assert lines("# nothing\n\n") == {}
