"""When a patient is reminded of a visit by mail."""

from __future__ import annotations

from datetime import timedelta

BEFORE = timedelta(hours=24)  # a reminder goes out so long before the start …
QUIET = timedelta(hours=12)  # … but not to somebody who was told of the visit so shortly ago
