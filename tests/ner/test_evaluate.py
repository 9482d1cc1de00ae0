from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from stages.ner import evaluate as module
from stages.ner.cells import HELD_BACK
from stages.ner.evaluate import evaluate
from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.outputs import read_json
from tests.runs import run

MODEL = "data/models/ner/mixed/demo/0/1"
OUT, METRICS = "data/predictions/mixed/demo/0/1", "metrics/ner/evaluate/mixed/demo/0/1.json"
PARAMS = """ner:
  evaluate:
    precision: fp32
    bootstrap: {samples: 100, seed: 1}
    recall_first: {hidden: 0.99, biases: [1, 2], spans: 1}
"""


def note(number: int, group: str, name: str, city: str) -> Note:
    text = f"Paciente {name}, vive en {city}."
    spans = [(name, "NAME"), (city, "CITY")]
    found = tuple(Span(text.index(word), text.index(word) + len(word), label) for word, label in spans)
    return Note(f"n{number}", group, text, found)


TRAIN = [note(0, "a", "Ana", "Lugo"), note(1, "b", "Eva Gil", "Vigo")]
# Group a is in training too; Ana and VIGO are seen surfaces, Pau and Cee are not.
TEST = [note(2, "a", "Ana", "Cee"), note(3, "c", "Pau", "VIGO")]


class NamesOnly:
    """Finds every name, calls each city a name, and misses Cee until cities are preferred by two nats."""

    labels = ("CITY", "NAME")

    @classmethod
    def load(cls, folder, precision):
        assert (folder, precision) == (Path(MODEL), "fp32")
        return cls()

    def sweep(self, notes, biases):
        for note in notes:
            yield tuple(self.tagged(note, bias.get("CITY", 0)) for bias in biases)

    def tagged(self, note, bias):
        kept = (span for span in note.spans if bias >= 2 or note.surface(span) != "Cee")
        return replace(note, spans=tuple(replace(span, label="NAME", score=0.5) for span in kept))


