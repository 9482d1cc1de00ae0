import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import yaml
from mlflow import MlflowClient
from scipy.stats import ttest_1samp

from stages.ner import recall_first
from stages.ner.cells import Cell
from stages.ner.compare import compare
from stages.ner.comparison import COLUMNS
from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.runtime.errors import UserError
from stages.runtime.outputs import read_json, write_json
from tests.graph import ROOT
from tests.runs import run, write_params

ARMS = ["real", "annotator", "synthetic", "mixed"]
# How many of the four spans of each test note an arm finds: its strict recall is that quarter, its precision 1.
FOUND = {"real": 4, "annotator": 3, "synthetic": 2, "mixed": 4}
TEXT = "Ana y Eva en Lugo el 3"
SPANS = (Span(0, 3, "NAME"), Span(6, 9, "NAME"), Span(13, 17, "CITY"), Span(21, 22, "DATE"))


def settings(folds=(0, 1), seeds=(1, 2), **changes) -> dict:
    bootstrap = {"samples": 100, "seed": 1}
    section = {"reference": "real", "blind": True, "margin": 0.1, "bootstrap": bootstrap} | changes
    grid = {
        "demos": [],
        "corpora": ["demo"],
        "synthesized": ["demo"],
        "folds": list(folds),
        "seeds": list(seeds),
        "arms": ARMS,
    }
    rest = (
        "ensembled",
        "selftrained",
        "released",
        "packaged",
        "rewritten",
        "sources",
        "rephrasers",
        "prompts",
        "mixtures",
        "tasks",
    )
    grid |= {name: [] for name in rest}
    return {"grid": grid, "ner": {"compare": section}}


def point(bias: float | None, mark: int) -> dict:
    return {"bias": bias, **dict.fromkeys(recall_first.CURVE, mark / 100)}


def fill(arm: str, fold: int, seed: int) -> None:
    """Metrics and predictions of one cell; the numbers below `scores` are marked by arm, fold and seed."""
    path = f"{arm}/demo/{fold}/{seed}"
    gold = [Note(f"n{fold}-{number}", f"g{fold}-{number}", TEXT, SPANS) for number in range(3)]
    kept = FOUND[arm] - (seed == 2 and arm == "synthetic")
    note_table.write(f"predictions/{path}", [replace(note, spans=SPANS[:kept]) for note in gold])
    note_table.write(f"split/demo/{fold}/test", gold)
    # The annotator saw a name only; a test note of fold 0 is of a group in training.
    note_table.write(f"annotator/demo/{fold}/{seed}", [Note("t", "t", TEXT, SPANS[:1])])
    known = [Note("t", "t", TEXT, SPANS), Note("u", "g0-2", TEXT, SPANS)]
    note_table.write(f"split/demo/{fold}/train", known)
    mark = 100 * ARMS.index(arm) + 10 * fold + seed
    names = ("strict_f1", "token_f1", "strict_precision", "strict_recall", "blind_recall", "clean_notes")
    rest = ("leaks_per_note", "seen_recall", "unseen_recall")
    evaluated = {
        "scores": {name: mark / 1000 for name in (*names, *rest)} | {"macro": 1},
        "labels": {"NAME": {"f1": mark / 1000}, "CITY": {"f1": None}},
        "recall_first": {
            "curve": [point(0.0, mark), point(1, mark + 1)],
            "select": {"scores": point(None, mark + 2)},
        },
    }
    if arm == "synthetic":
        evaluated["recall_first"]["invented"] = {"scores": point(None, mark + 1)}
    write_json(f"evaluate/{path}.json", evaluated)
    curve = [
        {"step": 10, "train_loss": 2.0, "select_f1": 0.1, "epoch": 1},
        {"step": 20, "train_loss": 1.0, "select_f1": mark / 1000, "epoch": 2},
    ]
    write_json(
        f"train/{path}.json", {"notes": 100 + seed, "words": 2000, "steps": 20, "ceiling": 1.0, "curve": curve}
    )


@pytest.fixture
def project(workdir: Path) -> Path:
    for arm in ARMS:
        for fold in (0, 1):
            for seed in (1, 2):
                fill(arm, fold, seed)
    write_params(settings())
    return workdir


