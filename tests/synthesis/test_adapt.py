import importlib.util
import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

from stages.lm import evaluation, models
from stages.notes import note_table, units
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.synthesis import adaptation
from stages.synthesis.adapt import Adapt, adapt, prepare
from stages.synthesis.generate import generate
from tests import runs, tiny

SETTINGS = {
    "method": "lora", "lora": {"r": 4, "alpha": 16, "dropout": 0.0, "embeddings": False},
    "unit": "note", "piece_words": 128,
    "context": 64, "steps": None, "epochs": 3, "batch": 4,
    "optimizer": "adamw", "learning_rate": 0.02, "schedule": "linear",
    "warmup": 0.0, "weight_decay": 0.0, "precision": "fp32", "evaluations": 2, "patience": None,
}  # fmt: skip


@pytest.fixture
def project(workdir):
    texts = tiny.texts(60)
    tiny.table(workdir / "train", "train", texts[:40])
    tiny.table(workdir / "select", "select", texts[40:50])
    return workdir


def run(base, train="train", select="select", **changes):
    runs.write_params({"synthesis": {"adapt": SETTINGS | changes}})
    out = Path("data/generator/demo/0/1")
    cell = {"corpus": "demo", "fold": 0, "seed": 1}
    runs.run(adapt, **cell, base=base, notes=train, select=select, out=out, metrics="metrics.json")
    return out, json.loads(Path("metrics.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bloom", "gpt2", "llama"])
def test_lora_adapts_any_class_and_merges_into_the_base(project, kind):
    base = tiny.decoder(project / "base", kind)
    before = models.hashes(base)
    out, metrics = run(base)
    assert metrics["after"]["bits_per_byte"] < metrics["before"]["bits_per_byte"] - 0.04
    assert metrics["after"]["loss"] < metrics["before"]["loss"]
    assert metrics["notes"] == 40
    assert [row["step"] for row in metrics["curve"]][-1] == metrics["steps"]
    assert (project / out / "adapter_model.safetensors").is_file()
    assert not (project / out / "model.safetensors").exists()
    assert models.hashes(base) == before
    merged = adaptation.load(base, out, "lora", "fp32")
    loss = evaluation.losses(merged, models.load_tokenizer(base), tiny.texts(50)[40:], 64)
    assert evaluation.summary(loss)["loss"] == pytest.approx(metrics["after"]["loss"], abs=1e-3)


@pytest.mark.slow
def test_a_multimodal_base_is_adapted_where_text_passes_and_writes_notes(project):
    base = tiny.decoder(project / "base", "gemma3")
    out, metrics = run(base)
    assert metrics["after"]["bits_per_byte"] < metrics["before"]["bits_per_byte"] - 0.04
    adapted = load_file(project / out / "adapter_model.safetensors")
    assert len(adapted) == 2 * 2 * 7  # two matrices for each of seven linear layers in two blocks
    assert all(".language_model.layers." in name for name in adapted)
    merged = adaptation.load(base, out, "lora", "fp32")
    tokenizer = models.load_tokenizer(base)
    loss = evaluation.losses(merged, tokenizer, tiny.texts(50)[40:], 64)
    assert evaluation.summary(loss)["loss"] == pytest.approx(metrics["after"]["loss"], abs=1e-3)
    out, _ = run(base, method="full", learning_rate=0.005, epochs=12)  # adapters on random weights write nothing yet
    invented = sampled(base, out)
    assert len(invented) > 5
    assert len({note.text for note in invented}) == len(invented)


def sampled(base, generator, **changes):
    """Notes that the stage after this one samples from nothing."""
    section = {
        "prompt": "begin_of_note", "temperature": 1.0, "top_p": 0.95, "max_new_tokens": 40, "volume": 0.2,
        "chunk": 32,
        "drop": {"unfinished": False, "min_words": 1, "repetition": 1.0, "near_duplicate": 1.0},
    } | changes  # fmt: skip
    runs.write_params({"synthesis": {"generate": section}, "catalog": {"demo": {"servers_permitted": False}}})
    cell = {"corpus": "demo", "fold": 0, "seed": 1, "base": base, "model": generator, "prompts": "select"}
    made = {"out": "data/generated/demo/0/1", "unadapted": "data/unadapted", "metrics": "generated.json"}
    runs.run(generate, **cell, train="train", **made)
    return list(note_table.read("data/generated/demo/0/1"))


