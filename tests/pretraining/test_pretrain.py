import json
import os
import shutil
import signal
import subprocess
import sys
import time
from glob import glob
from pathlib import Path

import pytest
import torch
import yaml

from stages.pretraining import pretrain
from stages.shared import lineage, lm, models, notes, packing, training
from stages.shared.errors import UserError
from stages.shared.lineage import Read
from stages.shared.notes import Note
from tests import tiny
from tests.graph import ROOT
from tests.ner.conftest import make_encoder

pytestmark = pytest.mark.slow

SETTINGS = {
    "start": "base", "context": 32, "epochs": 4, "mask": 0.3, "other_rates": [], "validation": 0.2, "evaluations": 2,
    "batch": 2, "optimizer": "adamw", "learning_rate": 0.01, "schedule": "linear", "warmup": 0.1, "weight_decay": 0.0,
    "precision": "fp32",
}  # fmt: skip


@pytest.fixture
def project(workdir: Path) -> Path:
    """Two texts a group."""
    rows = [Note(f"real:{i}", f"g{i // 2}", text) for i, text in enumerate(tiny.texts(40))]
    notes.write("mixture", rows)
    lineage.write("mixture", [Read("demo/0/train", "rewritten-real", "content")])
    tiny.decoder(workdir / "decoder")
    make_encoder(workdir / "encoder", "modernbert")
    return workdir


def run(monkeypatch, kind="decoder", repeat=1, seed=1, **changes) -> tuple[Path, dict]:
    settings = {"pretraining": {"pretrain": SETTINGS | changes}}
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    Path("mixed.json").write_text(json.dumps({"repeat": repeat}))
    out = f"out/{kind}/m/demo/0/{seed}"
    arguments = (
        f"--kind {kind} --base {kind} --mixture mixture --mixed mixed.json --seed {seed} --metrics m.json"
    )
    monkeypatch.setattr(sys, "argv", ["pretrain", *arguments.split(), "--out", out])
    pretrain.main()
    return Path(out), json.loads(Path("m.json").read_text())


def held_out_loss(folder: Path) -> float:
    _, held = pretrain.divided(notes.read("mixture"), SETTINGS["validation"])
    model, tokenizer = models.load_decoder(folder), models.load_tokenizer(folder)
    return lm.summary(lm.losses(model, tokenizer, [note.text for note in held], 256))["loss"]


def test_a_decoder_learns_the_mixture(project, monkeypatch):
    before = held_out_loss(project / "decoder")
    out, metrics = run(monkeypatch)
    assert held_out_loss(out) < before - 0.5
    assert [row["step"] for row in metrics["curve"]][-1] == metrics["steps"]
    assert metrics["validation_loss"] == min(row["loss"] for row in metrics["curve"])
    assert lineage.read(out) == {
        Read("story", "public", "gradient"),
        Read("story", "public", "vocabulary"),
        Read("demo/0/train", "rewritten-real", "gradient"),
    }
    assert lineage.bars_release(lineage.read(out))


def test_the_budget_is_counted_in_real_tokens(project, monkeypatch):
    _, once = run(monkeypatch)
    assert once["texts"] + once["validation_texts"] == 40
    assert once["validation_texts"] == 8
    assert once["tokens_trained"] == once["steps"] * 2 * 32
    assert once["passes"] == pytest.approx(4, rel=0.05)
    lengths = [
        len(ids)
        for ids in models.load_tokenizer("decoder")([n.text for n in notes.read("mixture")])["input_ids"]
    ]
    assert once["unique_tokens"] == pytest.approx(sum(lengths) * 0.8, rel=0.1)
    # Nothing is padded: only the marks between texts are no words of theirs.
    assert once["real_share"] == round(once["unique_tokens"] / (once["unique_tokens"] + 2 * once["texts"]), 6)
    _, twice = run(monkeypatch, repeat=2)
    assert twice["steps"] == pytest.approx(2 * once["steps"], abs=1)
    assert twice["unique_tokens"] == once["unique_tokens"]


