"""What the repository may hold: nothing of one machine, no address of a package registry."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Put together here, so that this file does not find itself.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry.npm" + "js.org",
    "registry.yarn" + "pkg.com",
    "deb.debian" + ".org",
]
FORBIDDEN = re.compile("|".join(map(re.escape, REGISTRIES)) + r"|(?<![\w.])/(?:work|root|home/\w+)" + "/")


def tracked() -> list[str]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in listing.stdout.split("\0") if (ROOT / name).is_file()]


def faults(name: str, text: str) -> list[str]:
    return [f"{name}:{number}" for number, line in enumerate(text.splitlines(), 1) if FORBIDDEN.search(line)]


def test_no_tracked_file_names_a_registry_or_a_path_of_one_machine() -> None:
    names = tracked()
    assert "pyproject.toml" in names
    found = [fault for name in names for fault in faults(name, (ROOT / name).read_text("utf-8", errors="replace"))]
    assert found == []


@pytest.mark.parametrize("line", [f"https://{REGISTRIES[0]}/simple", "see /ro" + "ot/notes", "'/wo" + "rk/main'"])
def test_such_a_line_would_be_found(line: str) -> None:
    assert faults("made-up", f"first\n{line}") == ["made-up:2"]


def test_the_locks_are_hashed_and_no_other_lock_is_tracked() -> None:
    assert not {name for name in tracked() if re.fullmatch(r"uv\.lock|pylock.*\.toml", Path(name).name)}
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text("utf-8")
        pins = re.findall(r"^\S+==\S+.*\\\n(?:\s+--hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+", text, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^\S+==", text, re.MULTILINE)) > 20, name
