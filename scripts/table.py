"""Print what the pipeline found, and where to look further: the end of `make repro`."""

from pathlib import Path

from stages.shared import params
from stages.shared.errors import UserError, run
from stages.shared.grid import Grid

METRICS = Path("metrics")


def main() -> None:
    """Print the tables of both branches and the way to MLflow."""
    grid = params.load(Grid, "grid")
    for table in (
        *(METRICS / "ner" / "compare" / corpus / "table.md" for corpus in grid.synthesized),
        *(METRICS / "pretraining" / "compare" / corpus / "table.md" for corpus in grid.rewritten),
    ):
        if not table.is_file():
            raise UserError(f"{table}: not there yet; run `make repro`")
        print(table.read_text(encoding="utf-8"))
    for corpus in grid.synthesized:
        print(
            f"The report: data/release/report/{corpus}/index.html; every error: data/release/errors/{corpus}"
        )
    print("Every run, with learning curves and scores per label: make ui")


if __name__ == "__main__":
    run(main)
