"""Print the results of the pipeline and where to find more: the end of `make repro`."""

from pathlib import Path

from stages.runtime import params
from stages.runtime.errors import UserError, run
from stages.runtime.grid import Grid


def main() -> None:
    """Print the tables of both branches, and what else there is to look at."""
    grid = params.parse(Grid, "grid", params.read())
    compared = {"ner": grid.synthesized, "pretraining": grid.rewritten}
    for table in (Path("metrics", branch, "compare", c, "table.md") for branch in compared for c in compared[branch]):
        if not table.is_file():
            raise UserError(f"{table}: no such file; `make repro` writes it")
        print(table.read_text(encoding="utf-8"))
    for corpus in grid.synthesized:
        print(f"The report: data/release/report/{corpus}/index.html; every error: data/release/errors/{corpus}")
    print("All runs, with learning curves and scores by label: make ui")


if __name__ == "__main__":
    run(main)