def run_stage() -> None:
    inputs = {name: name for name in ("train", "evaluate", "predictions", "split", "annotator")}
    run(compare, corpus="demo", **inputs, out="out/demo")


def test_files(project, capsys):
    run_stage()
    frames = ("arms", "new_groups", "labels", "confusion", "operation", "curves")
    names = {"summary.json", "table.md", *(f"{name}.csv" for name in frames)}
    assert {path.name for path in Path("out/demo").iterdir()} == names
    assert Path("out/demo/table.md").read_text() in capsys.readouterr().out


def test_arms_are_pooled_over_folds_and_averaged_over_seeds(project):
    run_stage()
    arms = pl.read_csv("out/demo/arms.csv")
    assert arms["arm"].to_list() == ARMS
    recalls = dict(zip(arms["arm"], arms["strict_recall"], strict=True))
    assert recalls == {"real": 1, "annotator": 0.75, "synthetic": 0.375, "mixed": 1}
    synthetic = arms.row(2, named=True)
    # F1 of recalls 2/4 and 1/4 at precision 1 is 2/3 and 2/5.
    assert synthetic["strict_f1"] == pytest.approx((2 / 3 + 2 / 5) / 2, abs=1e-6)
    assert synthetic["difference"] == pytest.approx((2 / 3 + 2 / 5) / 2 - 1, abs=1e-6)
    # Every note is the same, and two seeds say nothing about their noise, so the intervals are points.
    assert synthetic["strict_f1_low"] == synthetic["strict_f1_high"] == synthetic["strict_f1"]
    assert synthetic["difference_low"] == synthetic["difference_high"] == synthetic["difference"]
    assert (synthetic["difference_p"], synthetic["margin_p"]) == (None, None)
    assert (synthetic["seen_recall"], synthetic["unseen_recall"]) == (1, pytest.approx(1 / 6, abs=1e-6))
    # 2 or 3 of 4 spans stay visible.
    assert synthetic["leaks_per_note"] == 2.5
    assert (synthetic["notes"], synthetic["words"], synthetic["steps"]) == (101.5, 2000, 20)
    assert (synthetic["test_notes"], synthetic["runs"], synthetic["replicates"]) == (6, 4, 2)


def test_three_seeds_have_intervals_over_seeds_and_verdicts(project):
    for arm in ARMS:
        fill(arm, 0, 3)
    write_params(settings(folds=[0], seeds=[1, 2, 3]))
    run_stage()
    rows = {row["arm"]: row for row in pl.read_csv("out/demo/arms.csv").iter_rows(named=True)}
    # F1 of 2/3, 2/5 and 2/3 on notes that are all alike: the interval and p are Student's.
    scores = np.array([2 / 3, 2 / 5, 2 / 3])
    student = ttest_1samp(scores, 0).confidence_interval(0.95)
    assert (rows["synthetic"]["strict_f1_low"], rows["synthetic"]["strict_f1_high"]) == pytest.approx(
        (student.low, student.high), abs=1e-6
    )
    # Annotator differs by the same 1/7 in all seeds, so its p-values are 0; mixed does not differ from real.
    p, margin_p = ttest_1samp(scores - 1, 0).pvalue, ttest_1samp(scores - 1, -0.1).pvalue
    assert rows["real"]["difference_p"] is None
    corrected = [rows[arm]["difference_p"] for arm in ARMS[1:]]
    assert corrected == pytest.approx([0, 2 * p, 1], abs=1e-6)
    assert [rows[arm]["margin_p"] for arm in ARMS[1:]] == pytest.approx([0, margin_p, 0], abs=1e-6)
    table = Path("out/demo/table.md").read_text()
    column = [line.split("|")[-5].strip() for line in table.splitlines()[:6]]
    assert column == ["not worse than real by 0.1", "---:", "—", "not held", "not held", "held"]
    assert "3 models per arm and fold. Intervals are over notes and seeds" in table


