"""Write the results tables of README.md and docs/ from results/: `make tables`.

A block between `<!-- study x -->` and `<!-- /study -->` is replaced by the table of ner_compare in results/x/, with
the commit, the machine and the time; `<!-- rewriting x -->` by the table of pretraining_compare; `<!-- summary x -->`
by the main columns of ner_compare; and `<!-- ablations x -->` by the points of the profile's ablations. Nothing
between such marks is written by hand.
"""

import re
from pathlib import Path
from typing import Any

import polars as pl

from scripts.ablation import SCHEMA
from stages.runtime import markdown
from stages.runtime.errors import run
from stages.runtime.outputs import read_json
from stages.scoring.intervals import noise_of_training
from stages.scoring.scores import shown

RESULTS = Path("results")
BLOCK = re.compile(r"(<!-- (study|rewriting|summary|ablations) ([\w-]+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def main() -> None:
    """Update every page that has a block."""
    for page in pages():
        page.write_text(filled(page), encoding="utf-8")


def pages() -> list[Path]:
    """README.md and the pages of docs/."""
    return [Path("README.md"), *sorted(Path("docs").glob("*.md"))]


def filled(page: Path) -> str:
    """The text of a page with the current content of every block. Its links are relative to the page's folder."""
    root = "../" * len(page.parent.parts)

    def block(found: re.Match[str]) -> str:
        return found[1] + table(found[2], found[3], root) + found[4]

    return BLOCK.sub(block, page.read_text(encoding="utf-8"))


def table(kind: str, study: str, root: str) -> str:
    """What stands in a block of one kind for a study, or for a profile's ablations."""
    if kind == "ablations":
        axes = sorted((RESULTS / "ablations" / study).glob("*/points.csv"))
        return "\n" + "".join(ablation(points, root) for points in axes)
    folder = RESULTS / study
    name = "arms.csv" if kind == "summary" else "table.md"
    branch = "pretraining" if kind == "rewriting" else "ner"
    found = sorted((folder / "metrics" / branch / "compare").rglob(name))
    if not found:
        return f"\nNot recorded yet: `make study PROFILE={study}`.\n\n"
    if kind == "summary":
        return "\n" + "".join(map(summary, found))
    record = read_json(folder / "study.json")
    machine, restored = record["machine"], len(record.get("restored", []))
    gpu = f"one {machine['gpu']}" if machine.get("gpu") else "no GPU"
    computed = sum(record["seconds"].values()) / 60
    note = f" ({restored} cells unchanged since an earlier run, with its times)" if restored else ""
    tables = "\n".join(table.read_text(encoding="utf-8") for table in found)
    return (
        f"\n{tables}\n"
        f"`make study PROFILE={study}` at commit {record['commit'][:10]}: {computed:.0f} minutes of stages{note} on "
        f"{machine['cores']} cores ({machine['cpu']}), {gpu}. Settings, times and scores: "
        f"[results/{study}]({root}results/{study}).\n\n"
    )


def summary(arms: Path) -> str:
    """The main columns of ner_compare for one corpus, by arm."""
    head = ("trained on", "strict F1 (95 %)", "PII words hidden", "leaks per note", "F1 minus real (95 %)")
    table = pl.read_csv(arms)
    rows = [
        (row["arm"], _f1(row), *_rounded(row, "blind_recall", "leaks_per_note"),
         "—" if row["arm"] == "real" else _gain(row, "difference"))
        for row in table.iter_rows(named=True)
    ]  # fmt: skip
    # Older records have no column of replicates, and one fold.
    few = noise_of_training(table["replicates" if "replicates" in table.columns else "runs"][0])
    return "\n".join([*markdown.table(head, rows, "lr"), "", *([f"{few}.", ""] if few else []), ""])


def ablation(points: Path, root: str) -> str:
    """The points of one axis: scores by arm and budget, also of missing points, and the figure.

    If the axis has a plain point: F1 on the select notes, by which a point is chosen, and its gain on the test notes.
    """
    axis, profile = points.parent.name, points.parent.parent.name
    commit = read_json(points.with_name("study.json"))["commit"]
    head = ["point", "budget", "trained on", "strict F1 (95 %)", "token F1", "PII words hidden", "words", "steps"]
    # Axes without a plain point may lack its columns.
    parts = [pl.DataFrame(schema=SCHEMA), pl.read_csv(points, infer_schema_length=None)]
    table = pl.concat(parts, how="diagonal_relaxed").sort("budget", "x", maintain_order=True)
    tested = table["gain"].count() > 0
    if tested:
        head += ["select F1", "test F1 minus plain (95 %)", "p (Holm)"]
    rows = []
    for row in table.iter_rows(named=True):
        scores = ["missing", *["–"] * (len(head) - 4)]
        if row["status"] == "done":
            scores = [_f1(row), *_rounded(row, "token_f1", "blind_recall")]
            scores += [f"{row['words']:,.0f}", f"{row['steps']:,.0f}"]
            gain = ["–", "–"] if row["gain"] is None else [_gain(row, "gain"), shown(row["gain_p"], "–")]
            scores += [*_rounded(row, "select_f1"), *gain] if tested else []
        rows.append([f"{row['x']:g}", row["budget"], row["arm"] or "–", *scores])
    figure = f"![{axis}]({root}{points.with_name('curve.svg').as_posix()})"
    made = f"`make ablation AXIS={axis} PROFILE={profile}` at commit {commit[:10]}."
    return "\n".join([f"### {axis}", "", *markdown.table(head, rows, "rllr"), "", figure, "", made, "", ""])


def _rounded(row: dict[str, Any], *names: str) -> list[str]:
    return [f"{row[name]:.3f}" for name in names]


def _f1(row: dict[str, Any]) -> str:
    return f"**{row['strict_f1']:.3f}** ({row['strict_f1_low']:.3f}–{row['strict_f1_high']:.3f})"


def _gain(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:+.3f} ({row[f'{name}_low']:+.3f} to {row[f'{name}_high']:+.3f})"


if __name__ == "__main__":
    run(main)
