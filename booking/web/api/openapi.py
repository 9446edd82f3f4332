"""The OpenAPI document: a table of the routes, with schemas from the types that check and answer requests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Response, current_app, json
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from booking.web.access import allow
from booking.web.api import asked, models
from booking.web.api.blueprint import blueprint

REF = "#/components/schemas/{model}"
CLINIC = {"name": "clinic", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Its slug"}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Any text that is new for each appointment; the same one again gives the same appointment",
    "schema": {"type": "string", "minLength": 1, "maxLength": asked.KEY_LENGTH, "pattern": "^[!-~]+$"},
}
PROBLEMS = {
    400: "The request can't be read",
    401: "No valid API key",
    403: "The key's scope does not reach so far",
    404: "No such clinic or appointment",
    409: "The time is taken or not on offer, or the visit's state does not allow this",
    413: "The body is too large",
    415: "The body is not application/json",
    422: "A value can't be used, or the idempotency key came with another body before",
    429: "Too many requests; Retry-After says when to come again",
}
READ_PROBLEMS = (400, 404, 413, 422)
KEY_PROBLEMS = (400, 401, 403, 404, 413)
CHANGE_PROBLEMS = tuple(PROBLEMS)


@dataclass(frozen=True, slots=True)
class Route:
    """One operation, as the document tells of it."""

    method: str
    path: str
    name: str
    summary: str
    gives: tuple[type[BaseModel], ...]
    problems: tuple[int, ...]
    status: int = 200
    scope: str = ""  # of the key; empty: open to everybody
    query: type[models.Asked] | None = None
    body: type[models.Asked] | None = None
    body_required: bool = True
    headers: tuple[dict[str, Any], ...] = ()


_ONE = "/clinics/{clinic}/appointments/{id}"
ROUTES = (
    Route(
        "get",
        "/clinics/{clinic}/slots",
        "slots",
        "Times on offer, one for each practitioner and start; or how many each day has",
        (models.SlotsGiven, models.DaysGiven),
        READ_PROBLEMS,
        query=models.SlotsQuery,
    ),
    Route(
        "get",
        "/clinics/{clinic}/slots/first",
        "firstSlot",
        "The first time on offer",
        (models.FirstGiven,),
        READ_PROBLEMS,
        query=models.FirstQuery,
    ),
    Route(
        "post",
        "/clinics/{clinic}/appointments",
        "book",
        "Book an appointment",
        (models.AppointmentGiven,),
        CHANGE_PROBLEMS,
        status=201,
        scope="book",
        body=models.AppointmentAsked,
        headers=(IDEMPOTENCY_KEY,),
    ),
    Route("get", _ONE, "appointment", "One appointment", (models.AppointmentGiven,), KEY_PROBLEMS, scope="read"),
    Route(
        "post",
        f"{_ONE}/cancel",
        "cancel",
        "Cancel an appointment; again is harmless",
        (models.AppointmentGiven,),
        CHANGE_PROBLEMS,
        scope="book",
        body=models.CancelAsked,
        body_required=False,
    ),
    Route(
        "post",
        f"{_ONE}/reschedule",
        "reschedule",
        "Move an appointment to another time on offer",
        (models.AppointmentGiven,),
        CHANGE_PROBLEMS,
        scope="book",
        body=models.RescheduleAsked,
    ),
)


@blueprint.get("/openapi.json")
@allow("public")
def openapi() -> Response:
    return current_app.response_class(_text(), mimetype="application/json")


@cache
def _text() -> str:
    asked_for = [(kind, "validation") for route in ROUTES for kind in (route.query, route.body) if kind]
    given = [(kind, "serialization") for route in ROUTES for kind in (*route.gives, models.Problem)]
    _, schemas = models_json_schema([*asked_for, *given], ref_template=REF)  # type: ignore[list-item]
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route, schemas["$defs"])
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Clinic booking",
                "version": "1",
                "description": "Free times for everybody; appointments with a clinic's API key.",
            },
            "servers": [{"url": "/api/v1"}],
            "paths": paths,
            "components": {
                "schemas": schemas["$defs"],
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A clinic's API key"}},
            },
        }
    )


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    path_parameters = [CLINIC, ID] if "{id}" in route.path else [CLINIC]
    said: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*path_parameters, *route.headers, *_query_parameters(route, schemas)],
        "responses": {
            str(route.status): {"description": "Done", "content": _content("application/json", *route.gives)},
            **{
                str(status): {
                    "description": PROBLEMS[status],
                    "content": _content("application/problem+json", models.Problem),
                }
                for status in route.problems
            },
        },
    }
    if route.body:
        said["requestBody"] = {"required": route.body_required, "content": _content("application/json", route.body)}
    if route.scope:
        said["security"] = [{"key": []}]
        said["description"] = f"Needs an API key of the clinic with the scope {route.scope}."
    return said


def _query_parameters(route: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = schemas[route.query.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema["required"],
            "description": rule.get("description", ""),
            "schema": _without_null({key: value for key, value in rule.items() if key != "description"}),
        }
        for name, rule in schema["properties"].items()
    ]


def _without_null(rule: dict[str, Any]) -> dict[str, Any]:
    """A parameter is left out rather than null."""
    if "anyOf" not in rule:
        return rule
    (some,) = [choice for choice in rule["anyOf"] if choice.get("type") != "null"]
    return dict(some)


def _content(mimetype: str, *kinds: type[BaseModel]) -> dict[str, Any]:
    choices = [{"$ref": REF.format(model=kind.__name__)} for kind in kinds]
    return {mimetype: {"schema": choices[0] if len(choices) == 1 else {"oneOf": choices}}}