def test_one_seed_allows_no_verdict(project):
    write_params(settings(seeds=[1]))
    run_stage()
    table = Path("out/demo/table.md").read_text()
    assert (
        "1 model: says nothing about training noise. Intervals are over notes alone, and nothing is tested" in table
    )
    assert [line.split("|")[-6:-4] for line in table.splitlines()[2:6]] == [
        [" — ", " — "], *[[" — ", " not testable: 1 model "]] * 3
    ]  # fmt: skip


def test_labels_and_curves(project):
    run_stage()
    labels = pl.read_csv("out/demo/labels.csv")
    assert labels.columns == ["corpus", "label", "arm", "strict_f1", "gold"]
    by_arm = labels.filter(label="DATE").select("arm", "strict_f1", "gold").rows()
    assert by_arm == [("real", 1, 6), ("annotator", 0, 6), ("synthetic", 0, 6), ("mixed", 1, 6)]
    assert labels.filter(label="NAME", arm="synthetic")["strict_f1"].to_list() == [pytest.approx(5 / 6, abs=1e-6)]
    curves = pl.read_csv("out/demo/curves.csv")
    assert curves.columns == ["corpus", "arm", "fold", "seed", "step", "train_loss", "select_f1"]
    assert len(curves) == 4 * 2 * 2 * 2
    last = curves.filter(arm="mixed", fold=1, seed=2, step=20)
    assert last.select("train_loss", "select_f1").rows() == [(1, 0.312)]


def test_words_are_counted_by_gold_and_predicted_label(project):
    run_stage()
    table = pl.read_csv("out/demo/confusion.csv")
    real = table.filter(arm="real", gold="DATE").select("predicted", "words").rows()
    lost = table.filter(arm="synthetic", gold="DATE").select("predicted", "words").rows()
    assert [name for name, _ in real] == ["DATE"]
    assert [name for name, _ in lost] == ["O"]
    assert real[0][1] == lost[0][1] > 0


def test_recall_first_operation_is_averaged_over_folds_and_seeds(project):
    run_stage()
    rows = pl.read_csv("out/demo/operation.csv")
    assert len(rows) == 4 * (4 * 3 + 1)
    assert rows["chosen_on"].drop_nulls().to_list().count("invented") == 4
    # Marks 1, 2, 11 and 12 for real; 2 more where the biases were chosen.
    lines = Path("out/demo/table.md").read_text().splitlines()
    assert "| real | default | 0.065 | 0.065 | 0.065 | 0.935 | 0.065 |" in lines
    assert "| real | recall-first | 0.085 | 0.085 | 0.085 | 0.915 | 0.085 |" in lines
    # Between the default's and that on select notes; only the synthetic arm has invented notes to choose on.
    assert "| synthetic | recall-first, on invented notes | 2.075 | 2.075 | 2.075 | -1.075 | 2.075 |" in lines
    assert sum("on invented notes |" in line for line in lines) == 1
    assert "If the default already hides enough of them, the bias is 0" in lines[-1]


def test_scores_without_notes_whose_group_is_in_training(project):
    # The same in all notes but one: there, synthetic finds nothing.
    for seed in (1, 2):
        path = f"predictions/synthetic/demo/0/{seed}"
        *others, last = note_table.read(path)
        note_table.write(path, [*others, replace(last, spans=())])
    run_stage()
    rows = {row["arm"]: row for row in pl.read_csv("out/demo/new_groups.csv").iter_rows(named=True)}
    assert {row["test_notes"] for row in rows.values()} == {5}
    assert rows["synthetic"]["strict_f1"] == pytest.approx((2 / 3 + 2 / 5) / 2, abs=1e-6)
    every = pl.read_csv("out/demo/arms.csv").filter(arm="synthetic")["strict_f1"].item()
    assert every < rows["synthetic"]["strict_f1"] - 0.05
    table = Path("out/demo/table.md").read_text()
    assert "Without the 1 test notes whose group is also in training:" in table
    assert "| synthetic | 0.533 | 0.533 | 0.375 | -0.467 (-0.467 to -0.467) |" in table


