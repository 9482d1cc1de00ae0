import copy

import pytest
import torch
import transformers

from stages.lm import logits
from tests import tiny

VOCABULARY = 400
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TEXT = {**SHAPE, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": VOCABULARY}
CAUSAL = {
    "llama": tiny.DECODERS["llama"],
    "gpt2": tiny.DECODERS["gpt2"] | {"resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0},
    # These scale or cap their logits.
    "gemma2": tiny.DECODERS["gemma2"] | {"final_logit_softcapping": 2.0},
    "cohere": {**SHAPE, "num_key_value_heads": 4, "logit_scale": 0.3},
    "gemma3": tiny.GEMMA3 | {"text_config": tiny.GEMMA3["text_config"] | {"vocab_size": VOCABULARY}},
}
MASKED = {
    "roberta": SHAPE | {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0},
    "modernbert": SHAPE | {"global_attn_every_n_layers": 2, "sparse_prediction": True},
    "distilbert": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "dropout": 0, "attention_dropout": 0},
}


@pytest.fixture(params=[*CAUSAL, *MASKED])
def model(request):
    kind = request.param
    size = {} if kind == "gemma3" else {"vocab_size": VOCABULARY, "pad_token_id": 1}
    config = transformers.AutoConfig.for_model(kind, **size, **(CAUSAL | MASKED)[kind])
    torch.manual_seed(0)
    task = transformers.AutoModelForCausalLM if kind in CAUSAL else transformers.AutoModelForMaskedLM
    return task.from_config(config).train()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, VOCABULARY - 5, (3, 20), generator=generator)
    chosen = torch.rand(ids.shape, generator=generator) < 0.4
    return {"input_ids": ids, "labels": ids.where(chosen, logits.IGNORED)}


def gradients(model, loss):
    loss.backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.slow
@pytest.mark.parametrize("count", [None, 7])
def test_loss_and_gradient_in_slices_are_those_of_the_model_itself(model, batch, count, monkeypatch):
    sliced = copy.deepcopy(model)
    counted = {} if count is None else {"num_items_in_batch": torch.tensor(count)}
    plain = model(**batch).loss
    labels = batch["labels"] if model.config.model_type in MASKED else batch["labels"][:, 1:]
    expected = plain * ((labels != logits.IGNORED).sum() / count if count else 1)
    widths = []
    monkeypatch.setattr(logits, "_LOGITS", 5 * VOCABULARY)  # five positions
    sliced.get_output_embeddings().register_forward_hook(lambda *call: widths.append(call[-1].shape[-2]))
    logits.slice_loss(sliced)
    loss = sliced(**batch, **counted).loss
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert max(widths) == 5
    wanted, found = gradients(model, expected), gradients(sliced, loss)
    assert set(found) == set(wanted)
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)


def test_the_losses_of_tokens_are_in_the_order_of_the_batch(batch):
    config = transformers.AutoConfig.for_model("llama", vocab_size=VOCABULARY, **tiny.DECODERS["llama"])
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.inference_mode():
        found = logits.token_losses(model, batch["labels"], input_ids=batch["input_ids"])
        log_probs = model(input_ids=batch["input_ids"]).logits.log_softmax(-1)
    labels = batch["labels"]
    places = [(row, place) for row, place in (labels != logits.IGNORED).nonzero().tolist() if place]
    expected = [-log_probs[row, place - 1, labels[row, place]].item() for row, place in places]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_what_fits_at_once(batch):
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.AutoConfig.for_model("llama", vocab_size=2**18, num_key_value_heads=1, **shape)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
        tagger = transformers.RobertaForTokenClassification(
            transformers.RobertaConfig(vocab_size=2**18, **shape, max_position_embeddings=32)
        )
    assert [logits.fit_at_once(model, positions) for positions in (256, 257)] == [True, False]
    assert logits.fit_at_once(tagger, 10**6)  # it has an output for each tag and none for each token
