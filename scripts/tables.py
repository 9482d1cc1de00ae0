"""Write the results tables of README.md and docs/ from results/: `make tables`.

A block between `<!-- study x -->` and `<!-- /study -->` is replaced by what results/x/ records: ner_compare's table,
the commit, the machine and the time; `<!-- rewriting x -->` by what pretraining_compare found; `<!-- ablations x -->`
by the points of the profile's ablations. Nothing between such marks is written by hand.
"""

import re
from pathlib import Path
from typing import Any

import polars as pl

from scripts.ablation import SCHEMA
from stages.shared.errors import run
from stages.shared.outputs import read_json

RESULTS = Path("results")
BLOCK = re.compile(r"(<!-- (study|rewriting|ablations) ([\w-]+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def main() -> None:
    """Update every page that has a block."""
    for page in pages():
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


def pages() -> list[Path]:
    """README.md and the pages of docs/."""
    return [Path("README.md"), *sorted(Path("docs").glob("*.md"))]


def filled(text: str) -> str:
    """`text` with every block as results/ has it now."""
    return BLOCK.sub(lambda found: found.group(1) + table(*found.group(2, 3)) + found.group(4), text)


def table(kind: str, study: str) -> str:
    """A study's comparison of one branch, and from which commit, machine and time it comes; or its ablations."""
    if kind == "ablations":
        return "".join(["\n", *map(ablation, sorted((RESULTS / "ablations" / study).glob("*/points.csv")))])
    folder = RESULTS / study
    branch = {"study": "ner", "rewriting": "pretraining"}[kind]
    comparisons = sorted((folder / "metrics" / branch / "compare").rglob("table.md"))
    if not comparisons:
        return f"\nNot recorded yet: `make study PROFILE={study}`.\n\n"
    record = read_json(folder / "study.json")
    machine = record["machine"]
    computed = sum(record["seconds"].values()) / 60
    restored = len(record.get("restored", []))
    note = f" ({restored} cells unchanged since an earlier run, with its times)" if restored else ""
    found = "\n".join(table.read_text(encoding="utf-8") for table in comparisons)
    return (
        f"\n{found}\n"
        f"`make study PROFILE={study}` at commit {record['commit'][:10]}: {computed:.0f} minutes of stages{note} on "
        f"{machine['cores']} cores ({machine['cpu']}), no GPU. Settings, times per stage and all metrics: "
        f"[results/{study}](results/{study}).\n\n"
    )


def ablation(points: Path) -> str:
    """The points of one axis: scores by arm and budget, missing ones too, and the picture."""
    axis, profile = points.parent.name, points.parent.parent.name
    record = read_json(points.with_name("study.json"))
    head = [
        "point",
        "budget",
        "trained on",
        "strict F1 (95 %)",
        "token F1",
        "PII words hidden",
        "words",
        "steps",
    ]
    # Axes without a plain point may lack its columns.
    parts = [pl.DataFrame(schema=SCHEMA), pl.read_csv(points, infer_schema_length=None)]
    table = pl.concat(parts, how="diagonal_relaxed").sort("budget", "x", maintain_order=True)
    compared = table["gain"].count() > 0
    if compared:
        head += ["select F1", "test F1 minus plain (95 %)", "p (Holm)"]
    lines = [head, ["---:"] + ["---"] * 2 + ["---:"] * (len(head) - 3)]
    for row in table.iter_rows(named=True):
        scores = ["missing", *["–"] * (len(head) - 4)]
        if row["status"] == "done":
            interval = f"{row['strict_f1_low']:.3f}–{row['strict_f1_high']:.3f}"
            scores = [f"**{row['strict_f1']:.3f}** ({interval})", f"{row['token_f1']:.3f}"]
            scores += [f"{row['blind_recall']:.3f}", f"{row['words']:,.0f}", f"{row['steps']:,.0f}"]
            if compared:
                scores += _gain(row)
        lines.append([f"{row['x']:g}", row["budget"], row["arm"] or "–", *scores])
    return "\n".join(
        [
            f"### {axis}",
            "",
            *("| " + " | ".join(line) + " |" for line in lines),
            "",
            f"![{axis}](../{points.with_name('curve.svg').as_posix()})",
            "",
            f"`make ablation AXIS={axis} PROFILE={profile}` at commit {record['commit'][:10]}.",
            "",
            "",
        ]
    )


def _gain(row: dict[str, Any]) -> list[str]:
    """F1 on select notes, which chooses, and the gain on test notes, which confirms."""
    chosen = f"{row['select_f1']:.3f}"
    if row["gain"] is None:
        return [chosen, "–", "–"]
    gain, low, high = (f"{row[name]:+.3f}" for name in ("gain", "gain_low", "gain_high"))
    return [chosen, f"{gain} ({low} to {high})", f"{row['gain_p']:.3f}"]


if __name__ == "__main__":
    run(main)
