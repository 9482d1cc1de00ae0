"""Write the results tables of README.md and docs/ from results/: `make tables`.

A block between `<!-- study x -->` and `<!-- /study -->` is replaced by what results/x/ records: ner_compare's table,
the commit, the machine and the time; `<!-- rewriting x -->` by what pretraining_compare found. Nothing between such
marks is written by hand.
"""

import re
from pathlib import Path

from stages.shared.errors import run
from stages.shared.outputs import read_json

RESULTS = Path("results")
BLOCK = re.compile(r"(<!-- (study|rewriting) ([\w-]+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


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
    """A study's comparison of one branch, and from which commit, machine and time it comes."""
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


if __name__ == "__main__":
    run(main)