def test_without_shared_groups_there_is_one_table_of_arms(project):
    for fold in (0, 1):
        note_table.write(f"split/demo/{fold}/train", [Note("t", "t", TEXT, SPANS)])
    run_stage()
    assert "whose group is also in training" not in Path("out/demo/table.md").read_text()
    assert len(pl.read_csv("out/demo/new_groups.csv")) == 4
    for fold in (0, 1):
        groups = [Note(f"{number}", f"g{fold}-{number}", TEXT, SPANS) for number in range(3)]
        note_table.write(f"split/demo/{fold}/train", groups)
    run_stage()
    assert len(pl.read_csv("out/demo/new_groups.csv")) == 0


def test_a_tokenizer_that_caps_the_score_is_named(project):
    path = Path("train/mixed/demo/1/2.json")
    write_json(path, read_json(path) | {"ceiling": 0.912})
    run_stage()
    assert "The tokenizer caps strict F1 at 0.912" in Path("out/demo/table.md").read_text()


def test_summary(project):
    run_stage()
    assert read_json("out/demo/summary.json") == {
        "demo": {
            "real_strict_f1": 1,
            "annotator_strict_f1": 0.857143,
            "synthetic_strict_f1": 0.533333,
            "mixed_strict_f1": 1,
            "synthetic_over_real": 0.533333,
            "synthetic_minus_real": -0.466667,
            "synthetic_minus_real_low": -0.466667,
            "synthetic_minus_real_high": -0.466667,
            "synthetic_blind_recall": 0.375,
        }
    }


def test_table(project):
    run_stage()
    head, rule, *rows = Path("out/demo/table.md").read_text().splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == [
        "corpus",
        "trained on",
        "strict F1 (95 % CI)",
        "precision",
        "recall",
        "token F1",
        "PII words hidden",
        "clean notes",
        "leaks per note",
        "recall, seen PII",
        "recall, unseen PII",
        "F1 minus real (95 % CI)",
        "p",
        "not worse than real by 0.1",
        "training notes",
        "training words",
        "steps",
    ]
    assert rule.count("|") == head.count("|")
    assert rows[:4] == [
        "| demo | real | **1.000** (1.000–1.000) | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 0.000 | 1.000 | 1.000 "
        "| — | — | — | 102 | 2,000 | 20 |",
        "| demo | annotator | **0.857** (0.857–0.857) | 1.000 | 0.750 | 0.857 | 0.750 | 0.000 | 1.000 | 1.000 "
        "| 0.667 | -0.143 (-0.143 to -0.143) | — | not testable: 2 models | 102 | 2,000 | 20 |",
        "| demo | synthetic | **0.533** (0.533–0.533) | 1.000 | 0.375 | 0.533 | 0.375 | 0.000 | 2.500 | 1.000 "
        "| 0.167 | -0.467 (-0.467 to -0.467) | — | not testable: 2 models | 102 | 2,000 | 20 |",
        "| demo | mixed | **1.000** (1.000–1.000) | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 0.000 | 1.000 | 1.000 "
        "| +0.000 (+0.000 to +0.000) | — | not testable: 2 models | 102 | 2,000 | 20 |",
    ]


@pytest.mark.parametrize(
    ("blind", "said"), [(True, "on which no setting was chosen"), (False, "known while settings were chosen")]
)
def test_the_table_says_whether_settings_were_chosen_blind(project, blind, said):
    write_params(settings(blind=blind))
    run_stage()
    assert said in Path("out/demo/table.md").read_text()


def test_equal_input_gives_equal_bytes(project):
    run_stage()
    before = {path.name: path.read_bytes() for path in Path("out/demo").iterdir()}
    run_stage()
    assert {path.name: path.read_bytes() for path in Path("out/demo").iterdir()} == before


@pytest.mark.parametrize(
    "path",
    [
        "train/synthetic/demo/1/2.json",
        "evaluate/synthetic/demo/1/2.json",
        "predictions/synthetic/demo/1/2/notes.parquet",
    ],
)
def test_a_missing_cell_is_named(project, path):
    Path(path).unlink()
    with pytest.raises(UserError) as caught:
        run_stage()
    first, remedy = str(caught.value).splitlines()
    assert first == f"demo synthetic fold 1 seed 2: no {path}"
    assert "dvc repro" in remedy
    assert not Path("out/demo").exists()