def test_an_encoder_learns_to_fill_in_what_is_masked(project, monkeypatch):
    def loss(folder):
        tokenizer = models.load_tokenizer(folder)
        _, held = pretrain.divided(notes.read("mixture"), 0.2)
        tokens = packing.tokenise((note.text for note in held), tokenizer)
        special = tuple(tokenizer.all_special_ids)
        blocks = packing.Blocks(
            tokens, 32, packing.Masking(0.3, tokenizer.mask_token_id, len(tokenizer), special)
        )
        rows = [
            {key: torch.tensor(value)[None] for key, value in blocks[i].items()} for i in range(len(blocks))
        ]
        model = models.load_masked(folder).eval()
        with torch.inference_mode():
            return sum(model(**row).loss.item() for row in rows) / len(rows)

    out, metrics = run(monkeypatch, "encoder")
    assert loss(out) == pytest.approx(metrics["validation_loss"], rel=0.1)
    assert loss(out) < loss("encoder") - 1
    assert type(models.load_masked(out)).__name__ == "ModernBertForMaskedLM"


def test_of_several_learning_rates_the_best_on_validation_is_kept(project, monkeypatch):
    _, low = run(monkeypatch, learning_rate=1e-5)
    out, best = run(monkeypatch, learning_rate=1e-5, other_rates=[0.01, 1e-4])
    assert best["learning_rate"] == 0.01
    assert best["validation_loss"] < low["validation_loss"] - 0.3
    alone, _ = run(monkeypatch)
    assert models.hashes(alone) == models.hashes(out)


def test_an_empty_mixture_leaves_the_base_model_as_it_is(project, monkeypatch):
    notes.write("mixture", [])
    for kind in ("decoder", "encoder"):
        out, metrics = run(monkeypatch, kind, start="scratch")
        assert models.hashes(out)["model.safetensors"] == models.hashes(kind)["model.safetensors"]
        assert metrics["steps"] == metrics["tokens_trained"] == 0
        assert lineage.read(out) == lineage.read(kind)


def test_scratch_draws_other_weights_for_other_seeds_and_no_base_weights(project, monkeypatch):
    def begun(how, seed):
        return pretrain.start("decoder", "decoder", how, seed).get_input_embeddings().weight

    assert torch.equal(begun("base", 1), begun("base", 2))
    assert torch.equal(begun("scratch", 1), begun("scratch", 1))
    assert not torch.equal(begun("scratch", 1), begun("scratch", 2))
    assert not torch.equal(begun("scratch", 1), begun("base", 1))


def test_a_killed_pretraining_goes_on_to_the_same_model(project, monkeypatch):
    whole = models.hashes(run(monkeypatch, other_rates=[0.02])[0])
    fit, calls = training.fit, []

    def dies(*arguments, **options):
        calls.append(arguments[2].learning_rate)
        if len(calls) == 2:
            arguments = (*arguments[:6], tiny_killer(arguments[6]), *arguments[7:])
        return fit(*arguments, **options)

    def tiny_killer(_):
        return tiny.KilledAt(12)

    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", dies)
        with pytest.raises(tiny.Killed):
            run(patch, other_rates=[0.02])
    assert not list(Path("out").rglob("*.partial"))
    resumed, _ = run(monkeypatch, other_rates=[0.02])
    assert models.hashes(resumed) == whole


def test_kill_9_at_three_moments_costs_nothing_but_the_steps_since_a_checkpoint(project, monkeypatch):
    """As a cluster kills: no handler runs, a checkpoint may be half written."""
    long = {"epochs": 10, "evaluations": 6}
    whole, metrics = run(monkeypatch, **long)
    hashes = models.hashes(whole)
    shutil.rmtree("out")
    command = [sys.executable, "-m", "stages.pretraining.pretrain", *sys.argv[1:]]
    reached = 0
    for moment in (1, 3, 5):
        with subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as started:
            while started.poll() is None and newest() < moment * metrics["steps"] / 6:
                time.sleep(0.001)
            started.kill()
        assert started.returncode == -signal.SIGKILL
        assert reached < newest() < metrics["steps"]
        reached = newest()
        assert not whole.exists()
    resumed, again = run(monkeypatch, **long)
    assert models.hashes(resumed) == hashes
    assert again == metrics


def newest() -> int:
    """The step of the newest complete checkpoint."""
    # Unlike Path.rglob, not disturbed by old checkpoints that are removed meanwhile.
    states = glob("data/.scratch/pretraining/pretrain/*/*/checkpoint-*/trainer_state.json")
    return max((int(Path(state).parent.name.partition("-")[2]) for state in states), default=0)


def test_validation_is_whole_groups(project):
    learnt, held = pretrain.divided(notes.read("mixture"), 0.2)
    assert len(learnt) + len(held) == 40
    assert not {note.group_id for note in learnt} & {note.group_id for note in held}
    with pytest.raises(UserError, match="one group only"):
        pretrain.divided([Note("a", "g", "x"), Note("b", "g", "y")], 0.2)
