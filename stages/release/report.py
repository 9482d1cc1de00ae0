"""Write the report that answers the question, and the private page of every error (DVC stage `release_report`)."""

import base64
from pathlib import Path
from typing import ClassVar

import polars as pl

from stages.ner.cells import COLOURS, Sources
from stages.ner.comparison import BLIND, COLUMNS, QUESTION, Compare, count, not_worse, operations
from stages.notes.labels import Labels
from stages.release import error_page, pages, report_content
from stages.runtime import lineage
from stages.runtime.grid import Grid
from stages.runtime.params import Section
from stages.runtime.stage import InFile, InFolder, OutFolder, stage
from stages.scoring.intervals import noise_of_training

FILE = "index.html"
FRAME = "templates/frame.html.j2"


class Report(Section):
    """What the report shows beside the scores, and whether the error page quotes notes."""

    at: ClassVar[str] = "release.report"

    texts: bool
    """Whether the private error page quotes the notes. If false, it shows only how many characters a place has, for
    readers who may not see the notes."""
    ablations: str | None = None
    """Folder of results/ablations whose curves the report shows; null for none."""


@stage("release.report")
def report(
    corpus: str,
    compare: InFolder,
    train: InFolder,
    evaluate: InFolder,
    predictions: InFolder,
    split: InFolder,
    annotator: InFolder,
    annotated: InFolder,
    unadapted: InFolder,
    synthesis: InFolder,
    gate: InFile,
    ablations: InFolder,
    out: OutFolder,
    errors: OutFolder,
    settings: Report,
    comparison: Compare,
    grid: Grid,
    labels: Labels,
) -> str:
    """Write two self-contained HTML pages: the report and the private page of every error.

    The report quotes no note, unless the corpus itself is invented (one of `grid.demos`): then it shows some invented
    notes beside what the base decoder writes.

    compare: the comparison of the arms by ner_compare.
    train: metrics of ner_train, by arm, corpus, fold and seed.
    evaluate: metrics of ner_evaluate, likewise.
    predictions: test notes with predicted spans, likewise.
    split: gold notes by corpus, fold and role.
    annotator: the annotator's training notes, by corpus, fold and seed.
    annotated: invented notes with machine tags, by fold and seed.
    unadapted: texts of the unadapted base decoder, likewise.
    synthesis: metrics of the synthesis stages.
    gate: report of corpora_check.
    ablations: results of the ablations.
    out: the report.
    errors: the private page of every error of the first fold and seed.
    """
    sources = Sources(train, evaluate, predictions, split, annotator)
    names = ("arms", "operation", "labels", "confusion")
    tables = {name: pl.read_csv(compare / f"{name}.csv", infer_schema_length=None) for name in names}
    arms = tables["arms"].to_dicts()
    by_label = tables["labels"].pivot("arm", index=["label", "gold"], values="strict_f1")
    counts = count(sources, grid, corpus)
    curves = sorted((ablations / settings.ablations).glob("*/curve.svg")) if settings.ablations else []
    first = f"{grid.folds[0]}/{grid.seeds[0]}"
    # Of other corpora, invented notes may quote real ones.
    examples = list(report_content.examples(annotated / first, unadapted / first)) if corpus in grid.demos else []
    page = pages.render(
        "templates/report.html.j2",
        frame=FRAME,
        title=f"deidsynth: {corpus}",
        question=QUESTION.partition("?")[0] + "?",
        answer=report_content.answer(arms, comparison.reference),
        few=noise_of_training(len(grid.seeds)),
        not_worse=not_worse,
        corpus=corpus,
        reference=comparison.reference,
        columns=COLUMNS,
        colours=COLOURS,
        blind=BLIND[comparison.blind],
        arms=arms,
        decoding=list(operations(tables["operation"])),
        leaks=report_content.leaks(counts, labels.root, comparison.bootstrap),
        labels=by_label.sort("gold", descending=True, maintain_order=True).to_dicts(),
        confusion=[report_content.matrix(tables["confusion"], row["arm"]) for row in arms],
        calibration=[report_content.calibration(sources, corpus, row["arm"], grid) for row in arms],
        examples=examples,
        ablations={file.parent.name: base64.b64encode(file.read_bytes()).decode() for file in curves},
        gates=report_content.gates(synthesis, gate, corpus),
        cost=report_content.cost(sources, synthesis, corpus, grid),
        fingerprints=report_content.fingerprints(split / corpus),
        settings=Path("params.yaml").read_text(encoding="utf-8"),
    )
    (out / FILE).write_text(page, encoding="utf-8")
    lineage.write(out, lineage.read(annotated / first) if examples else [])
    values, reads = error_page.content(corpus, grid, sources, settings.texts)
    (errors / FILE).write_text(pages.render("templates/errors.html.j2", frame=FRAME, **values), encoding="utf-8")
    lineage.write(errors, reads)
    return "wrote the report, and the private page of every error"


if __name__ == "__main__":
    report.main()
