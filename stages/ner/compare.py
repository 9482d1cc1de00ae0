"""Compare the arms: what does training on invented notes cost? (DVC stage `ner_compare`)"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.ner import comparison
from stages.ner.cells import COLOURS, Cell, Sources, cells, require
from stages.runtime.errors import UserError
from stages.runtime.grid import Grid
from stages.runtime.mlflow_store import describe
from stages.runtime.outputs import read_json, write_json
from stages.runtime.stage import InFolder, OutFolder, stage
from stages.runtime.tracking import track

# The scores in the order of MLflow's charts: those that decide, then the others, each once.
_CHARTS = dict.fromkeys(("strict_f1", "strict_recall", "leaks_per_note", "blind_recall", *comparison.COLUMNS))


@stage("ner.compare")
def compare(
    corpus: str,
    train: InFolder,
    evaluate: InFolder,
    predictions: InFolder,
    split: InFolder,
    annotator: InFolder,
    out: OutFolder,
    settings: comparison.Compare,
    grid: Grid,
) -> str:
    """Compare the arms of a corpus, pooled over folds and averaged over seeds.

    train: metrics of ner_train.
    evaluate: metrics of ner_evaluate.
    predictions: note tables with predicted spans.
    split: gold notes by corpus, fold and role.
    annotator: the annotator's training notes, by corpus, fold and seed.
    out: the table, its data, and the data of the plots.
    """
    if settings.reference not in grid.arms:
        raise UserError(f"params.yaml: ner.compare.reference is {settings.reference}, which is not among grid.arms")
    sources, wanted = Sources(train, evaluate, predictions, split, annotator), cells(grid, corpus)
    require(sources, wanted)
    trained, evaluated = ({cell: read_json(sources.metrics(cell)[side]) for cell in wanted} for side in (0, 1))
    counts = comparison.count(sources, grid, corpus)
    arms = comparison.arm_rows(corpus, counts, trained, settings)
    elsewhere = comparison.of_new_groups(counts, sources, grid, corpus)
    new = arms.clear()
    if elsewhere[settings.reference][0].note_ids:
        new = comparison.arm_rows(corpus, elsewhere, trained, settings)
    frames = {
        "arms": arms,
        "new_groups": new,
        "labels": comparison.label_rows(corpus, counts),
        "confusion": comparison.confusion_rows(sources, wanted),
        "operation": comparison.operation_rows(evaluated),
        "curves": comparison.curve_rows(trained),
    }
    for name, frame in frames.items():
        frame.fill_nan(None).write_csv(out / f"{name}.csv", float_precision=6)
    write_json(out / "summary.json", comparison.summary(corpus, arms, settings.reference))
    table = out / "table.md"
    cap = min(content["ceiling"] for content in trained.values())
    made = comparison.table(arms, new, frames["operation"], settings, cap)
    table.write_text(made, encoding="utf-8")
    # MLflow lists the newest run first, so the first row of the table is logged last.
    for cell in reversed(wanted):
        log(cell, cell.short_name(grid), trained[cell], evaluated[cell], table)
    tables = [table if name == corpus else out.parent / name / table.name for name in grid.synthesized]
    describe("ner/compare", comparison.QUESTION, tables, [f"1 test/{name}" for name in _CHARTS], columns=3)
    return f"{len(counts)} arms compared\n\n{table.read_text(encoding='utf-8')}"


def log(cell: Cell, shown: str, trained: Mapping[str, Any], evaluated: Mapping[str, Any], table: Path) -> None:
    """Log one MLflow run for a cell: scores, F1 of every label, the learning curve, and the table of all arms.

    The page calls it `shown`. The run replaces earlier runs of the cell, so that the page shows every cell once.
    MLflow sorts metrics into sections by what precedes the slash, hence the numbers; an arm has the same colour in
    all charts.
    """
    text = table.read_text(encoding="utf-8")
    tags = {**cell._asdict(), "mlflow.runColor": COLOURS[cell.arm], "mlflow.note.content": text}
    budget = {f"training {name}": trained[name] for name in ("notes", "words", "steps")}
    with track("ner/compare", cell.name, {**cell._asdict(), **budget}, tags, replace=True, name=shown) as tracker:
        test = {name: evaluated["scores"][name] for name in comparison.COLUMNS}
        labels = {label: row["f1"] for label, row in evaluated["labels"].items()}
        tracker.log({"1 test": test, "2 label F1": labels})
        for point in trained["curve"]:
            measured = {name: point.get(name) for name in ("select_f1", "train_loss")}
            tracker.log({"3 training": measured}, step=point["step"])
        tracker.artifact(table)


if __name__ == "__main__":
    compare.main()
