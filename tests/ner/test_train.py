import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from stages.ner import train, windows
from stages.ner.model import SETTINGS, Tagger
from stages.shared import lineage, models, notes, params, scoring, tags, training
from stages.shared.errors import UserError
from stages.shared.lineage import Read
from stages.shared.notes import Note, Span
from stages.shared.outputs import read_json
from tests import tiny
from tests.ner.conftest import make_tokenizer

SECTION = {
    "unit": "note",
    "piece_words": 16,
    "length": 48,
    "overlap": 16,
    "steps": 45,
    "epochs": None,
    "hidden": 0.0,
    "batch": 8,
    "optimizer": "adamw",
    "learning_rate": 1e-2,
    "schedule": "linear",
    "warmup": 0.1,
    "weight_decay": 0.01,
    "precision": "fp32",
    "probes": 3,
}
OUT, METRICS = "data/models/ner/real/demo/0/1", "metrics/ner/train/real/demo/0/1.json"


def settings(**changes):
    return train.Train.model_validate(SECTION | changes)


def tagged(texts, start=0):
    """The notes of tests.tiny with their names and ages tagged."""
    made = []
    for number, text in enumerate(texts, start):
        spans = [Span(*found.span(), "NAME") for name in tiny.NAMES for found in re.finditer(name, text)]
        spans += [Span(*found.span(1), "AGE") for found in re.finditer(r"Edad: (\d+)", text)]
        made.append(Note(f"n{number}", f"g{number}", text, tuple(sorted(spans))))
    return made


def table(folder, role, learned):
    notes.write(folder, learned)
    lineage.write(folder, [Read(f"demo/0/{role}", "real", "content")])
    return folder


NOTES = tagged(tiny.texts(60))
SELECT = NOTES[::3]
LEARNED = [note for note in NOTES if note not in SELECT]


@pytest.fixture
def project(modernbert, workdir, monkeypatch):
    """The stage's inputs and command line."""
    table(Path("train"), "train", LEARNED)
    table(Path("select"), "select", SELECT)
    monkeypatch.setenv("DEIDSYNTH_DEVICE", "cpu")
    arguments = (
        f"train --base {modernbert} --notes train --select select --seed 1 --out {OUT} --metrics {METRICS}"
    )
    monkeypatch.setattr(sys, "argv", arguments.split())
    return workdir


def run_stage(**changes):
    Path("params.yaml").write_text(yaml.safe_dump({"ner": {"train": SECTION | changes}}))
    train.main()


# --- what is trained


@pytest.mark.slow
def test_a_trivial_task_is_learnt_and_recorded(project, modernbert):
    run_stage()
    counts = scoring.count(zip(SELECT, Tagger.load(OUT).tag(SELECT), strict=True))
    f1 = float(scoring.strict_f1(counts.total()))
    assert f1 > 0.9
    encoded = [tags.encode(note.spans, tags.words(note.text)) for note in LEARNED]
    assert read_json(f"{OUT}/{SETTINGS}") == {
        "length": 48,
        "overlap": 16,
        "adjacent": tags.adjacency(encoded),
    }
    result = read_json(METRICS)
    curve = result.pop("curve")
    assert [row["step"] for row in curve] == [15, 30, 45]
    assert curve[-1]["select_f1"] == pytest.approx(f1, abs=1e-6)
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]
    examples = train.make_examples(
        LEARNED, models.load_tokenizer(OUT), tags.tag_names(["AGE", "NAME"]), settings()
    )
    assert result == {
        "steps": 45,
        "epochs": round(45 * 8 / len(examples), 3),
        "notes": 40,
        "words": sum(len(note.text.split()) for note in LEARNED),
        "spans": 120,
        "windows": len(examples),
        "labels": ["B-AGE", "B-NAME"],
    }
    # Nothing is chosen on the select notes, so the model has not read them.
    assert lineage.read(OUT) == {*lineage.read(modernbert), Read("demo/0/train", "real", "gradient")}
    assert len(lineage.read(OUT)) == 3


