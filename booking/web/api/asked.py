"""From a request to checked values: bodies and query strings by their types, slugs by the clinic's plan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, TypeVar

from flask import g, request
from pydantic import ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from booking.domain.access import digest
from booking.domain.availability import Location, Plan, Practitioner, Service, Wish
from booking.domain.errors import Invalid
from booking.store.access import IdempotencyKey
from booking.web.api.models import Asked
from booking.web.errors import Refused

Q = TypeVar("Q", bound=Asked)
N = TypeVar("N", Service, Practitioner, Location)
KEY_LENGTH = 100


def query(kind: type[Q]) -> Q:
    """The query string as `kind`. Raises Refused (422) that names each wrong, unknown or repeated parameter."""
    values = request.args.to_dict(flat=False)
    repeated = [name for name, given in values.items() if len(given) > 1]
    if repeated:
        raise Refused(422, "Give each parameter once.", [(name, "is given more than once") for name in repeated])
    try:
        return kind.model_validate_strings({name: given[0] for name, given in values.items()})
    except ValidationError as error:
        _refuse(error)


def body(kind: type[Q], *, may_be_empty: bool = False) -> Q:
    """The JSON body as `kind`. Raises Refused: 400 for broken JSON, 422 that names each wrong or unknown field."""
    data = request.get_data()
    if not data and may_be_empty:
        return kind()
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if faults[0]["type"] == "json_invalid":
        raise Refused(400, "The body is not valid JSON.") from None
    pairs = [(".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")) for fault in faults]
    raise Refused(422, "Some values can't be used.", pairs) from None


def idempotency_key(asked: Asked) -> IdempotencyKey:
    """The request's own key, which makes its repetition harmless. Raises Refused (400) without a usable one."""
    text = request.headers.get("Idempotency-Key", "")
    if not 1 <= len(text) <= KEY_LENGTH or not (text.isascii() and text.isprintable()):
        raise Refused(400, f"Send an Idempotency-Key header of 1 to {KEY_LENGTH} visible ASCII characters.")
    return IdempotencyKey(str(g.caller.id), text, digest(asked.model_dump_json()))


def wish(plan: Plan, service: str, practitioner: str | None, location: str | None, *, new: bool) -> Wish:
    """What is asked for, by slugs. Raises Invalid that names the slug this clinic does not have."""
    return Wish(
        _by_slug(plan.services.values(), "service", service).id,
        new=new,
        practitioner=practitioner_id(plan, practitioner),
        location=_by_slug(plan.locations.values(), "location", location).id if location else None,
    )


def practitioner_id(plan: Plan, slug: str | None) -> int | None:
    """The id of the practitioner of that slug, None for None. Raises Invalid."""
    return _by_slug(plan.practitioners.values(), "practitioner", slug).id if slug else None


def _by_slug(entries: Iterable[N], field: str, slug: str) -> N:
    for entry in entries:
        if entry.slug == slug:
            return entry
    raise Invalid({field: "unknown"})
