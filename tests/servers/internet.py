"""An open internet on this machine, so that tests see who would be looked up and connected to."""

from __future__ import annotations

PUBLIC = "93.184.215.14"  # never reached: see the fixture `internet`
OTHER = "93.184.215.15"


class Internet:
    """The open internet on this machine: what its names resolve to, and who listens on port 443 of its addresses."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}  # the answers in turn, the last one again and again
        self.listening: dict[str, int] = {}  # the port on loopback
        self.asked: list[str] = []
        self.connected: list[str] = []
