import numpy as np
import pytest
import torch
import transformers
from accelerate.optimizer import AcceleratedOptimizer

from stages.lm import logits, models, packing, training
from stages.lm.optimisation import Optimisation
from stages.runtime.errors import UserError
from tests import tiny

SETTINGS = Optimisation(
    batch=4, optimizer="adamw", learning_rate=5e-3, schedule="cosine", warmup=0.1, weight_decay=0.01, precision="fp32"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.decoder(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(base, tmp_path_factory):
    """Documents to train on and blocks to evaluate on."""
    tokenizer, folder = models.load_tokenizer(base), tmp_path_factory.mktemp("tokens")
    train = packing.tokenise(lambda: tiny.texts(40), tokenizer, folder, "train")
    return train, packing.Blocks(packing.tokenise(lambda: tiny.texts(50)[40:], tokenizer, folder, "select"), 32)


def model_with_dropout(base):
    """A new model each time; dropout, so that the random state has to be resumed too."""
    torch.manual_seed(0)
    return models.load_decoder(base, attention_dropout=0.1)


def train(base, data, folder, run, model=None, optimizer="adamw", steps=20, times=5, patience=None, select=None):
    model = model or model_with_dropout(base)
    settings = SETTINGS.model_copy(update={"optimizer": optimizer})
    examples = packing.Stream(data[0], 32, steps * settings.batch, seed=1)
    fitted = training.fit(
        model, examples, settings, 1, folder, run, "test", training.Selection(select or data[1], times, patience)
    )
    return fitted, model.state_dict()


def lora(base):
    from peft import LoraConfig, get_peft_model

    return get_peft_model(model_with_dropout(base), LoraConfig(r=2, target_modules="all-linear", lora_dropout=0.1))


@pytest.mark.slow
@pytest.mark.parametrize(("make", "optimizer"), [(model_with_dropout, "adamw"), (lora, "adamw"), (lora, "muon")])
def test_a_killed_training_ends_with_the_weights_of_an_uninterrupted_one(base, data, tmp_path, make, optimizer):
    whole, expected = train(base, data, tmp_path / "whole", tiny.Recorder(), make(base), optimizer)
    for kill in (5, 14):  # before the first checkpoint is followed by another, and later
        with pytest.raises(tiny.Killed):
            train(base, data, tmp_path / "killed", tiny.KilledAt(kill), make(base), optimizer)
    # What a kill in the middle of writing leaves behind: no state file yet.
    (tmp_path / "killed" / "checkpoint-16").mkdir()
    (tmp_path / "killed" / "checkpoint-16" / "model.safetensors").write_bytes(b"half")
    recorder = tiny.Recorder()
    resumed, weights = train(base, data, tmp_path / "killed", recorder, make(base), optimizer)
    assert min(step for step, _ in recorder.rows) == 13  # went on from checkpoint 12
    assert resumed == whole
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_gradient_checkpointing_changes_memory_and_not_weights(base, data, tmp_path, monkeypatch):
    _, expected = train(base, data, tmp_path / "plain", tiny.Recorder(), lora(base))
    monkeypatch.setenv("DEIDSYNTH_GRADIENT_CHECKPOINTING", "1")
    model, passes = lora(base), []
    attention = model.get_base_model().model.layers[0].self_attn
    attention.register_forward_pre_hook(lambda *call: passes.append(torch.is_grad_enabled()))
    _, weights = train(base, data, tmp_path / "checkpointing", tiny.Recorder(), model)
    assert sum(passes) == 2 * 20  # once forwards, once more for the gradient, in each of 20 steps
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight, atol=1e-6, rtol=1e-5)


def test_a_model_without_gradient_checkpointing(base, data, tmp_path, monkeypatch):
    monkeypatch.setenv("DEIDSYNTH_GRADIENT_CHECKPOINTING", "1")
    model = model_with_dropout(base)
    monkeypatch.setattr(type(model), "supports_gradient_checkpointing", False)
    with pytest.raises(UserError, match="LlamaForCausalLM has no gradient checkpointing; unset DEIDSYNTH_GRADIENT"):
        train(base, data, tmp_path, tiny.Recorder(), model)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_large_vocabulary_is_trained_in_slices_to_the_same_weights(base, data, tmp_path, monkeypatch, optimizer):
    whole, expected = train(base, data, tmp_path / "whole", tiny.Recorder(), optimizer=optimizer)
    monkeypatch.setattr(logits, "_LOGITS", 7 * 396)
    model, widths = model_with_dropout(base), []
    model.lm_head.register_forward_hook(lambda *call: widths.append(call[-1].shape[-2]))
    fitted, weights = train(base, data, tmp_path / "sliced", tiny.Recorder(), model, optimizer)
    assert max(widths) == 7
    assert [step for step, _ in fitted.evaluations] == [step for step, _ in whole.evaluations]
    assert [loss for _, loss in fitted.evaluations] == pytest.approx(
        [loss for _, loss in whole.evaluations], abs=1e-4
    )
    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight, atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_loss_falls_and_numbers_are_logged(base, data, tmp_path):
    recorder = tiny.Recorder()
    fitted, _ = train(base, data, tmp_path / "t", recorder, steps=40, times=4)
    assert [step for step, _ in fitted.evaluations] == [10, 20, 30, 40]
    assert fitted.best == (40, fitted.evaluations[-1][1])
    assert fitted.evaluations[-1][1] < fitted.evaluations[0][1] - 0.3
    assert {step for step, values in recorder.rows if "loss" in values} == set(range(1, 41))
    assert {step for step, values in recorder.rows if "select_loss" in values} == {10, 20, 30, 40}


@pytest.mark.slow
def test_patience_stops_and_the_best_weights_come_back(base, data, tmp_path):
    """The select text contradicts the training text, so every step makes its loss worse once learned."""
    tokenizer = models.load_tokenizer(base)
    noise = packing.Blocks(packing.tokenise(lambda: ["zz qq xx kk " * 20], tokenizer, tmp_path), 32)
    fitted, weights = train(base, data, tmp_path / "t", tiny.Recorder(), steps=40, times=20, patience=2, select=noise)
    losses = [loss for _, loss in fitted.evaluations]
    assert fitted.steps < 40
    assert losses.index(min(losses)) == len(losses) - 3
    model = models.load_decoder(base)
    model.load_state_dict(weights)
    rows = [noise[block] for block in range(len(noise))]
    batch = {key: torch.stack([torch.from_numpy(row[key]) for row in rows]) for key in rows[0]}
    with torch.inference_mode():
        assert model(**batch).loss.item() == pytest.approx(min(losses), rel=2e-2)


@pytest.mark.slow
def test_the_micro_batch_changes_results_by_rounding_only(base, data, tmp_path, monkeypatch):
    model = models.load_decoder(base)
    _, whole = train(base, data, tmp_path / "a", tiny.Recorder(), model, steps=5, times=1)
    monkeypatch.setenv("DEIDSYNTH_MICRO_BATCH", "1")
    model = models.load_decoder(base)
    _, single = train(base, data, tmp_path / "b", tiny.Recorder(), model, steps=5, times=1)
    assert max((whole[name] - single[name]).abs().max().item() for name in whole) < 2e-3
    assert any(not torch.equal(whole[name], single[name]) for name in whole)


@pytest.mark.parametrize(
    ("batch", "allowed", "expected"), [(8, "8", (8, 1)), (16, "8", (8, 2)), (6, "4", (3, 2)), (7, "4", (1, 7))]
)
def test_the_micro_batch_divides_the_batch(monkeypatch, batch, allowed, expected):
    monkeypatch.setenv("DEIDSYNTH_MICRO_BATCH", allowed)
    assert training._micro_batch(batch) == expected


def test_micro_batch_and_processes_that_cannot_be(monkeypatch):
    for value in ("0", "many"):
        monkeypatch.setenv("DEIDSYNTH_MICRO_BATCH", value)
        with pytest.raises(UserError, match="DEIDSYNTH_MICRO_BATCH"):
            training._micro_batch(8)
    monkeypatch.setenv("DEIDSYNTH_MICRO_BATCH", "8")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UserError, match="3 processes"):
        training._micro_batch(8)
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert training._micro_batch(8) == (2, 1)


