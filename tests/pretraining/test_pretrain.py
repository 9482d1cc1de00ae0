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

from stages.lm import evaluation, models, packing, training
from stages.notes import note_table
from stages.notes.note_table import Note
from stages.pretraining.pretrain import group_sizes, pretrain, start, validation_groups
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests import tiny
from tests.graph import ROOT
from tests.ner.conftest import make_encoder
from tests.runs import run, write_params

pytestmark = pytest.mark.slow

SETTINGS = {
    "start": "base", "context": 32, "epochs": 4, "mask": 0.3, "other_rates": [], "validation": 0.2, "evaluations": 2,
    "batch": 2, "optimizer": "adamw", "learning_rate": 0.01, "schedule": "linear", "warmup": 0.1, "weight_decay": 0.0,
    "precision": "fp32",
}  # fmt: skip

# Tokens that the mixture's recipe asks for; the texts have some more.
BUDGET = 1200


@pytest.fixture
def project(workdir: Path) -> Path:
    """Two texts a group."""
    rows = [Note(f"real:{i}", f"g{i // 2}", text) for i, text in enumerate(tiny.texts(40))]
    note_table.write("mixture", rows)
    lineage.write("mixture", [Read("demo/0/train", "rewritten-real", "content")])
    tiny.decoder(workdir / "decoder")
    make_encoder(workdir / "encoder", "modernbert")
    return workdir


def arguments(kind="decoder") -> dict:
    """The command line of a cell."""
    cell = {"kind": kind, "mixture": "m", "corpus": "demo", "fold": 0, "seed": 1}
    paths = {"base": kind, "texts": "mixture", "mixed": "mixed.json", "out": f"out/{kind}", "metrics": "m.json"}
    return cell | paths


def train(kind="decoder", repeat=1, **changes) -> tuple[Path, dict]:
    write_params({"pretraining": {"pretrain": SETTINGS | changes}})
    Path("mixed.json").write_text(json.dumps({"budget": BUDGET, "repeat": repeat}))
    run(pretrain, **arguments(kind))
    return Path(f"out/{kind}"), json.loads(Path("m.json").read_text())


def held_out_texts() -> list[str]:
    notes = list(note_table.read("mixture"))
    sizes = group_sizes(Path("mixture"), models.load_tokenizer("decoder"))
    held_out = validation_groups(sizes, SETTINGS["validation"])
    return [note.text for note in notes if note.group_id in held_out]


def held_out_loss(folder: Path) -> float:
    model, tokenizer = models.load_decoder(folder), models.load_tokenizer(folder)
    return evaluation.summary(evaluation.losses(model, tokenizer, held_out_texts(), 256))["loss"]


def test_a_decoder_learns_the_mixture(project):
    before = held_out_loss(project / "decoder")
    out, metrics = train()
    assert held_out_loss(out) < before - 0.5
    assert [row["step"] for row in metrics["curve"]][-1] == metrics["steps"]
    assert metrics["validation_loss"] == min(row["loss"] for row in metrics["curve"])
    assert lineage.read(out) == {
        Read("story", "public", "gradient"),
        Read("story", "public", "vocabulary"),
        Read("demo/0/train", "rewritten-real", "gradient"),
    }
    assert lineage.bars_release(lineage.read(out))


def test_the_budget_is_counted_in_real_tokens(project):
    _, once = train()
    assert once["texts"] + once["validation_texts"] == 40
    assert once["validation_texts"] == 8
    # A block of 32 tokens predicts 31 of them.
    assert once["steps"] == round(4 * BUDGET * 0.8 / (2 * 31))
    assert once["tokens_trained"] == once["steps"] * 2 * 31
    lengths = [
        len(ids)
        for ids in models.load_tokenizer("decoder")([n.text for n in note_table.read("mixture")])["input_ids"]
    ]
    assert once["unique_tokens"] == pytest.approx(sum(lengths) * 0.8, rel=0.02)
    # Nothing is padded: only the marks between texts are no words of theirs.
    tokens = once["unique_tokens"] + 2 * once["texts"]
    assert once["real_share"] == round(once["unique_tokens"] / tokens, 6)
    assert once["passes"] == round(once["tokens_trained"] / tokens, 3)
    _, twice = train(repeat=2)
    assert twice["steps"] == pytest.approx(2 * once["steps"], abs=1)
    assert twice["unique_tokens"] == once["unique_tokens"]