@pytest.mark.slow
def test_a_generator_with_one_mark_for_begin_and_end_writes_texts_from_nothing(project):
    """With two marks between documents, every second mark is followed by another, and two texts of five are empty."""
    base = tiny.decoder(project / "base", "gpt2")
    tokenizer = models.load_tokenizer(base)
    tokenizer.bos_token = tokenizer.eos_token
    tokenizer.save_pretrained(base)
    out, _ = run(base, method="full", learning_rate=0.005, epochs=12)
    sampled(base, out, volume=2.0)
    counted = json.loads(Path("generated.json").read_text())
    assert counted["sampled"] > 60
    assert counted["dropped"]["too_short"] <= 0.05 * counted["sampled"]


@pytest.mark.slow
def test_a_base_with_a_slow_tokenizer_is_adapted(project):
    base = tiny.decoder(project / "base")
    (base / "tokenizer.json").unlink()
    transformers.ByT5Tokenizer(extra_ids=0).save_pretrained(base)
    _, metrics = run(base)
    assert metrics["tokens"] == sum(len(text.encode()) + 1 for text in tiny.texts(40))  # bytes, and one mark each
    assert metrics["after"]["loss"] < metrics["before"]["loss"] - 0.1


@pytest.mark.slow
def test_what_the_tokenizer_of_the_generator_loses_is_reported_and_stops_the_stage(project):
    texts = [text + "\n" for text in tiny.texts(50)]
    tiny.table(project / "train", "train", texts[:40])
    tiny.table(project / "select", "select", texts[40:])
    base = tiny.decoder(project / "base")
    kept = run(base)[1]["round_trip"]
    assert (kept["texts"], kept["exact"], kept["line_breaks"], kept["line_breaks_kept"]) == (50, 50, 150, 150)
    file = base / "tokenizer.json"
    replace = {"type": "Replace", "pattern": {"String": "\n"}, "content": " "}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"normalizer": replace}))
    with pytest.raises(UserError, match=r"0 of 50 texts exactly.*0 of 150 line breaks.*synthesis\.adapt\.round_trip"):
        run(base)
    assert run(base, round_trip=0.0)[1]["round_trip"]["line_breaks_kept"] == 0


@pytest.mark.slow
def test_the_frozen_base_of_lora_has_the_precision_asked_for(project):
    base = tiny.decoder(project / "base", tie_word_embeddings=False)

    def types(**changes):
        adapted = prepare(base, Adapt(**SETTINGS | changes))
        named = [(weight.requires_grad, weight.dtype) for weight in adapted.parameters()]
        return {dtype for trained, dtype in named if trained}, {dtype for trained, dtype in named if not trained}

    assert types(precision="bf16") == ({torch.float32}, {torch.bfloat16})
    assert types() == ({torch.float32}, {torch.float32})
    # The embeddings are trained too, and trained weights are not rounded.
    assert types(precision="bf16", lora=SETTINGS["lora"] | {"embeddings": True}) == ({torch.float32}, {torch.float32})
    assert types(precision="bf16", method="full") == ({torch.float32}, set())
    _, metrics = run(base, precision="bf16")
    assert metrics["after"]["loss"] < metrics["before"]["loss"] - 0.2


@pytest.mark.slow
def test_lora_with_embeddings_learns_words_that_the_base_has_not_seen(project):
    base = tiny.decoder(project / "base", tie_word_embeddings=False)
    plain = run(base)[1]["after"]["loss"]
    out, metrics = run(base, lora=SETTINGS["lora"] | {"embeddings": True})
    assert metrics["after"]["loss"] < plain - 0.2
    merged = adaptation.load(base, out, "lora", "fp32")
    loss = evaluation.losses(merged, models.load_tokenizer(base), tiny.texts(50)[40:], 64)
    assert evaluation.summary(loss)["loss"] == pytest.approx(metrics["after"]["loss"], abs=1e-3)