@pytest.mark.slow
def test_a_killed_training_ends_with_the_weights_of_an_uninterrupted_one(project, modernbert):
    def fit(name, recorder):
        arguments = ("train", "select", settings(steps=12, hidden=0.15), 1, Path(f"{name}.checkpoints"))
        result = train.train(modernbert, *arguments, Path(name), recorder)
        return result, load_file(Path(name) / "model.safetensors")

    whole, expected = fit("whole", tiny.Recorder())
    with pytest.raises(tiny.Killed):
        fit("killed", tiny.KilledAt(6))
    recorder = tiny.Recorder()
    resumed, weights = fit("killed", recorder)
    assert min(step for step, _ in recorder.rows) == 5
    assert resumed == whole
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_of_pretrained_encoders_each_cell_takes_its_own(project, modernbert, monkeypatch):
    fold, seed = Path(OUT).parts[-2:]
    for place, origin in (((fold, seed), "own"), ((fold, "7"), "other"), (("9", seed), "other")):
        shutil.copytree(modernbert, Path("pretrained", *place))
        lineage.write(Path("pretrained", *place), [Read(origin, "public", "gradient")])
    monkeypatch.setattr(sys, "argv", [word.replace(str(modernbert), "pretrained") for word in sys.argv])
    run_stage(steps=1, probes=1)
    assert Read("own", "public", "gradient") in lineage.read(OUT)
    assert Read("other", "public", "gradient") not in lineage.read(OUT)


# --- what it is told


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 10, "epochs": 2.0}, "either steps"),
        ({"steps": None, "epochs": None}, "either steps"),
        ({"length": 32, "overlap": 17}, "overlap must be at most half"),
    ],
)
def test_settings_that_contradict_each_other(project, changes, message):
    with pytest.raises(UserError, match=rf"params\.yaml: ner\.train.*{message}"):
        run_stage(**changes)


def test_the_sections_of_the_project_are_valid():
    assert params.load(train.Train, "ner.train", Path(__file__).parents[2] / "params.yaml")


@pytest.mark.slow
def test_epochs_are_passes_over_the_windows(project):
    run_stage(steps=None, epochs=0.5, unit="piece")
    result = read_json(METRICS)
    assert result["steps"] == round(0.5 * result["windows"] / 8)
    assert result["windows"] > 40 == result["notes"]


def test_notes_without_tags(project):
    table(Path("train"), "train", [Note("n", "g", "Sin datos.")])
    with pytest.raises(UserError, match="train: none of the notes is tagged"):
        run_stage()
    assert not Path(OUT).exists() and not Path(METRICS).exists()


def test_no_notes_at_all(project):
    table(Path("train"), "train", [])
    with pytest.raises(UserError, match="train: no notes to train on"):
        run_stage()


def test_windows_longer_than_the_encoder_reads(project):
    with pytest.raises(UserError, match=r"ner\.train\.length is 257; .* reads at most 256"):
        run_stage(length=257)


# --- examples, their order and their batches


@pytest.mark.parametrize("kind", ["modernbert", "bert"])
def test_labels_stand_at_first_subwords_only_each_word_once(kind):
    tokenizer, names = make_tokenizer(kind), tags.tag_names(["AGE", "NAME"])
    learned = [*NOTES[:3], *tagged([" ".join(tiny.texts(6))])]
    examples = train.make_examples(learned, tokenizer, names, settings())
    cut = windows.cut(learned, tokenizer, 48, 16).windows
    assert len(examples) == len(cut) > 6
    found: dict[int, list[str]] = {number: [] for number in range(len(learned))}
    for example, window in zip(examples, cut, strict=True):
        labels = example["labels"]
        assert example["input_ids"].tolist() == window.input_ids
        assert len(labels) == len(window.input_ids)
        assert set(np.flatnonzero(labels != training.IGNORED)) == set(window.positions)
        found[window.note] += [names[label] for label in labels[labels != training.IGNORED]]
    # In these notes no subword covers two words, so the windows' labels are the notes' tags.
    expected = [tags.encode(note.spans, tags.words(note.text)) for note in learned]
    merged = sum(len(window.positions) - len(set(window.positions)) for window in cut)
    assert merged == 0
    assert list(found.values()) == expected


