"""Write Great Expectations' data docs of every gate to reports/: `make docs`.

They are made from the note tables that exist. Nothing that DVC tracks is changed.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.check_params import Cell, cells
from stages.gates import gate
from stages.runtime import params
from stages.runtime.errors import UserError, run


def main() -> None:
    """Write one site for each cell of a gate whose inputs exist."""
    content = params.read()
    gates = [cell for cell in cells(Path.cwd()) if any(marker.in_place for marker in cell.stage.outputs.values())]
    ready = [cell for cell in gates if all(Path(cell.arguments[name]).is_dir() for name in cell.stage.inputs)]
    if not ready:
        raise UserError("no notes to check yet; run `make repro` first")
    for cell in ready:
        site = Path("reports", *cell.name.split("@"))
        gate.write_docs(*evidence(cell, content), site)
        print(site / "index.html")


def evidence(cell: Cell, content: Mapping[str, Any]) -> tuple[Any, Any]:
    """The facts and the expectations of a gate, by the function `evidence` in the module of its stage."""
    arguments = cell.arguments
    inputs = {name: Path(arguments[name]) for name in cell.stage.inputs}
    given = {**arguments, **inputs, **cell.stage.load(arguments, content)}
    function = inspect.getmodule(cell.stage.function).evidence  # type: ignore[union-attr]
    return function(**{name: given[name] for name in inspect.signature(function).parameters})


if __name__ == "__main__":
    run(main)
