"""A parcel: files in a new folder or a new zip, written one after the other, with a manifest of what was packed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

MANIFEST = "manifest.json"
Write = Callable[[str], None]


class Parcel:
    """What is being packed. Only its owner may read the files."""

    def __init__(self, target: Path, archive: zipfile.ZipFile | None) -> None:
        self._target, self._archive = target, archive
        self.files: dict[str, dict[str, object]] = {}

    @contextmanager
    def file(self, name: str) -> Iterator[Write]:
        """Write one file, in UTF-8, by calling what this gives."""
        digest, size = hashlib.sha256(), 0
        with self._opened(name) as out:

            def write(text: str) -> None:
                nonlocal size
                content = text.encode()
                digest.update(content)
                size += out.write(content)

            yield write
        self.files[name] = {"bytes": size, "sha256": digest.hexdigest()}

    def _opened(self, name: str) -> IO[bytes]:
        if self._archive:
            return self._archive.open(name, "w", force_zip64=True)
        return os.fdopen(_create(self._target / name), "wb")


@contextmanager
def packed(target: Path, facts: Mapping[str, object]) -> Iterator[Parcel]:
    """Pack a parcel at `target`, a zip if it is called so, else a folder; its manifest says these facts too.

    Nothing may be there yet; nothing stays there if the packing fails. Raises FileExistsError.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    with ExitStack() as stack:
        try:
            archive = None
            if target.suffix == ".zip":
                file = stack.enter_context(os.fdopen(_create(target), "wb"))
                archive = stack.enter_context(zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED))
            else:
                target.mkdir(mode=0o700, parents=True)
            parcel = Parcel(target, archive)
            yield parcel
            manifest = {**facts, "files": dict(parcel.files)}
            with parcel.file(MANIFEST) as write:
                write(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        except BaseException:
            stack.pop_all().close()
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
            raise


def _create(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