def test_too_few_examples_is_a_defect(base, data, tmp_path):
    with pytest.raises(ValueError, match="too few"):
        train(base, data, tmp_path / "t", tiny.Recorder(), steps=0)


def test_every_epoch_takes_every_example_once_in_an_order_of_its_own():
    drawn = list(training.epochs("abcde", 12, seed=1))
    assert len(drawn) == 12
    rounds = ["".join(drawn[start : start + 5]) for start in (0, 5)]
    assert [sorted(of) for of in rounds] == [list("abcde")] * 2
    assert len(set(rounds)) > 1
    assert list(training.epochs("abcde", 12, seed=1)) == drawn != list(training.epochs("abcde", 12, seed=2))


def test_examples_are_padded_with_a_mask_and_without_labels():
    tokenizer = tiny.tokenizer("encoder")
    lengths, generator = (7, 3, 5), np.random.default_rng(1)
    rows = [{name: generator.integers(4, 9, length) for name in ("input_ids", "labels")} for length in lengths]
    expected = {
        "input_ids": np.full((3, 7), tokenizer.pad_token_id),
        "labels": np.full((3, 7), training.IGNORED),
        "attention_mask": np.zeros((3, 7), dtype=int),
    }
    for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        expected["input_ids"][number, :length] = row["input_ids"]
        expected["labels"][number, :length] = row["labels"]
        expected["attention_mask"][number, :length] = 1
    batch = training.padded(tokenizer)(rows)
    assert set(batch) == set(expected)
    for name, values in expected.items():
        assert batch[name].dtype == torch.int64
        np.testing.assert_array_equal(batch[name], values)


