"""Print what the pipeline found, and where to look further: the end of `make repro`."""

from pathlib import Path

from stages.shared.errors import UserError, run

TABLE = Path("metrics/ner/compare/table.md")


def main() -> None:
    """Print ner_compare's table and the way to MLflow."""
    if not TABLE.is_file():
        raise UserError(f"{TABLE}: not there yet; run `make repro`")
    print(TABLE.read_text(encoding="utf-8"))
    print("Every run, with learning curves and scores per label: make ui")


if __name__ == "__main__":
    run(main)
