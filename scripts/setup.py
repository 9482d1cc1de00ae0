"""Make this checkout private and ready to run: folders, modes, DVC's local config, MLflow's store. `make setup`."""

import subprocess
from pathlib import Path

from stages.runtime.errors import run
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
    # DVC's default lies outside the project and is readable by all; a relative one breaks `dvc exp run --temp`.
    site_cache = Path("data/.site-cache").resolve()
    subprocess.run(["dvc", "config", "--quiet", "--local", "core.site_cache_dir", str(site_cache)], check=True)
    prepare()


if __name__ == "__main__":
    run(main)
