"""Delete outputs that no cell of the pipeline has any more: `make tidy`.

These are the outputs of corpora, folds and seeds that were removed from the grid, and the scratch folders of
abandoned runs. Nothing else is deleted.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from scripts.setup import GIVEN
from stages.runtime import scratch
from stages.runtime.errors import run


def main() -> None:
    """Print and delete the orphans below data/ and metrics/."""
    for path in orphans(Path.cwd()):
        print(path)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    scratch.clear()


def orphans(project: Path) -> list[Path]:
    """The topmost files and folders below data/ and metrics/ without any output, pointer or hidden file."""
    from dvc.repo import Repo

    with contextlib.closing(Repo(str(project))) as repo:
        owned = {Path(out.fs_path) for out in repo.index.outs}
    # What DVC does not track in these folders may be somebody's only copy.
    given = {project / "data" / name for name in GIVEN}
    above = {parent for path in owned for parent in path.parents} | given

    def below(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path in owned or path.name.startswith(".") or path.suffix == ".dvc":
                continue
            if path in above:
                yield from below(path)
            elif folder not in given:
                yield path

    return [path for top in ("data", "metrics") if (project / top).is_dir() for path in below(project / top)]


if __name__ == "__main__":
    run(main)