@pytest.mark.slow
def test_steps_do_not_depend_on_the_notes(project):
    base = tiny.decoder(project / "base")
    tiny.table(project / "few", "train@0.1", tiny.texts(4))
    counts = [run(base, train, steps=5, epochs=None)[1]["steps"] for train in ("train", "few")]
    assert counts == [5, 5]
    with pytest.raises(UserError, match=r"synthesis\.adapt.*either steps .* or epochs"):
        run(base, steps=5)


def test_embeddings_of_a_base_that_ties_them_are_refused(project):
    with pytest.raises(UserError, match=r"lora\.embeddings.*ties them"):
        run(tiny.decoder(project / "base"), lora=SETTINGS["lora"] | {"embeddings": True})


@pytest.mark.slow
def test_full_training_writes_a_whole_model(project):
    base = tiny.decoder(project / "base")
    out, metrics = run(base, method="full", learning_rate=0.005)
    assert metrics["after"]["loss"] < metrics["before"]["loss"] - 0.5
    model = models.load_decoder(out)
    loss = evaluation.losses(model, models.load_tokenizer(out), tiny.texts(50)[40:], 64)
    assert evaluation.summary(loss)["loss"] == pytest.approx(metrics["after"]["loss"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="needs the extra qlora")
def test_qlora_trains_on_four_bits_and_merges_into_all(project):
    base = tiny.decoder(project / "base")
    out, metrics = run(base, method="qlora")
    assert metrics["after"]["loss"] < metrics["before"]["loss"]
    assert adaptation.load(base, out, "qlora", "fp32").dtype == torch.float32


def test_qlora_without_its_extra(project, monkeypatch):
    base = tiny.decoder(project / "base")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install .\[qlora\]"):
        run(base, method="qlora")


@pytest.mark.parametrize("empty_share", [True, False])
def test_no_adaptation_leaves_the_base(project, empty_share):
    base = tiny.decoder(project / "base")
    if empty_share:
        tiny.table(project / "train", "train", [])
    out, metrics = run(base, method="lora" if empty_share else "none")
    assert (metrics["method"], metrics["steps"], metrics["before"]) == ("none", 0, metrics["after"])
    assert {file.name for file in (project / out).iterdir()} == {adaptation.FILE, lineage.FILE}
    assert lineage.read(out) == lineage.read(base)


@pytest.mark.slow
def test_lineage_names_what_was_learned_and_what_stopped_it(project):
    base = tiny.decoder(project / "base")
    out, _ = run(base)
    assert lineage.read(out) - lineage.read(base) == {
        Read("demo/0/train", "real", "gradient"),
        Read("demo/0/select", "real", "selection"),
    }
    assert lineage.bars_release(lineage.read(out)) == {Read("demo/0/train", "real", "gradient")}


@pytest.mark.slow
def test_pieces_are_learned_as_documents_of_their_own(project):
    base = tiny.decoder(project / "base")
    metrics = run(base, unit="piece", piece_words=10)[1]
    tokenizer = models.load_tokenizer(base)
    pieces = [
        " ".join(words[i : i + 10]) for words in map(str.split, tiny.texts(40)) for i in range(0, len(words), 10)
    ]
    cut = [piece.text for note in note_table.read("train") for piece in units.pieces(note, 10)]
    assert [" ".join(piece.split()) for piece in cut] == pieces
    assert metrics["tokens"] == sum(len(ids) + 2 for ids in tokenizer(cut)["input_ids"])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_adapter(project):
    base = tiny.decoder(project / "base")
    out, _ = run(base)
    first = models.hashes(out)
    assert models.hashes(run(base)[0]) == first
    # A set, whose order changes from process to process.
    modules = json.loads((out / "adapter_config.json").read_text())["target_modules"]
    assert modules == sorted(modules) and len(modules) > 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": "nowhere"}, "nowhere: not there"),
        ({"train": "nowhere"}, r"nowhere: not there"),
        ({"rank": 3}, "rank"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(project, changes, message):
    base = tiny.decoder(project / "base")
    with pytest.raises(UserError, match=message):
        run(**{"base": base, **changes})
    assert not (project / "data/generator").exists() or not list((project / "data/generator").rglob("*.json"))


def test_no_select_notes(project):
    base = tiny.decoder(project / "base")
    tiny.table(project / "select", "select", [])
    with pytest.raises(UserError, match="no select notes"):
        run(base)
