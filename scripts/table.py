"""Print what the pipeline found, and where to look further: the end of `make repro`."""

from pathlib import Path

from stages.shared import params
from stages.shared.errors import UserError, run
from stages.shared.grid import Grid

TABLE = Path("metrics/ner/compare/table.md")
REWRITTEN = Path("metrics/pretraining/compare")


def main() -> None:
    """Print the tables of both branches and the way to MLflow."""
    if not TABLE.is_file():
        raise UserError(f"{TABLE}: not there yet; run `make repro`")
    rewritten = params.load(Grid, "grid").rewritten
    for table in (TABLE, *(REWRITTEN / corpus / "table.md" for corpus in rewritten)):
        print(table.read_text(encoding="utf-8"))
    print("Every run, with learning curves and scores per label: make ui")


if __name__ == "__main__":
    run(main)
