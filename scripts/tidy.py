"""Delete what no cell of the pipeline owns any more: `make tidy`.

Outputs of a corpus, fold or seed that left the grid, scratch of abandoned runs, and with them nothing else.
"""

import contextlib
import shutil
from pathlib import Path

from scripts.setup import GIVEN
from stages.shared.errors import run


def main() -> None:
    """Print and delete the orphans below data/ and metrics/."""
    for path in orphans(Path.cwd()):
        print(path)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree("data/.scratch", ignore_errors=True)


def orphans(project: Path) -> list[Path]:
    """The topmost files and folders below data/ and metrics/ that hold no output, pointer or hidden file."""
    from dvc.repo import Repo

    with contextlib.closing(Repo(str(project))) as repo:
        owned = {Path(out.fs_path) for out in repo.index.outs}
    # What is not under DVC's care here may be somebody's only copy.
    given = {project / "data" / name for name in GIVEN}
    above = {parent for path in owned for parent in path.parents} | given

    def below(folder: Path) -> list[Path]:
        found: list[Path] = []
        for path in sorted(folder.iterdir()):
            if path in owned or path.name.startswith(".") or path.suffix == ".dvc":
                continue
            if path not in above and folder not in given:
                found.append(path)
            elif path in above:
                found.extend(below(path))
        return found

    return [path for top in ("data", "metrics") if (project / top).is_dir() for path in below(project / top)]


if __name__ == "__main__":
    run(main)
