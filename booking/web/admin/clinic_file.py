"""The clinic as a file, in the browser: download it, check one, load one."""

from __future__ import annotations

from dataclasses import replace

from flask import Response, g, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.actions import clinic as clinics
from booking.actions.clinic import OlderFile, Stranded, StrandedVisit
from booking.formats import clinic_file as file
from booking.formats.clinic_file import ClinicFile, ClinicFileInvalid, Fault
from booking.web.access import allow
from booking.web.admin import screen
from booking.web.admin.blueprint import OWNER, blueprint


@blueprint.get("/admin/<clinic>/file.toml")
@allow("staff", *OWNER)
def download() -> Response:
    response = make_response(clinics.dump(g.clinic.slug))
    response.headers["Content-Type"] = "application/toml; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{g.clinic.slug}.toml"'
    return response


@blueprint.get("/admin/<clinic>/file")
@allow("staff", *OWNER)
def show_file() -> ResponseReturnValue:
    return _page("")


@blueprint.post("/admin/<clinic>/file")
@allow("staff", *OWNER)
def load_file() -> ResponseReturnValue:
    text = _text()
    try:
        wanted = _read(text)
        if "check" in request.form:
            return _page(text, is_checked=True)
        loaded = clinics.save(_forced(wanted), "file", keep_visits="keep" in request.form, by=g.caller, now=g.now)
    except ClinicFileInvalid as invalid:
        return _page(text, faults=invalid.faults, status=422)
    except OlderFile as older:
        return _page(text, older=older, status=409)
    except Stranded as stranded:
        return _page(text, stranded=stranded.visits, status=409)
    return screen.saved(loaded, url_for("admin.show_file"))


def _text() -> str:
    """The chosen file, else what stands in the form. Bytes that are no text become faults."""
    chosen = request.files.get("file")
    if chosen is None or not chosen.filename:
        return str(request.form.get("text", "")).replace("\r\n", "\n")
    return str(chosen.read().decode("utf-8", "replace"))


def _read(text: str) -> ClinicFile:
    """What the file says of this clinic, without staff: those are invited on their own page."""
    wanted = file.parse(text)
    if wanted.clinic.slug != g.clinic.slug:
        said = f'"{g.clinic.slug}", the clinic whose settings these are'
        fault = Fault(_line(text), "clinic.slug", said, f'"{wanted.clinic.slug}"')
        raise ClinicFileInvalid([fault])
    return replace(wanted, staff=())


def _line(text: str) -> int:
    return next((n for n, line in enumerate(text.split("\n"), 1) if line.strip().startswith("slug")), 1)


def _forced(wanted: ClinicFile) -> ClinicFile:
    """The file; if its reader insists, as if it had no revision, and so was written by hand."""
    return replace(wanted, revision=None) if "force" in request.form else wanted


def _page(
    text: str,
    *,
    faults: list[Fault] | None = None,
    older: OlderFile | None = None,
    stranded: tuple[StrandedVisit, ...] = (),
    is_checked: bool = False,
    status: int = 200,
) -> ResponseReturnValue:
    page = render_template(
        "admin/file.html",
        text=text,
        faults=faults or [],
        older=older,
        stranded=stranded,
        is_checked=is_checked,
        may_undo=screen.may_undo(),
    )
    return page, status
