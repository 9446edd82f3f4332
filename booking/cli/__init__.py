"""The commands. Each says with --help what it does, with an example.

Faults go to standard error with exit code 1, wrong usage with 2.
"""

from booking.cli import audit, clinics, moving, running, upkeep
from booking.cli.group import cli

__all__ = ["audit", "cli", "clinics", "main", "moving", "running", "upkeep"]


def main() -> None:
    """The console script."""
    cli(prog_name="booking")
