import math

import pytest
import torch

from stages.lm import evaluation, models
from tests import tiny


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.decoder(tmp_path_factory.mktemp("base"))


def test_losses_are_those_of_the_model_itself(base):
    model, tokenizer = models.load_decoder(base), models.load_tokenizer(base)
    texts = [*tiny.texts(7), "á"]
    for text, loss in zip(texts, evaluation.losses(model, tokenizer, texts, 256), strict=True):
        ids = [tokenizer.bos_token_id, *tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        with torch.inference_mode():
            mean = model(input_ids=torch.tensor([ids]), labels=torch.tensor([ids])).loss.item()
        assert loss.nats == pytest.approx(mean * (len(ids) - 1), rel=1e-5)
        assert (loss.tokens, loss.bytes) == (len(ids) - 1, len(text.encode()))


@pytest.mark.parametrize(("length", "context"), [(5, 8), (8, 8), (9, 8), (100, 8), (33, 7)])
def test_windows_count_every_token_once_with_half_a_context_before_it(length, context):
    counted = []
    for start, stop, first in evaluation._cut(length, context):
        assert 0 <= start < first < stop <= length
        assert stop - start <= context
        assert start == 0 or first - start >= context // 2
        counted += range(first, stop)
    assert counted == list(range(1, length))


def test_long_texts_are_not_cut_off(base):
    model, tokenizer = models.load_decoder(base), models.load_tokenizer(base)
    text = " ".join(tiny.texts(12))
    (loss,) = evaluation.losses(model, tokenizer, [text], 64)
    assert loss.tokens == len(tokenizer(text)["input_ids"]) + 1
    # Random weights: near the uniform distribution, however the windows lie.
    assert loss.nats / loss.tokens == pytest.approx(math.log(len(tokenizer)), abs=0.2)


@pytest.mark.parametrize("own_bos", [True, False])
def test_every_window_begins_with_bos_where_the_tokenizer_has_one(base, own_bos):
    model, tokenizer = models.load_decoder(base), models.load_tokenizer(base)
    if not own_bos:  # one mark ends a document and begins the next, as in GPT-2 and Qwen
        tokenizer.bos_token = None
    text = " ".join(tiny.texts(4))
    ids = [models.edges(tokenizer)[0], *tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    read = []
    model.model.register_forward_pre_hook(
        lambda module, args, kwargs: read.extend(kwargs["input_ids"].tolist()), with_kwargs=True
    )
    (loss,) = evaluation.losses(model, tokenizer, [text], 64)
    expected, nats = [], 0.0
    for start, stop, first in evaluation._cut(len(ids), 64):
        window = [tokenizer.bos_token_id if own_bos else ids[start], *ids[start + 1 : stop]]
        expected.append(window)
        with torch.inference_mode():
            log_probs = model(input_ids=torch.tensor([window])).logits[0].log_softmax(-1)
        nats -= sum(log_probs[at - 1, window[at]].item() for at in range(first - start, len(window)))
    assert len(expected) > 3
    assert sorted(read[: len(expected)]) == sorted(expected)
    assert loss.nats == pytest.approx(nats, rel=1e-5)


def test_summary_normalises_over_all_texts():
    result = evaluation.summary([evaluation.Loss(10.0, 4, 16), evaluation.Loss(2.0, 2, 8)])
    assert result == {
        "loss": 2.0,
        "perplexity": round(math.exp(2), 6),
        "bits_per_byte": round(0.5 / math.log(2), 6),
        "tokens": 6,
        "bytes": 24,
    }