def test_cells_outside_the_grid_are_not_read(project):
    """DVC leaves the outputs of a removed cell behind."""
    run_stage()
    before = Path("out/demo/arms.csv").read_bytes()
    for folder in ("train", "evaluate"):
        write_json(f"{folder}/real/demo/0/3.json", {"left": "behind"})
        write_json(f"{folder}/real/other/0/1.json", {"left": "behind"})
    run_stage()
    assert Path("out/demo/arms.csv").read_bytes() == before


def test_a_reference_that_is_no_arm_is_refused(project):
    write_params(settings(reference="gold"))
    with pytest.raises(UserError, match=r"ner\.compare\.reference is gold, which is not among grid\.arms"):
        run_stage()


def test_one_run_per_cell_however_often(project, store):
    write_params(settings(folds=[1]))
    run_stage()
    write_params(settings(folds=[1], seeds=[2]))
    run_stage()
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("ner/compare")
    assert "| demo | synthetic |" in experiment.tags["mlflow.note.content"]
    runs = client.search_runs([experiment.experiment_id])
    # Newest first is the order of the page, and that of the table.
    assert [found.info.run_name for found in runs] == [f"{arm}, seed {seed}" for seed in (2, 1) for arm in ARMS]
    mixed = next(found for found in runs if found.info.run_name == "mixed, seed 2")
    assert {"corpus": "demo", "arm": "mixed", "fold": "1", "seed": "2"}.items() <= mixed.data.tags.items()
    budget = {"training notes": "102", "training words": "2000", "training steps": "20"}
    assert mixed.data.params == {"corpus": "demo", "arm": "mixed", "fold": "1", "seed": "2"} | budget
    assert mixed.data.tags["mlflow.runColor"] == "#009E73"
    assert mixed.data.metrics == {
        **{f"1 test/{name}": 0.312 for name in COLUMNS},
        "2 label F1/NAME": 0.312,
        "3 training/train_loss": 1.0,
        "3 training/select_f1": 0.312,
    }
    history = client.get_metric_history(mixed.info.run_id, "3 training/select_f1")
    assert [(point.step, point.value) for point in history] == [(10, 0.1), (20, 0.312)]
    assert [artifact.path for artifact in client.list_artifacts(mixed.info.run_id)] == ["table.md"]
    assert "| demo | real |" in mixed.data.tags["mlflow.note.content"]


@pytest.mark.parametrize(
    ("synthesized", "folds", "name"),
    [
        (["demo"], [2], "mixed, seed 1"),
        (["demo"], [0, 2], "mixed, seed 1, fold 2"),
        (["demo", "other"], [2], "mixed, seed 1, demo"),
        (["demo", "other"], [0, 2], "mixed, seed 1, fold 2, demo"),
    ],
)
def test_a_run_is_named_by_what_tells_it_from_the_others(synthesized, folds, name):
    grid = SimpleNamespace(synthesized=synthesized, folds=folds)
    assert Cell("demo", "mixed", 2, 1).short_name(grid) == name


def test_arms_are_those_that_dvc_trains():
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    matrices = [pipeline[stage]["matrix"]["arm"] for stage in ("ner_train", "ner_evaluate")]
    assert matrices == ["${grid.arms}"] * 2


def test_plots_read_columns_that_the_files_have(project):
    run_stage()
    assert drawn("ner_compare", Path("out/demo")) == {"arms.csv", "labels.csv", "operation.csv", "curves.csv"}


def drawn(stage: str, folder: Path) -> set[str]:
    """The files that a stage's plots draw; every field that dvc.yaml or a template names is a column of the file."""
    found = set()
    for entry in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["plots"]:
        [(path, figure)] = entry.items()
        template = read_json(ROOT / figure["template"])
        fields = set(re.findall(r"'field': '(\w+)'", str(template))) | {figure["x"], figure["y"]}
        assert fields - {"rev"} <= set(pl.read_csv(folder / Path(path).name).columns), path
        found.add(Path(path).name)
    return found
