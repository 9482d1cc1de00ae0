import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from stages.lm import models
from stages.ner import fitting
from stages.ner.tagger import Tagger
from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.release import package
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.tracking import Tracker
from tests import tiny
from tests.ner.conftest import SECTION, make_encoder, tagged
from tests.runs import run, write_params

pytestmark = pytest.mark.slow

MODEL = Path("models/ner/synthetic/c/0/1")
INVENTED = [Read("c/0/train", "real", "generator"), Read("c/0/prompts", "real", "prompts")]
CLEAN = [Read("c/0/train", "real", "tags"), Read("c/0/train", "real", "generator")]
MAKERS = {"corpus": "Invented Corpus, A. Maker 2026", "encoder": "(c) E. Maker", "decoder": "(c) D. Maker"}
LICENCES = {"corpus": "MIT", "encoder": "MIT", "decoder": "MIT", "attribution": MAKERS}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A tagger of words that a stock pipeline sees as words too: BERT's WordPiece, and marks that stand alone."""
    folder = tmp_path_factory.mktemp("trained")
    base = make_encoder(folder / "base", "bert")
    learned = folder / "notes"
    note_table.write(learned, tagged(tiny.texts(40)))
    lineage.write(learned, CLEAN)
    settings = fitting.Train.model_validate(SECTION | {"steps": 60, "probes": 1})
    (folder / "checkpoints").mkdir()
    fitting.fit(base, learned, learned, settings, 1, folder / "checkpoints", folder / "model", Tracker())
    return folder / "model"


@pytest.fixture
def stage(workdir, trained):
    """Run the stage on this model, with changes to params and to what lies before it."""
    shutil.copytree(trained, MODEL)
    test = tagged(tiny.texts(60)[40:])
    note_table.write("test", test)
    note_table.write("predictions", Tagger.load(MODEL).tag(test))
    note_table.write(
        "invented",
        [Note(f"c-{i}", "prompt-7", n.text, n.spans, None, {"prompt": "prompt-7"}) for i, n in enumerate(test)],
    )
    Path("report").mkdir()
    Path("report/index.html").write_text("the report")
    lineage.write("report", [])
    Path("gold.passed").write_text("passed\n")
    Path("tags.passed").write_text("passed\n")
    scores = {"strict_f1": 0.8, "token_f1": 0.9, "blind_recall": 0.95, "leaks_per_note": 1.25, "clean_notes": 0.4}
    row = {"arm": "synthetic", "test_notes": 20} | {
        f"{name}{side}": value + add
        for name, value in scores.items()
        for side, add in (("", 0), ("_low", -0.1), ("_high", 0.1))
    }
    Path("compare").mkdir()
    Path("compare/arms.csv").write_text(f"{','.join(row)}\n{','.join(map(str, row.values()))}\n")

    def run_stage(licences=LICENCES, reads=CLEAN, held=INVENTED, **section) -> Path:
        settings = {"difference": 0.01, "real_weights": False, "licences": {"model": "MIT", "corpus": "MIT"}}
        write_params({"release": {"package": settings | section}, "catalog": {"c": {"licences": licences}}})
        lineage.write(MODEL, reads)
        lineage.write("invented", held)
        cell = {"corpus": "c", "arm": "synthetic", "fold": 0, "seed": 1}
        inputs = {"model": MODEL, "notes": "invented", "test": "test", "predictions": "predictions"}
        gates = {"gold_gate": "gold.passed", "synthesis_gate": "tags.passed"}
        run(package.package, **cell, **inputs, **gates, compare="compare", report="report", out="out")
        return Path("out")

    return run_stage


def test_the_model_runs_in_the_stock_pipeline_and_scores_as_the_card_says(stage):
    from transformers import pipeline

    out = stage()
    find = pipeline("token-classification", model=str(out / "model"), aggregation_strategy="first")
    note = tagged(tiny.texts(41)[40:])[0]
    found = [(entity["start"], entity["end"], entity["entity_group"]) for entity in find(note.text)]
    assert found == [(span.start, span.end, span.label) for span in note.spans]
    scores = json.loads((out / "scores.json").read_text())
    assert scores["our_decoder"]["strict_f1"] > 0.9
    assert abs(scores["our_decoder"]["strict_f1"] - scores["stock_pipeline"]["strict_f1"]) <= 0.01
    card = (out / "model/README.md").read_text()
    both = [scores[way]["strict_f1"] for way in ("stock_pipeline", "our_decoder")]
    assert f"| strict span F1 | {both[0]:.3f} | {both[1]:.3f} | 0.700 to 0.900 |" in card
    assert "| synthetic | 0.800 (0.700 to 0.900) | 0.950 (0.850 to 1.050) | 1.25 (1.15 to 1.35) |" in card
    assert "1.25 identifiers per note remain visible" in card and "60% of the notes keep at least one" in card
    assert "| c/0/train | real | tags |" in card
    assert "No privacy audit has been made" in card
    assert yaml.safe_load(card.split("---")[1])["license"] == "mit"


