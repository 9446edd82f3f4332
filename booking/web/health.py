"""Whether the program runs and whether it can serve: for load balancers and monitors."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, current_app

from booking.store import schema
from booking.store.base import db
from booking.web.access import allow

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@allow("public")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@blueprint.get("/readyz")
@allow("public")
def readyz() -> tuple[dict[str, str], int]:
    """503 without a database or with one of another revision; nothing about it leaves the house."""
    try:
        db.session.execute(sa.text("select 1"))
        schema.check(db.engine)
    except (sa.exc.SQLAlchemyError, schema.WrongSchema) as error:
        current_app.logger.error("not ready: %s", type(error).__name__)
        return {"status": "not ready"}, 503
    return {"status": "ready"}, 200
