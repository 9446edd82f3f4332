"""A patient at a browser without a script: opens pages, follows links by their words, and presses buttons by theirs.

A pressed button sends what its form holds, so a page whose form lacks something fails as it would for a person.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

VOID = {"input", "meta", "link", "br", "hr", "img", "wbr"}
Attributes = dict[str, str]


@dataclass
class Form:
    attributes: Attributes
    fields: Attributes = field(default_factory=dict)


@dataclass
class Pressable:
    """A link or a button with its words, and a button's form."""

    attributes: Attributes
    form: Form | None
    words: str = ""


class Page(HTMLParser):
    """What a person can do on a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[Pressable] = []
        self.buttons: list[Pressable] = []
        self.forms: list[Form] = []
        self.words = ""
        self._form: Form | None = None
        self._inside: Pressable | None = None
        self._area: str | None = None
        self._select: str | None = None
        self._silent = 0
        self.feed(html)
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag in ("script", "style", "svg"):
            self._silent += 1
        elif tag == "form":
            self._form = Form(found)
            self.forms.append(self._form)
        elif tag == "a" and "href" in found:
            self._inside = Pressable(found, None)
            self.links.append(self._inside)
        elif tag == "button":
            self._inside = Pressable(found, self._form)
            self.buttons.append(self._inside)
        elif tag == "input" and self._form and "name" in found:
            if found.get("type") != "checkbox" or "checked" in found:
                self._form.fields[found["name"]] = found.get("value", "")
        elif tag == "select" and self._form:
            self._select = found["name"]
        elif tag == "option" and self._form and self._select:
            if "selected" in found or self._select not in self._form.fields:
                self._form.fields[self._select] = found["value"]
        elif tag == "textarea" and self._form:
            self._area = found["name"]
            self._form.fields[self._area] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "svg"):
            self._silent -= 1
        elif tag == "form":
            self._form = None
        elif tag in ("a", "button"):
            self._inside = None
        elif tag == "textarea" and self._area and self._form:
            # The line break after the tag is not part of the text.
            self._form.fields[self._area] = self._form.fields[self._area].removeprefix("\r").removeprefix("\n")
            self._area = None
        elif tag not in ("b", "span", "strong", "time", "wbr"):
            self.words += " "

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._area and self._form:
            self._form.fields[self._area] += data
        self.words += data
        if self._inside:
            self._inside.words += data


class Visitor:
    """A patient's browser."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.answer: TestResponse
        self.page: Page

    def open(self, path: str) -> Visitor:
        """Open an address and be redirected where it leads."""
        return self._show(self.client.get(path, follow_redirects=True))

    def follow(self, words: str) -> Visitor:
        """Follow the first link with these words in it."""
        return self.open(self.link(words))

    def press(self, words: str, **typed: str) -> Visitor:
        """Press the first button with these words in it, after typing into its form."""
        pressed = _with(words, self.page.buttons)
        named = [form for form in self.page.forms if form.attributes.get("id") == pressed.attributes.get("form", "-")]
        form = next(iter(named), pressed.form)
        assert form is not None, f"{words}: a button of no form"
        assert form.attributes.get("method") == "post"
        unknown = typed.keys() - form.fields.keys()
        assert not unknown, f"the form has no {unknown}"
        sent = form.fields | typed
        if "name" in pressed.attributes:
            sent[pressed.attributes["name"]] = pressed.attributes["value"]
        return self._show(self.client.post(form.attributes["action"], data=sent, follow_redirects=True))

    def link(self, words: str) -> str:
        return _with(words, self.page.links).attributes["href"].partition("#")[0]

    @property
    def html(self) -> str:
        return self.answer.text

    @property
    def words(self) -> str:
        return self.page.words

    @property
    def path(self) -> str:
        return self.answer.request.path

    @property
    def status(self) -> int:
        return self.answer.status_code

    def fields(self, name: str) -> Attributes:
        """What the form with a field of this name holds."""
        return next(form.fields for form in self.page.forms if name in form.fields)

    def buttons(self) -> list[str]:
        return [" ".join(button.words.split()) for button in self.page.buttons]

    def _show(self, answer: TestResponse) -> Visitor:
        self.answer = answer
        self.page = Page(answer.text)
        return self


def _with(words: str, found: list[Pressable]) -> Pressable:
    for one in found:
        if words in " ".join(one.words.split()):
            return one
    raise AssertionError(f"{words!r} is not among {[' '.join(one.words.split()) for one in found]}")
