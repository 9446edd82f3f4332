"""Who is busy when in a visit, as a picture and in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from booking.domain.availability import Stage, stage_faults

WIDTH = 600  # of the drawing, whatever the minutes


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time in a lane: minutes from the start, and where it is drawn."""

    start: int
    end: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    """When somebody is busy; `said` tells it without the picture."""

    name: str
    label: str
    bars: tuple[Bar, ...]
    said: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The lanes of a visit, and the marks of its time line: minutes and where they stand."""

    lanes: tuple[Lane, ...]
    marks: tuple[tuple[int, float], ...]
    minutes: int  # the patient's


def draw(stages: Iterable[Any]) -> Picture | None:
    """The picture of stages as they stand in a tree; None where they can't be a visit."""
    found = tuple(Stage(**stage) for stage in stages if isinstance(stage.get("minutes"), int))
    if not found or stage_faults(found):
        return None
    total = sum(stage.minutes for stage in found)
    ends = [sum(stage.minutes for stage in found[: n + 1]) for n in range(len(found))]
    labels = {"patient": _("Patient"), "practitioner": _("Practitioner"), "room": _("Room")}
    return Picture(
        tuple(_lane(name, label, found, total) for name, label in labels.items()),
        tuple((minute, minute * WIDTH / total) for minute in [0, *ends]),
        sum(stage.minutes for stage in found if stage.patient),
    )


def _lane(name: str, label: str, stages: tuple[Stage, ...], total: int) -> Lane:
    spans: list[tuple[int, int]] = []
    now = 0
    for stage in stages:
        if getattr(stage, name):
            first = spans.pop()[0] if spans and spans[-1][1] == now else now
            spans.append((first, now + stage.minutes))
        now += stage.minutes
    bars = tuple(Bar(start, end, start * WIDTH / total, (end - start) * WIDTH / total) for start, end in spans)
    said = ", ".join(_("%(start)s to %(end)s", start=start, end=end) for start, end in spans)
    return Lane(name, label, bars, said or _("not needed"))