def test_mixtures_of_equal_size_are_trained_on_for_equally_many_tokens(project):
    """However their tokens lie in groups, and although whole pieces make one a little larger than the other."""
    _, even = train()
    texts = [f"{text} Alta." for text in tiny.texts(40)]
    note_table.write("mixture", [Note(f"real:{i}", f"g{max(0, i - 10)}", text) for i, text in enumerate(texts)])
    _, uneven = train()
    assert uneven["unique_tokens"] != even["unique_tokens"]
    assert uneven["tokens_trained"] == even["tokens_trained"]


def test_steps_follow_from_the_context_that_the_model_has(project):
    _, metrics = train(context=1024)  # the model reads 256
    assert metrics["steps"] == round(4 * BUDGET * 0.8 / (2 * 255))
    assert metrics["tokens_trained"] == metrics["steps"] * 2 * 255


def test_an_encoder_learns_to_fill_in_what_is_masked(project):
    def loss(folder):
        tokenizer = models.load_tokenizer(folder)
        tokens = packing.tokenise(held_out_texts, tokenizer, project, Path(folder).name)
        special = tuple(tokenizer.all_special_ids)
        blocks = packing.Blocks(tokens, 32, packing.Masking(0.3, tokenizer.mask_token_id, len(tokenizer), special))
        rows = [{key: torch.tensor(value)[None] for key, value in blocks[i].items()} for i in range(len(blocks))]
        model = models.load_masked(folder).eval()
        with torch.inference_mode():
            return sum(model(**row).loss.item() for row in rows) / len(rows)

    out, metrics = train("encoder")
    assert loss(out) == pytest.approx(metrics["validation_loss"], rel=0.1)
    assert loss(out) < loss("encoder") - 1
    assert type(models.load_masked(out)).__name__ == "ModernBertForMaskedLM"


def test_of_several_learning_rates_the_best_on_validation_is_kept(project):
    _, low = train(learning_rate=1e-5)
    out, best = train(learning_rate=1e-5, other_rates=[0.01, 1e-4])
    assert best["learning_rate"] == 0.01
    assert best["validation_loss"] < low["validation_loss"] - 0.3
    alone, _ = train()
    assert models.hashes(alone) == models.hashes(out)


def test_an_empty_mixture_leaves_the_base_model_as_it_is(project):
    note_table.write("mixture", [])
    for kind in ("decoder", "encoder"):
        out, metrics = train(kind, start="scratch")
        assert models.hashes(out)["model.safetensors"] == models.hashes(kind)["model.safetensors"]
        assert metrics["steps"] == metrics["tokens_trained"] == 0
        assert lineage.read(out) == lineage.read(kind)


def test_scratch_draws_other_weights_for_other_seeds_and_no_base_weights(project):
    def begun(how, seed):
        return start("decoder", Path("decoder"), how, seed).get_input_embeddings().weight

    assert torch.equal(begun("base", 1), begun("base", 2))
    assert torch.equal(begun("scratch", 1), begun("scratch", 1))
    assert not torch.equal(begun("scratch", 1), begun("scratch", 2))
    assert not torch.equal(begun("scratch", 1), begun("base", 1))


