import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from stages.ner import evaluate
from stages.shared import lineage, notes
from stages.shared.errors import UserError
from stages.shared.lineage import Read
from stages.shared.notes import Note, Span
from stages.shared.outputs import read_json

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
        assert (folder, precision) == ("data/models/ner/mixed/demo/0/1", "fp32")
        return cls()

    def sweep(self, read, biases):
        for one in read:
            yield tuple(self.tagged(one, bias.get("CITY", 0)) for bias in biases)

    def tagged(self, one, bias):
        kept = (span for span in one.spans if bias >= 2 or one.surface(span) != "Cee")
        return replace(one, spans=tuple(replace(span, label="NAME", score=0.5) for span in kept))


@pytest.fixture
def project(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for role, table in {"train": TRAIN, "test": TEST, "select": TEST[:1]}.items():
        notes.write(role, table)
        lineage.write(role, [Read(f"demo/0/{role}", "real", "content")])
    model = Path("data/models/ner/mixed/demo/0/1")
    model.mkdir(parents=True)
    lineage.write(
        model, [Read("demo/0/train", "real", "gradient"), Read("demo/0/select", "real", "selection")]
    )
    Path("params.yaml").write_text(PARAMS)
    monkeypatch.setattr(evaluate, "Tagger", NamesOnly)
    arguments = (
        f"evaluate --model {model} --test test --select select --train train --out {OUT} --metrics {METRICS}"
    )
    monkeypatch.setattr(sys, "argv", arguments.split())
    return workdir


def test_metrics_are_those_of_the_predictions(project):
    evaluate.main()
    found = read_json(METRICS)
    sections = {
        "scores",
        "strict_f1_interval",
        "labels",
        "counts",
        "new_groups",
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


def test_recall_first_biases_are_chosen_on_select_notes_and_scored_on_test(project):
    evaluate.main()
    found = read_json(METRICS)
    # Select has Ana and Cee: the name is hidden without a bias, the city from 2 on.
    assert found["recall_first"]["biases"] == {"CITY": 2, "NAME": 0.0}
    assert found["recall_first"]["scores"]["blind_recall"] == 1
    assert found["recall_first"]["scores"]["leaks_per_note"] == 0
    curve = [
        (row["bias"], row["blind_recall"], row["strict_recall"]) for row in found["recall_first"]["curve"]
    ]
    assert curve == [(0.0, 0.75, 0.5), (1, 0.75, 0.5), (2, 1, 0.5)]
    # The predictions and scores are those without a bias; two of three spans of score 0.5 are right.
    assert found["scores"]["blind_recall"] == 0.75
    assert found["calibration"] == {
        "error": 0.166667,
        "bins": [{"from": 0.5, "spans": 3, "score": 0.5, "right": 0.666667}],
    }


def test_predictions_are_the_test_notes_with_scored_spans(project):
    evaluate.main()
    first, second = notes.read(OUT)
    assert (first.text, first.group_id) == (TEST[0].text, "a")
    assert [(first.surface(span), span.label, span.score) for span in first.spans] == [("Ana", "NAME", 0.5)]
    assert [second.surface(span) for span in second.spans] == ["Pau", "VIGO"]
    assert lineage.read(OUT) == {
        Read("demo/0/test", "real", "content"),
        Read("demo/0/train", "real", "tags"),
        Read("demo/0/select", "real", "selection"),
    }


def test_the_run_has_the_names_every_arm_has(project, store):
    evaluate.main()
    client = MlflowClient(store)
    (run,) = client.search_runs([client.get_experiment_by_name("ner/evaluate").experiment_id])
    assert run.info.run_name == "demo mixed fold 0 seed 1"
    axes = {"arm": "mixed", "corpus": "demo", "fold": "0", "seed": "1"}
    assert axes.items() <= run.data.tags.items()
    names = {"strict_f1", "strict_precision", "strict_recall", "token_f1", "blind_recall", "clean_notes"}
    assert names | {"leaks_per_note", "label/NAME/f1", "label/CITY/f1"} <= set(run.data.metrics)
    assert run.data.metrics["strict_f1"] == pytest.approx(4 / 7, abs=1e-6)
    assert run.data.metrics["label/NAME/f1"] == 0.8


def test_all_test_groups_in_training_leaves_nothing_to_score(project):
    notes.write("test", TEST[:1])
    evaluate.main()
    new = read_json(METRICS)["new_groups"]
    assert new["notes"] == 0
    assert set(new["scores"].values()) == {None}


def test_a_missing_table_is_named_before_a_model_is_loaded(project, monkeypatch):
    monkeypatch.setattr(evaluate, "Tagger", None)
    Path("test/notes.parquet").unlink()
    with pytest.raises(UserError, match=r"test/notes\.parquet"):
        evaluate.main()


def test_a_misspelt_key_is_named(project):
    Path("params.yaml").write_text(PARAMS.replace("samples", "sampels"))
    with pytest.raises(UserError, match=r"ner\.evaluate\.bootstrap\.sampels .* did you mean samples"):
        evaluate.main()


def test_a_tagger_that_fails_leaves_nothing_behind(project, monkeypatch):
    class Failing(NamesOnly):
        def sweep(self, read, biases):
            yield from list(super().sweep(read, biases))[:1]
            # The test part is tagged with one more, the one that was chosen.
            if len(biases) == 4:
                raise RuntimeError

    monkeypatch.setattr(evaluate, "Tagger", Failing)
    with pytest.raises(RuntimeError):
        evaluate.main()
    assert not Path(OUT).exists() and not Path(METRICS).exists()
    assert list(Path(OUT).parent.iterdir()) == []