def test_of_words_that_share_a_subword_the_first_ones_tag_counts(monkeypatch):
    window = windows.Window(0, [1, 7, 8, 2], np.array([0, 1, 2]), np.array([1, 1, 2]))
    edges = [(0, 1), (1, 2), (2, 3)]
    monkeypatch.setattr(windows, "cut", lambda *_: windows.Cut([edges], [window]))
    note = Note("n", "g", "(+3", (Span(1, 3, "A"),))
    (example,) = train.make_examples([note], None, tags.tag_names("A"), settings())
    assert example["labels"].tolist() == [training.IGNORED, 0, 2, training.IGNORED]


def test_windows_in_which_no_word_begins_are_not_learnt_from(modernbert):
    text = "Ana" + " \n\t" * 200 + "Gil"
    examples = train.make_examples(
        tagged([text]), models.load_tokenizer(modernbert), tags.tag_names(["NAME"]), settings()
    )
    assert [int((example["labels"] != training.IGNORED).sum()) for example in examples] == [1, 1]


def examples_of(lengths):
    return [{"input_ids": np.full(length, number)} for number, length in enumerate(lengths)]


@pytest.mark.parametrize(("count", "batch"), [(100, 8), (20, 16), (5, 16), (16, 16), (300, 4)])
def test_each_pass_takes_every_example_once(count, batch):
    rng = np.random.default_rng(count)
    steps = 3 * count // batch + 2
    order = train.Order(examples_of(rng.integers(3, 60, count)), batch, steps * batch, seed=1)
    drawn = [int(order[place]["input_ids"][0]) for place in range(len(order))]
    assert len(drawn) == steps * batch
    for start in range(0, len(drawn), count):
        one_pass = drawn[start : start + count]
        assert len(set(one_pass)) == len(one_pass)
    if count > batch:
        assert drawn[:count] != drawn[count : 2 * count]


def test_batches_have_similar_lengths_and_come_in_random_order():
    """In every pass, though passes end within a batch."""
    lengths = np.random.default_rng(0).integers(10, 200, 397)
    order = train.Order(examples_of(lengths), 8, 1200, seed=1)
    batches = np.array([len(order[place]["input_ids"]) for place in range(1200)]).reshape(150, 8)
    assert np.ptp(batches, axis=1).mean() < 0.2 * np.ptp(lengths)
    assert np.corrcoef(np.arange(49), batches[:49].mean(axis=1))[0, 1] == pytest.approx(0, abs=0.3)
    padding = 1 - batches.sum() / (batches.max(axis=1) * 8).sum()
    assert padding < 0.1


def test_the_seed_decides_the_order():
    examples = examples_of(range(3, 53))
    orders = [list(map(int, train.Order(examples, 8, 160, seed).order)) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_hidden_subwords_differ_from_pass_to_pass_and_are_the_same_when_resumed():
    tokenizer = SimpleNamespace(mask_token_id=3, all_special_ids=[1, 2, 3])
    examples = [{"input_ids": np.repeat([1, 7, 2], [20, 400, 20]), "labels": np.arange(440)}]
    order = train.Order(examples, 1, 2, seed=1, hidden=0.15, tokenizer=tokenizer)
    first, second = order[0], order[1]
    assert set(first["input_ids"][20:-20]) == {3, 7}
    assert (first["input_ids"] == 3).sum() / 400 == pytest.approx(0.15, abs=0.06)
    assert set(first["input_ids"][:20]) == {1} and set(first["input_ids"][-20:]) == {2}
    assert not np.array_equal(first["input_ids"], second["input_ids"])
    assert np.array_equal(first["labels"], np.arange(440))
    again = train.Order(examples, 1, 2, seed=1, hidden=0.15, tokenizer=tokenizer)
    assert np.array_equal(again[1]["input_ids"], second["input_ids"])
    assert set(examples[0]["input_ids"]) == {1, 2, 7}


def test_a_batch_is_padded_to_its_longest():
    batch = training.Padded(pad=9)(
        [
            {"input_ids": np.array([1, 2]), "labels": np.array([-100, 4])},
            {"input_ids": np.array([5, 6, 7]), "labels": np.array([0, 1, -100])},
        ]
    )
    assert {name: values.tolist() for name, values in batch.items()} == {
        "input_ids": [[1, 2, 9], [5, 6, 7]],
        "labels": [[-100, 4, -100], [0, 1, -100]],
        "attention_mask": [[1, 1, 0], [1, 1, 1]],
    }