def head(kind: str):
    """A tiny model, with examples of different lengths and so of different numbers of labels."""
    size = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_labels": 3}
    kinds = {
        "token": "roberta",
        "masked": "bert",
        "sequence": "distilbert",
        "modern": "modernbert",
        "causal": "llama",
    }
    config = transformers.AutoConfig.for_model(
        kinds[kind],
        **size, num_attention_heads=2, dim=16, hidden_dim=16, n_heads=2, n_layers=1, max_position_embeddings=64,
        pad_token_id=0, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, dropout=0.0, attention_dropout=0.0,
    )  # fmt: skip
    family = {"masked": "MaskedLM", "sequence": "SequenceClassification", "causal": "CausalLM"}
    torch.manual_seed(0)
    model = getattr(transformers, f"AutoModelFor{family.get(kind, 'TokenClassification')}").from_config(config)
    rng = np.random.default_rng(0)
    rows = []
    for length in rng.integers(4, 30, 16):
        ids = np.zeros(32, dtype=np.int64)
        ids[:length] = rng.integers(3, 50, length)
        row = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)}
        labels = np.where(ids > 0, ids if kind in ("masked", "causal") else ids % 3, training.IGNORED)
        rows.append(row | {"labels": np.int64(length % 3) if kind == "sequence" else labels})
    return model, rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["token", "masked", "sequence", "modern", "causal"])
def test_gradients_are_those_of_the_whole_batch_for_any_micro_batch(kind, tmp_path, monkeypatch):
    """Many heads accept `num_items_in_batch`, on which Trainer relies, and ignore it."""
    gradients, norms = [], []
    step = AcceleratedOptimizer.step

    def record(optimizer, *args):
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        gradients.append(torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None]))
        return step(optimizer, *args)

    monkeypatch.setattr(AcceleratedOptimizer, "step", record)
    settings = SETTINGS.model_copy(update={"batch": 16})
    for micro in ("16", "8", "2"):
        monkeypatch.setenv("DEIDSYNTH_MICRO_BATCH", micro)
        recorder, (model, rows) = tiny.Recorder(), head(kind)
        training.fit(model, rows, settings, 1, tmp_path / micro, recorder, "test")
        norms += [row["gradient_norm"] for _, row in recorder.rows if "gradient_norm" in row]
    assert len(gradients) == len(norms) == 3
    for other in (1, 2):
        assert norms[other] == pytest.approx(norms[0], rel=1e-5)
        torch.testing.assert_close(gradients[other], gradients[0], rtol=1e-4, atol=1e-5 * norms[0])
