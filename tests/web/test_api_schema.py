"""The API against its own OpenAPI document: made-up requests, good and bad, and what each may be answered with."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from schemathesis import openapi
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.cast import Make

KNOWN = {"service": ["visit", "needles"], "practitioner": ["bo", "dee"], "location": ["main"], "clinic": ["elm"]}


@pytest.mark.settings(rate_limits="off")
def test_answers_keep_to_the_document(app: Flask, make: Make, live_server: str) -> None:
    visit = make.appointment("Tue 09:00")
    document = app.test_client().get("/api/v1/openapi.json").json
    narrow(document, KNOWN | {"id": [visit.public_id]})
    config = SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "base-url": f"{live_server}/api/v1",
            "headers": {"Authorization": f"Bearer {make.key('book')}"},
            "generation": {"max-examples": 12},
            "phases": {"fuzzing": {"enabled": True}, "stateful": {"enabled": False}},
            # Well-formed requests may ask for what there is not: a date after the last, a phone that can't be one.
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 409, 422]}},
        }
    )
    faults, asked = [], 0
    for event in from_schema(openapi.from_dict(document, config=config)).execute():
        match event:
            case events.ScenarioFinished():
                asked += len(event.recorder.interactions)
                faults += [
                    f"{event.label} {check.name}: {check.failure_info.failure}"
                    for checks in event.recorder.checks.values()
                    for check in checks
                    if check.failure_info
                ]
            case events.NonFatalError() | events.FatalError():
                faults.append(repr(event))
    assert not faults, "\n".join(faults[:5])
    assert asked > 100


def narrow(document: Any, known: dict[str, list[str]]) -> None:
    """Let the document know what there is, so that good requests are good."""
    if isinstance(document, list):
        for part in document:
            narrow(part, known)
    elif isinstance(document, dict):
        if "schema" in document and document.get("name") in known:
            document["schema"]["enum"] = known[document["name"]]
        for name, rule in document.get("properties", {}).items():
            if name in known and "pattern" in str(rule):
                strings = [rule, *rule.get("anyOf", [])]
                next(part for part in strings if part.get("type") == "string")["enum"] = known[name]
        for part in document.values():
            narrow(part, known)