def test_the_corpus_reads_back_in_three_formats_without_its_provenance(stage, monkeypatch):
    from datasets import load_dataset

    out = stage()
    invented = list(note_table.read("invented"))
    rows = [json.loads(line) for line in (out / "corpus/jsonl/notes.jsonl").read_text().splitlines()]
    assert [row["text"] for row in rows] == [note.text for note in invented]
    assert len({row["note_id"] for row in rows}) == len(rows)
    assert len(list((out / "corpus/brat").glob("*.ann"))) == len(rows)
    monkeypatch.setenv("HF_DATASETS_CACHE", "cache")
    loaded = load_dataset(str(out / "corpus/dataset"), split="train", cache_dir="cache")
    assert loaded["text"][:] == [note.text for note in invented]
    told = [path for path in (out / "corpus").rglob("*") if path.is_file() and b"prompt-7" in path.read_bytes()]
    assert told == []
    assert yaml.safe_load((out / "corpus/README.md").read_text().split("---")[1])["license"] == "mit"
    assert (out / "report/index.html").read_text() == "the report"
    assert "model: MIT" not in (out / "LICENCES.md").read_text()
    assert "* `model/` is released under MIT." in (out / "LICENCES.md").read_text()


def test_every_reason_to_refuse_is_named_at_once(stage):
    Path("tags.passed").write_text("failed, and let through by params\n")
    with pytest.raises(UserError) as refused:
        stage(licences=LICENCES | {"encoder": ""}, reads=[*CLEAN, Read("c/0/train", "real", "gradient")])
    message = str(refused.value)
    assert "have read real notes (c/0/train)" in message
    assert "tags.passed: failed, and let through" in message and "gold.passed" not in message
    assert "encoder is no licence" in message
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "read",
    [
        Read("c/0/train", "real", "content"),
        Read("c/0/prompts", "real", "quoted"),
        Read("c/0", "rewritten-real", "content"),
    ],
)
def test_a_corpus_with_words_of_real_notes_is_refused(stage, read):
    with pytest.raises(UserError, match=rf"invented holds text of real notes \({read.notes}\), so it is no invented"):
        stage(held=[*INVENTED, read])
    # To accept weights that have read real notes is not to accept the notes.
    with pytest.raises(UserError, match="holds text of real notes"):
        stage(held=[*INVENTED, read], real_weights=True)
    assert not Path("out").exists()


def test_lineage_and_attribution_travel_with_every_folder(stage):
    out = stage()
    assert lineage.read(out / "model") == set(CLEAN)
    for name in ("brat", "jsonl", "dataset"):
        assert lineage.read(out / "corpus" / name) == set(INVENTED)
    assert lineage.read(out) == {*CLEAN, *INVENTED}
    for page in ("LICENCES.md", "model/README.md", "corpus/README.md"):
        assert (
            "* corpus: MIT. Invented Corpus, A. Maker 2026\n* encoder: MIT. (c) E. Maker\n"
            in (out / page).read_text()
        )
    assert "| c/0/prompts | real | prompts |" in (out / "corpus/README.md").read_text()
    assert "prompts" not in (out / "model/README.md").read_text()


def test_an_override_is_on_the_card(stage):
    out = stage(reads=[*CLEAN, Read("c/0/train", "real", "gradient")], real_weights=True)
    assert (
        "weights or vocabulary have read real notes** (`release.package.real_weights`)"
        in (out / "model/README.md").read_text()
    )


def test_a_model_that_needs_our_decoder_is_refused(stage):
    note_table.write("predictions", (Note(n.note_id, n.group_id, n.text) for n in list(note_table.read("test"))))
    with pytest.raises(UserError, match=r"0\.000 with our decoder and \d\.\d+ with the stock pipeline"):
        stage()


def test_a_byte_level_tokenizer_is_what_the_stock_pipeline_cannot_read(tmp_path):
    """Why a scratch encoder's scores come apart: the pipeline takes the mark after a word for its subword."""
    from transformers import TokenClassificationPipeline

    base = make_encoder(tmp_path, "modernbert")
    network = models.load_encoder(base, ["O", "B-X", "I-X"])
    network.classifier.weight.data.zero_()
    network.classifier.bias.data.copy_(torch.tensor([0.0, 1.0, 0.0]))
    tokenizer = models.load_tokenizer(base)
    find = TokenClassificationPipeline(model=network, tokenizer=tokenizer, aggregation_strategy="first")
    assert [entity["word"].strip() for entity in find("Ana, Luis.")] == ["Ana,", "Luis."]


def test_entities_become_spans_without_white_space_and_overlap():
    entities = [
        {"start": 0, "end": 5, "entity_group": "A", "score": 0.5},
        {"start": 3, "end": 7, "entity_group": "B", "score": 0.5},
        {"start": 5, "end": 6, "entity_group": "C", "score": 0.5},
        {"start": 6, "end": 9, "entity_group": "D", "score": 0.5},
    ]
    assert list(package.stock_spans(" Ana \nEva", entities)) == [Span(1, 4, "A", 0.5), Span(6, 9, "D", 0.5)]