@pytest.fixture
def project(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tables = {"train": TRAIN, "test": TEST, "select": TEST[:1], "annotator": TRAIN, "learned": TRAIN}
    for role, table in tables.items():
        note_table.write(role, table)
        lineage.write(role, [Read(f"demo/0/{role}", "real", "content")])
    Path(MODEL).mkdir(parents=True)
    lineage.write(MODEL, [Read("demo/0/train", "real", "gradient"), Read("demo/0/select", "real", "selection")])
    Path("params.yaml").write_text(PARAMS)
    monkeypatch.setattr(module, "Tagger", NamesOnly)
    return workdir


def run_stage() -> None:
    cell = {"corpus": "demo", "arm": "mixed", "fold": 0, "seed": 1}
    inputs = {name: name for name in ("test", "select", "train", "annotator", "learned")} | {"model": MODEL}
    run(evaluate, **cell, **inputs, out=OUT, metrics=METRICS)


def test_metrics_are_those_of_the_predictions(project):
    run_stage()
    found = read_json(METRICS)
    sections = {
        "scores",
        "strict_f1_interval",
        "labels",
        "counts",
        "new_groups",
        "seqeval",
        "calibration",
        "recall_first",
    }
    assert set(found) == sections
    # Two names right, one city called a name, one missed: 2 of 3 predicted, 2 of 4 gold.
    expected = {
        "strict_precision": 2 / 3,
        "strict_recall": 1 / 2,
        "strict_f1": 4 / 7,
        "boundary_recall": 3 / 4,
        "token_f1": 4 / 7,
        "blind_recall": 3 / 4,
        "clean_notes": 1 / 2,
        "leaks_per_note": 1 / 2,
        "leak_rate": 2 / 2,
        "seen_recall": 1 / 2,
        "unseen_recall": 1 / 2,
    }
    assert {name: found["scores"][name] for name in expected} == {
        name: round(value, 6) for name, value in expected.items()
    }
    assert found["labels"]["CITY"] == {
        "f1": 0,
        "precision": 0,
        "recall": 0,
        "blind_recall": 0.5,
        "leaks": 1,
        "gold": 2,
        "predicted": 0,
        "true_positives": 0,
        "false_positives": 0,
        "false_negatives": 2,
    }
    assert found["counts"]["true_positives"] == 2
    assert (found["counts"]["notes"], found["counts"]["groups"]) == (2, 2)
    assert found["new_groups"]["notes"] == 1
    assert found["new_groups"]["scores"]["strict_f1"] == 0.5
    assert found["new_groups"]["scores"]["clean_notes"] == 1
    low, high = found["strict_f1_interval"]
    assert low == 0.5 and high == round(2 / 3, 6)
    assert found["seqeval"] == {
        "labels": {
            "CITY": {"precision": 0, "recall": 0, "f1": 0, "support": 2},
            "NAME": {"precision": 0.666667, "recall": 1, "f1": 0.8, "support": 2},
        },
        "micro": {"precision": 0.666667, "recall": 0.5, "f1": 0.571429, "support": 4},
        "macro": {"precision": 0.333333, "recall": 0.5, "f1": 0.4, "support": 4},
    }


def test_seen_surfaces_are_those_of_the_annotator_and_known_groups_those_of_training(project):
    note_table.write("annotator", [note(0, "x", "Nil", "Cee")])
    run_stage()
    found = read_json(METRICS)
    # Of the four surfaces only Cee is seen now; it is missed, and two of the other three are found.
    assert (found["scores"]["seen_recall"], found["scores"]["unseen_recall"]) == (0, 0.666667)
    assert found["new_groups"]["notes"] == 1


def test_recall_first_is_also_chosen_on_invented_notes_that_were_held_back(project):
    """They are tagged by machine; no real tag decides."""
    held_back = Path("learned") / HELD_BACK
    held_back.mkdir()
    note_table.write(held_back, [note(9, "i", "Nil", "Vigo")])
    run_stage()
    found = read_json(METRICS)["recall_first"]
    assert found["invented"]["biases"] == {"CITY": 0.0, "NAME": 0.0}  # the model finds all that they have
    assert found["invented"]["scores"]["blind_recall"] == 0.75
    assert found["select"]["biases"] == {"CITY": 2, "NAME": 0.0}


def test_recall_first_biases_are_chosen_on_select_notes_and_scored_on_test(project):
    run_stage()
    found = read_json(METRICS)
    # Select has Ana and Cee: the name is hidden without a bias, the city from 2 on.
    assert set(found["recall_first"]) == {"curve", "select"}
    assert found["recall_first"]["select"]["biases"] == {"CITY": 2, "NAME": 0.0}
    assert found["recall_first"]["select"]["scores"]["blind_recall"] == 1
    assert found["recall_first"]["select"]["scores"]["leaks_per_note"] == 0
    curve = [(row["bias"], row["blind_recall"], row["strict_recall"]) for row in found["recall_first"]["curve"]]
    assert curve == [(0.0, 0.75, 0.5), (1, 0.75, 0.5), (2, 1, 0.5)]
    # The predictions and scores are those without a bias; two of three spans of score 0.5 are right.
    assert found["scores"]["blind_recall"] == 0.75
    assert found["calibration"] == {
        "error": 0.166667,
        "bins": [{"from": 0.5, "spans": 3, "score": 0.5, "right": 0.666667}],
    }


def test_predictions_are_the_test_notes_with_scored_spans(project):
    run_stage()
    first, second = note_table.read(OUT)
    assert (first.text, first.group_id) == (TEST[0].text, "a")
    assert [(first.surface(span), span.label, span.score) for span in first.spans] == [("Ana", "NAME", 0.5)]
    assert [second.surface(span) for span in second.spans] == ["Pau", "VIGO"]
    assert lineage.read(OUT) == {
        Read("demo/0/test", "real", "content"),
        Read("demo/0/train", "real", "tags"),
        Read("demo/0/select", "real", "selection"),
    }


def test_the_run_has_the_names_every_arm_has(project, store):
    run_stage()
    client = MlflowClient(store)
    (logged,) = client.search_runs([client.get_experiment_by_name("ner/evaluate").experiment_id])
    assert logged.info.run_name == "demo mixed fold 0 seed 1"
    axes = {"arm": "mixed", "corpus": "demo", "fold": "0", "seed": "1"}
    assert axes.items() <= logged.data.tags.items()
    names = {"strict_f1", "strict_precision", "strict_recall", "token_f1", "blind_recall", "clean_notes"}
    assert names | {"leaks_per_note", "label/NAME/f1", "label/CITY/f1"} <= set(logged.data.metrics)
    assert logged.data.metrics["strict_f1"] == pytest.approx(4 / 7, abs=1e-6)
    assert logged.data.metrics["label/NAME/f1"] == 0.8


def test_all_test_groups_in_training_leaves_nothing_to_score(project):
    note_table.write("test", TEST[:1])
    run_stage()
    new = read_json(METRICS)["new_groups"]
    assert new["notes"] == 0
    assert set(new["scores"].values()) == {None}


def test_a_missing_table_is_named_before_a_model_is_loaded(project, monkeypatch):
    monkeypatch.setattr(module, "Tagger", None)
    Path("test/notes.parquet").unlink()
    with pytest.raises(UserError, match=r"test/notes\.parquet"):
        run_stage()


def test_a_misspelt_key_is_named(project):
    Path("params.yaml").write_text(PARAMS.replace("samples", "sampels"))
    with pytest.raises(UserError, match=r"ner\.evaluate\.bootstrap\.sampels .* did you mean samples"):
        run_stage()


def test_a_tagger_that_fails_leaves_nothing_behind(project, monkeypatch):
    class Failing(NamesOnly):
        def sweep(self, notes, biases):
            yield from list(super().sweep(notes, biases))[:1]
            # The test notes are tagged with one more, the biases that were chosen.
            if len(biases) == 4:
                raise RuntimeError

    monkeypatch.setattr(module, "Tagger", Failing)
    with pytest.raises(RuntimeError):
        run_stage()
    assert not Path(OUT).exists() and not Path(METRICS).exists()
    assert list(Path(OUT).parent.iterdir()) == []


def test_the_error_is_the_distance_between_scores_and_shares_of_right_spans():
    def pairs(score, right, wrong):
        spans = tuple(Span(2 * i, 2 * i + 1, "A", score) for i in range(right + wrong))
        gold = Note("n", "g", "a " * 20, tuple(replace(span, score=None) for span in spans[:right]))
        return [(gold, replace(gold, spans=spans))]

    assert module.calibration(pairs(0.75, 3, 1))["error"] == 0
    found = module.calibration(pairs(1.0, 1, 1) + pairs(0.75, 3, 1))
    # A third of the spans are half as often right as they say.
    assert found["error"] == pytest.approx(0.5 / 3, abs=1e-6)
    assert [row["from"] for row in found["bins"]] == [0.7, 0.9]
    assert module.calibration([(TEST[0], replace(TEST[0], spans=()))]) == {"error": None, "bins": []}
