"""A page of the settings: it reads the clinic as the values of its file, changes one part, and saves all of it.

Whatever is refused comes back with all that was typed: a fault at its field, what others changed meanwhile, visits
that the change would strand.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.actions import clinic as clinics
from booking.actions.clinic import Loaded, OlderFile, Stranded, StrandedVisit
from booking.domain.errors import NotFound
from booking.formats import clinic_file as file
from booking.formats.clinic_file import ClinicFileInvalid, Fault
from booking.web.admin import pages, words
from booking.web.admin.fields import Rows, Table
from booking.web.admin.pages import Page, Path, Raw

Tree = dict[str, Any]
Find = Callable[[Tree], Path]  # where a page's table is in a tree; raises NotFound
ROW_BUTTONS = ("add", "remove", "up")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A fault that the change makes on another page."""

    where: str
    href: str
    said: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What somebody else changed on this page since it was opened."""

    label: str
    was: str
    now: str


@dataclass(slots=True)
class Screen:
    """A page with what stands in its form, and what was refused."""

    page: Page
    path: Path
    tree: Tree
    raw: Raw
    faults: dict[str, str] = field(default_factory=dict)  # by the names of inputs, in their order
    elsewhere: list[Elsewhere] = field(default_factory=list)
    differences: list[Difference] | None = None  # None: nobody else changed anything
    stranded: tuple[StrandedVisit, ...] = ()
    status: int = 200

    @property
    def is_new(self) -> bool:
        return table_at(self.tree, self.path) == {}

    @property
    def revision(self) -> int:
        return int(self.tree["clinic"]["revision"])

    @property
    def read_at(self) -> str:
        """The revision at which what stands in the form was read. Who was told of later changes has seen them."""
        return request.form.get("revision", "") if self.differences is None and request.form else str(self.revision)

    @property
    def is_refused(self) -> bool:
        return self.status >= 400

    @property
    def heading(self) -> str:
        if not self.path or self.path == ("clinic",):
            return str(self.page.title)
        if self.is_new:
            return str(self.page.new)
        return str(self.page.heading) % {"name": pages.first(table_at(self.tree, self.path)["name"])}

    def label_of(self, name: str) -> str:
        """What an input belongs to: its field, or its row of a list."""
        key, _, inside = name.partition(".")
        found = next(each for each in self.page.fields if each.key == key)
        number = inside.partition(".")[0]
        if isinstance(found, Rows) and number.isdigit():
            return str(found.row) % {"number": int(number) + 1}
        return str(found.label)

    @property
    def is_removal(self) -> bool:
        return is_removal()


def opened(page: Page, find: Find) -> Screen:
    """The page as it stands in the database, or as the request's form has it."""
    tree = file.as_values(clinics.current(g.clinic.slug))
    path = find(tree)
    table = table_at(tree, path)
    raw = {each.key: each.show(table, tree) for each in page.fields}
    screen = Screen(page, path, tree, raw)
    if request.method == "POST":
        screen.raw = {each.key: each.typed(request.form, each.key, tree) for each in page.fields}
        if any(name in request.form for name in ROW_BUTTONS):
            _turn_rows(screen)
    return screen


def table_at(tree: Tree, path: Path) -> dict[str, Any]:
    """The table of a path; an empty one past the end of a list, where an entry is added."""
    table: Any = tree
    for part in path:
        if isinstance(part, int) and part == len(table):
            return {}
        table = table[part] if isinstance(part, int) else table.get(part, [])
    found: dict[str, Any] = table
    return found


def entry(kind: str, slug: str) -> Find:
    """Where the entry of that slug is."""

    def find(tree: Tree) -> Path:
        for number, table in enumerate(tree.get(kind, ())):
            if table["slug"] == slug:
                return (kind, number)
        raise NotFound

    return find


def after_last(kind: str) -> Find:
    """Where an entry is added."""
    return lambda tree: (kind, len(tree.get(kind, ())))


def is_submitted() -> bool:
    """Whether somebody wants the form of this request saved; a row's button only shows the form anew."""
    return request.method == "POST" and not any(name in request.form for name in (*ROW_BUTTONS, "look"))


def is_removal() -> bool:
    """Whether the request takes the entry away; "keep" says it again after visits were listed."""
    return "gone" in request.form or request.form.get("keep") == "gone"


# Rows


def _turn_rows(screen: Screen) -> None:
    """Add an empty row, take one away, or move one up, as the pressed button says."""
    button = next(name for name in ROW_BUTTONS if name in request.form)
    key, _, number = request.form[button].partition(".")
    rows = next((each for each in screen.page.fields if each.key == key and isinstance(each, Rows)), None)
    if rows is None:
        raise NotFound
    # Numbers are those of the form, so empty rows must not have been dropped yet.
    raw = rows.all_typed(request.form, key, screen.tree)
    place = int(number) if number.isdigit() and int(number) < len(raw) else None
    if button == "add":
        raw.append(rows.blank(screen.tree))
    elif place is not None and button == "remove":
        del raw[place]
    elif place:
        raw[place - 1], raw[place] = raw[place], raw[place - 1]
    screen.raw[key] = raw


# Saving


def save(screen: Screen, part: str, back: Callable[[str], str]) -> ResponseReturnValue | None:
    """Save what was typed and go to `back(slug)` of the entry; None if it is refused: the screen then says why."""
    page, typed = screen.page, deepcopy(screen.tree)
    table = table_at(typed, screen.path)
    if screen.is_new and screen.path:
        typed.setdefault(str(screen.path[0]), []).append(table)
    was = dict(table)
    for key in page.keys:
        table.pop(key, None)
    for each in page.fields:
        table |= each.take(screen.raw[each.key])
    if screen.is_new and screen.path and not table.get("slug"):
        table["slug"] = pages.new_slug(screen.tree, page.name, pages.first(table.get("name", "")))
    page.settle(typed, was, table, screen.raw)
    return commit(screen, typed, part, lambda: back(str(table.get("slug", ""))))


