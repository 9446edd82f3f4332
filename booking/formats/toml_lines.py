"""Where each key of a TOML text stands. `tomllib` says what a text holds, but not on which line."""

from __future__ import annotations

import re
import tomllib

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PART = r""""(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+"""
_KEY = re.compile(rf"(?:{_PART})(?:[ \t]*\.[ \t]*(?:{_PART}))*")
_KEY_PART = re.compile(_PART)
# A text between three quotes may end with one or two quotes of its own.
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})|' r"'''.*?'''(?:'{0,2})|" r'"(?:\\.|[^"\\])*"|' r"'[^']*'", re.DOTALL
)
_BARE = re.compile(r"[^,\]}\n#]*")


def lines(text: str) -> dict[Path, int]:
    """Return the line (from 1) of every table, key and list entry of `text`, by its path from the root.

    `text` must be TOML that `tomllib` reads: what is wrong with it is not this function's business.
    A table that is spoken of several times stands where it first appears.
    """
    return _Scan(text).statements()


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}
        self.entries: dict[Path, int] = {}  # how many [[tables]] of a name there have been

    def statements(self) -> dict[Path, int]:
        here: Path = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text.startswith("[[", self.at):
                self.at += 2
                *above, last = self._key()
                here = (*self._inside((), above), last)
                self._mark(here)
                number = self.entries.get(here, 0)
                self.entries[here] = number + 1
                here += (number,)
                self._mark(here)
                self.at += 2
            elif self.text.startswith("[", self.at):
                self.at += 1
                here = self._inside((), self._key())
                self._mark(here)
                self.at += 1
            else:
                self._pair(here)
            self._skip(_BLANK)
        return self.found

    def _inside(self, path: Path, parts: list[str]) -> Path:
        """The path of a header: a name that stands for a list of tables means its newest entry."""
        for part in parts:
            path += (part,)
            self._mark(path)
            if path in self.entries:
                path += (self.entries[path] - 1,)
        return path

    def _pair(self, path: Path) -> None:
        for part in self._key():
            path += (part,)
            self._mark(path)
        self.at = self.text.index("=", self.at) + 1
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self.text[self.at]
        if opening in "\"'":
            self._skip(_STRING)
        elif opening in "[{":
            self._entries(path, "]" if opening == "[" else "}")
        else:
            self._skip(_BARE)

    def _entries(self, path: Path, closing: str) -> None:
        self.at += 1
        number = 0
        while True:
            self._skip(_BLANK)
            if self.text[self.at] == closing:
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
            elif closing == "}":
                self._pair(path)
            else:
                self._mark((*path, number))
                self._value((*path, number))
                number += 1

    def _key(self) -> list[str]:
        self._skip(_BLANK)
        key = _KEY.match(self.text, self.at)
        assert key is not None, "tomllib has read a key here"
        parts = [part if part[0] not in "\"'" else _unquoted(part) for part in _KEY_PART.findall(key[0])]
        self.at = key.end()
        self._skip(_BLANK)
        return parts

    def _mark(self, path: Path) -> None:
        if path not in self.found:
            self.found[path] = self.text.count("\n", 0, self.at) + 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        assert match is not None, "tomllib has read a value here"
        self.at = match.end()


def _unquoted(part: str) -> str:
    return next(iter(tomllib.loads(f"{part} = 0")))
