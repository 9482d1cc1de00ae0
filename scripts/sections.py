"""Check params.yaml before anything runs: every cell loads its sections, as its stage would.

`python -m scripts.sections` checks the project it is started in.
"""

import contextlib
import importlib
import io
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from stages.shared import params
from stages.shared.errors import UserError, run


class Cell(NamedTuple):
    """One cell of the pipeline: its name, its command and the sections that dvc.yaml declares for it."""

    name: str
    command: str
    declared: frozenset[str]


class _Loaded(BaseException):
    """All declared sections are loaded: the stage goes no further."""


def cells(project: Path) -> list[Cell]:
    """The cells of a project's pipeline, from DVC's own reading of dvc.yaml."""
    from dvc.dependency.param import ParamsDependency
    from dvc.repo import Repo

    with contextlib.closing(Repo(str(project))) as repo:
        return [
            Cell(
                stage.name,
                stage.cmd,
                frozenset(
                    name for dep in stage.deps if isinstance(dep, ParamsDependency) for name in dep.params
                ),
            )
            for stage in repo.index.stages
            if stage.cmd
        ]


def loaded(project: Path, cell: Cell, further: bool = False) -> set[str]:
    """Names of the sections that a cell's stage loads until it has all declared ones or misses its input.

    The stage's `main` runs in an empty folder with nothing but params.yaml, in this process. Raises UserError for
    a section that the stage refuses. With `further` it runs on to where it misses its input, to find sections that
    are not declared; a stage whose input is a hub would ask the hub.
    """
    _, _, module, *arguments = shlex.split(cell.command)
    names: set[str] = set()
    refused: list[UserError] = []
    parse = params.parse

    def recording(section: Any, name: str, *rest: Any) -> Any:
        try:
            result = parse(section, name, *rest)
        except UserError as error:
            refused.append(error)
            raise
        # A class that ignores keys only peeks, to choose the class that checks them.
        if section.model_config.get("extra") != "ignore":
            names.add(name)
        if names >= cell.declared and not further:
            raise _Loaded
        return result

    main = importlib.import_module(module).main
    with _empty(project / "params.yaml"), contextlib.redirect_stderr(io.StringIO()):
        argv, sys.argv, params.parse = sys.argv, [module, *arguments], recording
        try:
            main()
        except (Exception, SystemExit, _Loaded):
            if refused:
                raise refused[0] from None
        finally:
            sys.argv, params.parse = argv, parse
    return names


def check(project: Path) -> None:
    """Raise UserError with every message about params.yaml of `project`, each once."""
    messages: dict[str, None] = {}
    # Cells of one module that declare the same sections load the same: one of them, for profiles of hundreds.
    alike = {(shlex.split(cell.command)[2], cell.declared): cell for cell in cells(project)}
    for cell in alike.values():
        try:
            loaded(project, cell)
        except UserError as error:
            messages.update(dict.fromkeys(str(error).splitlines()))
    if messages:
        raise UserError("\n".join(messages))


@contextlib.contextmanager
def _empty(settings: Path) -> Iterator[None]:
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(settings, Path(folder) / "params.yaml")
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(home)


if __name__ == "__main__":
    run(lambda: check(Path.cwd()))