def remove(screen: Screen, part: str, back: Callable[[], str]) -> ResponseReturnValue | None:
    """Take the entry out of the settings, and out of what practitioners give; None if it is refused."""
    kind, number = screen.path
    typed = deepcopy(screen.tree)
    gone = typed[str(kind)].pop(number)
    for person in typed.get("practitioners", ()) if kind == "services" else ():
        person["services"] = [slug for slug in person["services"] if slug != gone["slug"]]
    return commit(screen, typed, part, back)


def commit(screen: Screen, typed: Tree, part: str, back: Callable[[], str]) -> ResponseReturnValue | None:
    """Bring the clinic to what the tree says, unless somebody else changed the same meanwhile."""
    screen.differences = _others_changes(screen)
    if screen.differences is not None:
        screen.status = 409
        return None
    try:
        loaded = clinics.save(file.from_values(typed), part, keep_visits="keep" in request.form, by=g.caller, now=g.now)
    except ClinicFileInvalid as invalid:
        _place_faults(screen, typed, invalid.faults)
        screen.status = 422
    except Stranded as stranded:
        screen.stranded, screen.status = stranded.visits, 409
    except OlderFile:
        screen.differences, screen.status = [], 409
    else:
        return saved(loaded, back())
    return None


def saved(loaded: Loaded, address: str) -> ResponseReturnValue:
    """On to a page that says that it is saved and offers to undo it."""
    mark = f"saved={loaded.revision}" if loaded.changed else "saved=0"
    return redirect(f"{address}?{mark}", 303)


def _others_changes(screen: Screen) -> list[Difference] | None:
    """What others changed on this page since the form's revision of the settings; None if nothing."""
    revision = request.form.get("revision", "")
    if revision == str(screen.revision) or screen.is_new:
        return None
    known = clinics.before(g.clinic.id, int(revision)) if revision.isdigit() and len(revision) < 10 else None
    if known is None:
        return []
    old = file.as_values(known)
    was, now = _same_table(old, screen), table_at(screen.tree, screen.path)
    found = [
        Difference(str(each.label), _said(was, each.keys), _said(now, each.keys))
        for each in screen.page.fields
        if [was.get(key) for key in each.keys] != [now.get(key) for key in each.keys]
    ]
    return found or None


def _same_table(old: Tree, screen: Screen) -> Table:
    if screen.path and isinstance(screen.path[-1], int):
        slug = table_at(screen.tree, screen.path)["slug"]
        return next((table for table in old.get(str(screen.path[0]), ()) if table["slug"] == slug), {})
    return table_at(old, screen.path)


def _said(table: Table, keys: tuple[str, ...]) -> str:
    return words.value_words([table[key] for key in keys if key in table])


# Faults


def _place_faults(screen: Screen, typed: Tree, faults: list[Fault]) -> None:
    """Each fault to the input that caused it, or to the page where it is."""
    inputs = [
        input for each in screen.page.fields for input in each.inputs(screen.raw[each.key], each.key, screen.tree)
    ]
    found: dict[str, str] = {}
    for fault in faults:
        inside = fault.path[len(screen.path) :]
        is_here = fault.path[: len(screen.path)] == screen.path and inside and inside[0] in screen.page.keys
        if is_here:
            found.setdefault(_input(inputs, ".".join(map(str, inside))), words.fault_words(fault))
        else:
            screen.elsewhere.append(_elsewhere(typed, fault))
    screen.faults = {name: found[name] for name in inputs if name in found}


def _input(inputs: list[str], wanted: str) -> str:
    """The input of that name, else the first inside it, else that of what it is in."""
    while wanted:
        if wanted in inputs:
            return wanted
        inside = next((name for name in inputs if name.startswith(f"{wanted}.")), None)
        if inside:
            return inside
        wanted = wanted.rpartition(".")[0]
    return inputs[0]


def _elsewhere(typed: Tree, fault: Fault) -> Elsewhere:
    kind, *rest = fault.path or ("clinic",)
    said = words.fault_words(fault)
    if kind in pages.ENTRIES and rest:
        table = typed[str(kind)][rest[0]]
        where = str(pages.first(table.get("name", "")) or kind)
        slug, key = str(table.get("slug", "")), str(rest[1]) if len(rest) > 1 else ""
        if key in pages.HOURS.keys or key in pages.TIME_OFF.keys:
            return Elsewhere(
                where, url_for(f"admin.{'hours' if key in pages.HOURS.keys else 'time_off'}", entry=slug), said
            )
        return Elsewhere(where, url_for("admin.entry", kind=kind, entry=slug), said)
    if kind == "closures":
        return Elsewhere(str(pages.CLOSURES.title), url_for("admin.closures"), said)
    name = "rooms" if kind == "rooms" else "rules" if rest and rest[0] in pages.RULES.keys else "clinic"
    return Elsewhere(str(pages.SINGLE[name].title), url_for("admin.single", name=name), said)


# Showing


def shown(screen: Screen, template: str, **more: Any) -> ResponseReturnValue:
    """The page, with its status."""
    return render_template(template, screen=screen, may_undo=may_undo(), **more), screen.status


def may_undo() -> int | None:
    """The revision that the change just saved led to, if it is still the last and may be undone by who looks."""
    revision = request.args.get("saved", "")
    if revision != str(g.clinic.revision) or not clinics.may_undo(g.clinic.id, g.clinic.revision, g.caller):
        return None
    return int(g.clinic.revision)
