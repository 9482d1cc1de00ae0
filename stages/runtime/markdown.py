"""Markdown that stages write into reports."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]], align: str = "") -> list[str]:
    """Return the lines of a Markdown table.

    `align` has one letter per column, `l` or `r`; columns beyond its end are aligned like its last one, or to the
    left if it is empty. Cells are converted by `str`; `|` is escaped and line breaks become spaces. Raises ValueError
    if a row has another number of cells than `head`.
    """
    align = (align or "l").ljust(len(head), align[-1:] or "l")
    lines = [_line(head), _line(["---:" if side == "r" else "---" for side in align[: len(head)]])]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"a row of {len(row)} cells in a table of {len(head)} columns")
        lines.append(_line(row))
    return lines


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(" ".join(str(cell).replace("|", r"\|").splitlines()) for cell in cells) + " |"
