"""Check params.yaml before anything runs: load the settings of every cell, as its stage will.

`python -m scripts.check_params` checks the project in the working directory.
"""

import contextlib
import shlex
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from stages.runtime import params
from stages.runtime.errors import UserError, run
from stages.runtime.stage import Stage, find


class Cell(NamedTuple):
    """One cell of the pipeline: its name, its command, and the sections of params.yaml that dvc.yaml declares."""

    name: str
    command: str
    declared: frozenset[str]

    @property
    def stage(self) -> Stage[Any]:
        """The stage that the command runs."""
        return find(self.name.partition("@")[0])

    @property
    def arguments(self) -> dict[str, Any]:
        """The values of the axes, inputs and outputs in the command; UserError if the stage refuses one."""
        parser = self.stage.parser()

        def refuse(message: str) -> NoReturn:
            raise UserError(f"dvc.yaml: {self.stage.name.replace('.', '_', 1)}: {message}")

        parser.error = refuse  # type: ignore[method-assign]
        return vars(parser.parse_args(shlex.split(self.command)[3:]))


def cells(project: Path) -> list[Cell]:
    """The cells of a project's pipeline, as DVC reads dvc.yaml and params.yaml."""
    from dvc.dependency.param import ParamsDependency
    from dvc.repo import Repo

    def declared(stage: Any) -> frozenset[str]:
        return frozenset(name for dep in stage.deps if isinstance(dep, ParamsDependency) for name in dep.params)

    with contextlib.closing(Repo(str(project))) as repo:
        return [Cell(stage.name, stage.cmd, declared(stage)) for stage in repo.index.stages if stage.cmd]


def check(project: Path) -> None:
    """Raise UserError with every mistake in the params.yaml of `project`, each once."""
    content = params.read(project / "params.yaml")
    mistakes: list[str] = []
    for cell in cells(project):
        try:
            cell.stage.load(cell.arguments, content)
        except UserError as error:
            mistakes += str(error).splitlines()
    if mistakes:
        raise UserError("\n".join(dict.fromkeys(mistakes)))


if __name__ == "__main__":
    run(lambda: check(Path.cwd()))
