"""What people type about themselves, made into values: names, phone numbers, e-mail addresses, notes."""

from __future__ import annotations

import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

NAME_LENGTH = 100
PHONE_LENGTH = 40
EMAIL_LENGTH = 254
NOTE_LENGTH = 500


def tidy(text: str | None) -> str:
    """One line as it is kept: composed characters (NFC), single spaces."""
    return " ".join(unicodedata.normalize("NFC", text or "").split())


def tidy_lines(text: str | None) -> str:
    """Several lines as they are kept: composed characters (NFC), plain line ends."""
    return unicodedata.normalize("NFC", text or "").replace("\r\n", "\n").replace("\r", "\n").strip()


def is_readable(text: str) -> bool:
    """Whether text is free of control characters (but line ends), unassigned ones and halves of characters."""
    return all(char == "\n" or unicodedata.category(char) not in ("Cc", "Cs", "Cn", "Co") for char in text)


def is_name(text: str) -> bool:
    """Whether a tidied text can be a person's name: something with a letter in it, not too long."""
    return len(text) <= NAME_LENGTH and is_readable(text) and any(char.isalpha() for char in text)


def phone_number(text: str, region: str) -> str | None:
    """The number in E.164 as somebody in the region means it; None if it can't be one."""
    if len(text) > PHONE_LENGTH:
        return None
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def email_address(text: str) -> str | None:
    """The address in its normal form; None if it can't be one, or none that every mail server takes (letters beyond
    English before the @). Nobody is asked over the network."""
    if len(text) > EMAIL_LENGTH:
        return None
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False).normalized
    except EmailNotValidError:
        return None
    return found if len(found) <= EMAIL_LENGTH else None