def test_scratch_can_be_smaller_than_the_base(project):
    out, _ = train(start="scratch", shape={"decoder": {"hidden_size": 16, "num_hidden_layers": 1}})
    config, base = models.load_decoder(out).config, models.load_decoder("decoder").config
    assert (config.hidden_size, config.num_hidden_layers) == (16, 1)
    assert (config.model_type, config.vocab_size) == (base.model_type, base.vocab_size)
    # The other kind keeps its shape.
    out, _ = train("encoder", start="scratch", shape={"decoder": {"hidden_size": 16}})
    assert models.load_masked(out).config.hidden_size == models.load_masked("encoder").config.hidden_size
    with pytest.raises(UserError, match="the config of this llama model has no key hidden"):
        train(start="scratch", shape={"decoder": {"hidden": 16}})


def test_a_killed_pretraining_resumes_to_the_same_model(project, monkeypatch):
    whole = models.hashes(train(other_rates=[0.02])[0])
    fit, calls = training.fit, []

    def dies(*arguments, **options):
        calls.append(arguments[2].learning_rate)
        if len(calls) == 2:
            arguments = (*arguments[:5], tiny.KilledAt(12), *arguments[6:])
        return fit(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", dies)
        with pytest.raises(tiny.Killed):
            train(other_rates=[0.02])
    assert not list(Path("out").rglob("*.partial"))
    resumed, _ = train(other_rates=[0.02])
    assert models.hashes(resumed) == whole


def test_kill_9_at_three_moments_costs_nothing_but_the_steps_since_a_checkpoint(project):
    """As a cluster kills: no handler runs, a checkpoint may be half written."""
    long = {"epochs": 10, "evaluations": 6}
    whole, metrics = train(**long)
    hashes = models.hashes(whole)
    shutil.rmtree("out")
    words = [word for name, value in arguments().items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "stages.pretraining.pretrain", *words]
    reached = 0
    for moment in (1, 3, 5):
        with subprocess.Popen(
            command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as started:
            while started.poll() is None and newest() < moment * metrics["steps"] / 6:
                time.sleep(0.001)
            started.kill()
        assert started.returncode == -signal.SIGKILL
        assert reached < newest() < metrics["steps"]
        reached = newest()
        assert not whole.exists()
    resumed, again = train(**long)
    assert models.hashes(resumed) == hashes
    assert again == metrics


def newest() -> int:
    """The step of the newest complete checkpoint."""
    # Unlike Path.rglob, not disturbed by old checkpoints that are removed meanwhile.
    states = glob("data/.scratch/pretraining/pretrain/*/*/checkpoint-*/trainer_state.json")
    return max((int(Path(state).parent.name.partition("-")[2]) for state in states), default=0)


def test_validation_is_whole_groups_and_a_share_of_the_tokens():
    sizes = {f"g{number}": 10 * number for number in range(1, 41)}
    for share in (0.05, 0.1, 0.2, 0.5):
        held_out = sum(sizes[group] for group in validation_groups(sizes, share))
        assert abs(held_out - share * sum(sizes.values())) <= max(sizes.values()) / 2
    assert len(validation_groups(sizes, 0.0001)) == 1
    with pytest.raises(UserError, match="one group only"):
        validation_groups({"g": 7}, 0.2)


def test_the_size_of_a_group_is_its_tokens(project):
    tokenizer = models.load_tokenizer("decoder")
    lengths = [len(ids) + 1 for ids in tokenizer(tiny.texts(40))["input_ids"]]  # and the end of each text
    expected = {f"g{number}": lengths[2 * number] + lengths[2 * number + 1] for number in range(20)}
    assert group_sizes(Path("mixture"), tokenizer) == expected


def test_an_encoder_needs_a_mask_share(project):
    with pytest.raises(UserError, match=r"pretraining\.pretrain\.mask is missing"):
        train("encoder", mask=None)


def test_the_base_s_own_weights_take_no_other_shape(project):
    with pytest.raises(UserError, match="shape is for new weights, but start is base; set start: scratch"):
        train(start="base", shape={"decoder": {"hidden_size": 16}})
