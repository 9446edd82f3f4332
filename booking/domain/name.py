"""People's names as they are looked for: without accents and letter case, by ear, and with one slip of the hand."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum
from string import ascii_lowercase

PARTICLE = 3  # letters: de, la, van, Mac, O': words that people write together with the next one, or apart
WORDS = 8  # of one name; nobody looks for more

ALPHABETS = (ascii_lowercase, "αβγδεζηθικλμνξοπρστυφχψω", "абвгдежзиклмнопрстуфхцчшщъыьэюя")  # folded
# Letters that are no others with an accent.
LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
SPOKEN = [
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"^[kgp]n", "n"),  # Knight
        (r"^wr", "r"),  # Wright
        (r"^ps", "s"),
        (r"^x", "s"),  # Xavier
        (r"ph|v", "f"),  # Philip, Steven
        (r"w(?=[aeiouy])", "f"),  # Kowalski, Kovalsky
        (r"w", ""),  # Brown
        (r"(?<=.)gh", ""),  # Leigh
        (r"t?sch|sh|cz|ts|tz|z", "s"),  # Schmidt, Nowicz, Fitzgerald, Suarez
        (r"ck|ch|q|c(?![eiy])", "k"),  # Nicholas, Erica
        (r"c", "s"),  # Cynthia
        (r"x", "ks"),
        (r"g(?=[eiy])|^y(?=[aeiou])", "j"),  # Geoffrey, Yan
        (r"d", "t"),  # Schmidt, Schmitt
        (r"h", ""),  # Thomas, Hanna
    )
]
VOWELS = re.compile(r"(?<!^)[aeiouy]+")
FIRST_VOWEL = re.compile(r"^[aeiouy]+")
DOUBLED = re.compile(r"(.)\1+")


def fold(text: str) -> str:
    """The text in small letters without accents: "Núñez" is "nunez", "Groß" is "gross"."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in apart if not unicodedata.category(char).startswith("M")).translate(LETTERS)


def words(name: str) -> list[str]:
    """The folded words of a name in their order; what is no letter and no digit parts them."""
    return re.findall(r"[^\W_]+", fold(name))[:WORDS]


def together(parts: list[str]) -> list[str]:
    """The words with each particle joined to what follows it: "de", "la", "cruz" is "delacruz"."""
    found: list[str] = []
    is_open = False
    for part in parts:
        if is_open:
            found[-1] += part
        else:
            found.append(part)
        is_open = len(part) <= PARTICLE
    return found


def sound(word: str) -> str:
    """How a folded word of Latin letters sounds, roughly, in the letters of its consonants: Smith and Smyth are "smt",
    Catherine and Kathryn "ktrn". A vowel counts only at the start. Words of other scripts stay as they are."""
    if not word.isascii():
        return word
    word = DOUBLED.sub(r"\1", word)
    for pattern, said in SPOKEN:
        word = pattern.sub(said, word)
    return DOUBLED.sub(r"\1", VOWELS.sub("", FIRST_VOWEL.sub("a", word)))


def slips(word: str) -> set[str]:
    """All that is one slip away from a folded word: a letter too many or too few, a wrong one, two changed about."""
    cuts = [(word[:n], word[n:]) for n in range(len(word) + 1)]
    letters = next((alphabet for alphabet in ALPHABETS if word[:1] in alphabet), "")
    missing = {left + right[1:] for left, right in cuts if right}
    swapped = {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
    wrong = {left + letter + right[1:] for left, right in cuts if right for letter in letters}
    added = {left + letter + right for left, right in cuts for letter in letters}
    return (missing | swapped | wrong | added) - {word}


def is_slip(one: str, other: str) -> bool:
    """Whether two words are equal but for one slip."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    if len(a) == len(b):
        return a[1:] == b[1:] or (a[2:] == b[2:] and a[:2] == b[1::-1])
    return a[1:] == b or a == b[1:]


def turned(parts: list[str]) -> Iterator[str]:
    """The words as one text, beginning with each of them in turn, each word ended by a space."""
    for start in range(len(parts)):
        yield " ".join([*parts[start:], *parts[:start], ""])


class Likeness(IntEnum):
    """How much two names look like one person's."""

    OTHER = 0
    SIMILAR = 1  # a word more or less, or words that sound alike or have a slip
    SAME = 2  # but for accents, letter case, spaces and order


def likeness(one: str, other: str) -> Likeness:
    """How much two names look like one person's. Short words have to be equal: Ada and Ida are two sisters."""
    first, second = words(one), words(other)
    if sorted(first) == sorted(second) or sorted(together(first)) == sorted(together(second)):
        return Likeness.SAME
    fewer, more = sorted((first, second), key=len)
    if len(fewer) < 2 and len(more) > 1:
        return Likeness.OTHER  # a first name alone says too little
    left = list(more)
    for word in fewer:
        like = next((found for found in left if _is_alike(word, found)), None)
        if like is None:
            return Likeness.OTHER
        left.remove(like)
    return Likeness.SIMILAR


def _is_alike(one: str, other: str) -> bool:
    if one == other:
        return True
    if min(len(one), len(other)) <= PARTICLE + 1:
        return False
    return is_slip(one, other) or (sound(one) == sound(other) and len(sound(one)) > 2)
