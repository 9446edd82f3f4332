"""Which passwords are taken: long ones that are not easily guessed. No rules about kinds of characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

SHORTEST = 15  # characters
SHORTEST_WITH_FACTOR = 12
LONGEST = 256
FRESH_LETTERS = 5  # that are left of a good one when all that is common has been taken out
LEET = str.maketrans("@4310$5!7", "aaeiossit")
ROWS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop", "1234567890")


def fault(password: str, *, has_factor: bool, about: Iterable[str] = ()) -> str | None:
    """The code of what is wrong with a new password, None if it may be used.

    `about` are the texts that somebody would try first: the person's name and address, their clinics' names.
    """
    if len(password) > LONGEST:
        return "password-long"
    if len(password) < (SHORTEST_WITH_FACTOR if has_factor else SHORTEST):
        return "password-short-factor" if has_factor else "password-short"
    return "password-common" if is_common(password, about) else None


def is_common(password: str, about: Iterable[str] = ()) -> bool:
    """Whether hardly anything is left once everything that people commonly choose has been taken out.

    Taken out are the words of the list beside this module and those in `about`, also with letters written as digits;
    runs of the alphabet and of the keyboard, both ways; repeated parts; digits and signs. So "P@ssw0rd-2026" and
    "qwertyuiop123" are common and four unrelated words are not.
    """
    plain = unicodedata.normalize("NFKC", password).casefold()
    words = sorted({*common_words(), *_words(about)}, key=len, reverse=True)
    woven = plain[::2] + plain[1::2]  # "1q2w3e4r" is two runs
    return min(_fresh(text, words) for text in (plain, plain.translate(LEET), woven)) < FRESH_LETTERS


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """What most bad passwords are made of. Written for this program, by hand; not copied from a list of leaks."""
    return frozenset(Path(__file__).with_name("common_words.txt").read_text(encoding="utf-8").split())


def _words(texts: Iterable[str]) -> Iterator[str]:
    """The words of three letters or more, as a password would be searched for them."""
    for text in texts:
        yield from (word for word in re.split(r"[\W_]+", text.casefold()) if len(word) >= 3)


def _fresh(text: str, words: list[str]) -> int:
    """How many different letters are left of a text when all that is common is taken out."""
    text = re.sub(r"(.{3,8}?)\1+|(.{1,2}?)\2{2,}", r"\1\2", text)  # what is repeated counts once
    for run in _runs(text):
        text = text.replace(run, " ")
    for word in words:
        text = text.replace(word, " ")
    return len(set(re.sub(r"[\W\d_]+", "", text)))


def _runs(text: str) -> Iterator[str]:
    """The stretches of four characters or more that lie side by side in the alphabet or on a keyboard."""
    for row in ROWS:
        for line in (row * 2, row[::-1] * 2):
            start = 0
            while start + 4 <= len(text):
                length = 4
                if text[start : start + length] not in line:
                    start += 1
                    continue
                while start + length < len(text) and text[start : start + length + 1] in line:
                    length += 1
                yield text[start : start + length]
                start += length
