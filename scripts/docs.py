"""Write Great Expectations' data docs of every gate to reports/: `make docs`.

The gates run again beside the pipeline, on the note tables that are there; nothing of DVC's is touched.
"""

import subprocess
import tempfile
from pathlib import Path

from scripts import sections
from stages.shared.errors import UserError, run

GATES = ("corpora_check", "synthesis_check")


def main() -> None:
    """Write one site for each cell of a gate whose notes exist."""
    written = 0
    for cell in sections.cells(Path.cwd()):
        gate, _, name = cell.name.partition("@")
        words = cell.command.split()
        if gate not in GATES or not Path(words[words.index("--notes") + 1]).is_dir():
            continue
        site = Path("reports") / gate / name
        with tempfile.TemporaryDirectory() as folder:
            # The last of two values of an option counts.
            aside = ["--report", f"{folder}/report.json", "--passed", f"{folder}/passed", "--docs", str(site)]
            subprocess.run([*words, *aside], check=False)
        if not (site / "index.html").is_file():
            raise UserError(f"{cell.name}: no data docs were written, for the reason above")
        print(site / "index.html")
        written += 1
    if not written:
        raise UserError("no notes to check yet; run `make repro` first")


if __name__ == "__main__":
    run(main)
