"""Make this checkout private and ready to run: folders, modes, DVC's local config, MLflow's store. `make setup`."""

import hashlib
import os
import subprocess
from pathlib import Path

from stages.runtime.errors import UserError, run
from stages.runtime.mlflow_store import prepare
from stages.runtime.quiet import PRIVATE, close_private_folders

# Folders of data/ that users fill.
GIVEN = ("raw", "public", "hub", "pairs", "tasks")


def main() -> None:
    """Set everything up; running it again changes nothing."""
    for name in PRIVATE:
        Path(name).mkdir(exist_ok=True)
    close_private_folders()
    for name in (*GIVEN, ".scratch", ".site-cache", ".studies", ".vault"):
        (Path("data") / name).mkdir(mode=0o700, exist_ok=True)
    place = site_cache(Path.cwd())
    subprocess.run(["dvc", "config", "--quiet", "--local", "core.site_cache_dir", str(place)], check=True)
    prepare()


def site_cache(project: Path) -> Path:
    """Return a private, absolute folder for DVC's own databases, which hold hashes and no notes; created if needed.

    DVC's default is readable by all, and a relative path breaks `dvc exp run --temp`. DVC can write only ASCII into
    its configuration, so a checkout below a folder such as José gets one elsewhere.
    """
    place = project.resolve() / "data" / ".site-cache"
    if not str(place).isascii():
        name = hashlib.sha256(str(place).encode()).hexdigest()[:16]
        place = Path("/var/tmp", f"deidsynth-{os.getuid()}", name)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        if place.parent.stat().st_uid != os.getuid():
            raise UserError(f"{place.parent} belongs to somebody else; move this checkout to a path in ASCII")
    place.mkdir(mode=0o700, exist_ok=True)
    return place


if __name__ == "__main__":
    run(main)
