from types import SimpleNamespace

import pytest
import torch
import transformers

from stages.generation import sampling
from stages.lm import models
from tests import tiny

END, NEVER = 1, [0, 2, 3]


def nucleus_of(probs, top_p):
    order = probs.argsort(descending=True)
    before = probs[order].cumsum(0) - probs[order]
    kept = torch.zeros_like(probs)
    kept[order[before < top_p]] = probs[order[before < top_p]]
    return kept / kept.sum()


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("tries", [0, 1, 4])
def test_nucleus_draws_from_the_exact_distribution(top_p, tries):
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(40, generator=generator) * 2
    expected = nucleus_of(logits.softmax(0), top_p)
    draws = 40_000
    tokens = sampling.nucleus(logits.expand(draws, -1), top_p, torch.rand(draws, tries + 1, generator=generator))
    shares = torch.bincount(tokens, minlength=40) / draws
    assert (shares[expected == 0] == 0).all()
    assert (shares - expected).abs().max() < 5 * (0.25 / draws) ** 0.5


def test_a_forbidden_token_is_never_drawn():
    logits = torch.full((1000, 4), 1.0)
    logits[:, 0] = -torch.inf
    zeros = torch.zeros(1000, 5)  # the smallest random numbers point at the first token
    assert set(sampling.nucleus(logits, 1.0, zeros).tolist()) == {1}


@pytest.fixture(scope="module", params=sorted(tiny.DECODERS))
def model(request, tmp_path_factory):
    return models.load_decoder(tiny.decoder(tmp_path_factory.mktemp(request.param), request.param)).eval()


def draw(model, prompts, numbers, new=30, **changes):
    options = {"temperature": 1.0, "top_p": 0.95} | changes
    seeds = [(7, number) for number in numbers]
    return sampling.sample(model, prompts, seeds, [END], NEVER, max_new_tokens=new, **options)


def test_the_most_probable_tokens_are_those_of_generate(model):
    """A nucleus of one token is greedy decoding; prompts of different lengths are continued side by side."""
    prompts = [[0, 50, 60], [0], [0, 70, 80, 90, 100]]
    ours = draw(model, prompts, range(3), top_p=1e-6)
    for prompt, sample in zip(prompts, ours, strict=True):
        with torch.inference_mode():
            theirs = model.generate(
                torch.tensor([prompt]), max_new_tokens=30, do_sample=False, suppress_tokens=NEVER, eos_token_id=END,
                pad_token_id=2,
            )[0, len(prompt) :].tolist()  # fmt: skip
        assert sample.ids + [END] * sample.ended == theirs


def test_a_text_depends_on_its_seed_and_not_on_its_neighbours(model):
    prompts = [[0, 5 + number] for number in range(12)]
    together = draw(model, prompts, range(12))
    assert [draw(model, [prompts[n]], [n])[0] for n in (0, 5, 11)] == [together[n] for n in (0, 5, 11)]
    assert draw(model, prompts, range(12)) == together
    assert draw(model, prompts, range(12, 24)) != together


def test_texts_end_at_the_end_mark_or_the_limit(model):
    with torch.no_grad():
        head = model.get_output_embeddings()
        bias = torch.zeros(head.out_features)
        bias[END] = 3.0
    kept, head.bias = head.bias, torch.nn.Parameter(bias)
    try:
        samples = draw(model, [[0]] * 64, range(64))
        alone = [draw(model, [[0]], [number])[0] for number in (20, 40, 63)]
    finally:
        head.bias = kept
    # Neighbours that left the batch have not shifted anyone's random numbers.
    assert alone == [samples[number] for number in (20, 40, 63)]
    lengths = [len(sample.ids) for sample in samples]
    assert {sample.ended for sample in samples} == {True, False}
    assert all(sample.ended == (len(sample.ids) < 30) or len(sample.ids) == 30 for sample in samples)
    assert all(END not in sample.ids and not set(NEVER) & set(sample.ids) for sample in samples)
    assert 5 < sum(lengths) / 64 < 29


def test_progress_hears_every_drawn_token(model):
    heard = []
    samples = sampling.sample(
        model, [[0], [0, 9, 9]], [(1,), (2,)], [END], NEVER, 1.0, 0.95, 10, on_tokens=heard.append
    )
    assert sum(heard) == sum(len(sample.ids) + sample.ended for sample in samples)


@pytest.mark.parametrize(
    ("top_k", "min_p", "penalty", "top_p"),
    [(5, 0.0, 1.0, 1.0), (0, 0.3, 1.0, 0.9), (0, 0.0, 1.7, 0.9), (6, 0.2, 1.3, 0.8)],
)
def test_sampling_options_are_those_of_generate(top_k, min_p, penalty, top_p):
    """One step after the same prompt, against transformers' own processors in their order."""
    from transformers.generation import logits_process

    model = FixedLogits()
    prompt, draws = [0, 7, 9, 7, 12], 6000
    scores = model.scores[None].clone()
    scores[:, NEVER] = -torch.inf
    ids = torch.tensor([prompt])
    chain = [logits_process.RepetitionPenaltyLogitsProcessor(penalty), logits_process.TemperatureLogitsWarper(0.8)]
    chain += [logits_process.TopKLogitsWarper(top_k)] if top_k else []
    chain += [logits_process.TopPLogitsWarper(top_p)]
    chain += [logits_process.MinPLogitsWarper(min_p)] if min_p else []
    for processor in chain:
        scores = processor(ids, scores)
    expected = scores[0].softmax(0)
    options = {"temperature": 0.8, "top_p": top_p, "top_k": top_k, "min_p": min_p, "repetition_penalty": penalty}
    samples = sampling.sample(
        model, [prompt] * draws, [(3, n) for n in range(draws)], [], NEVER, max_new_tokens=1, **options
    )
    shares = torch.bincount(torch.tensor([one.ids[0] for one in samples]), minlength=40) / draws
    assert (shares[expected == 0] == 0).all()
    assert (shares - expected).abs().max() < 5 * (0.25 / draws) ** 0.5


def test_a_penalty_is_on_every_token_so_far_and_follows_the_rows():
    """With a penalty that no logit outweighs, no text repeats a token, not even one of its prompt."""
    model = FixedLogits()
    model.scores -= 10  # negative logits are multiplied by the penalty
    prompts = [[0, 5], [0], [0, 8, 9, 10]]
    options = {"temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1e9}
    samples = sampling.sample(model, prompts, [(1,), (2,), (3,)], [END], NEVER, max_new_tokens=20, **options)
    for prompt, one in zip(prompts, samples, strict=True):
        assert len({*prompt, *one.ids}) == len(prompt) + len(one.ids)


class FixedLogits(torch.nn.Module):
    """A model that gives every position the same scores."""

    def __init__(self):
        super().__init__()
        self.config = transformers.AutoConfig.for_model("llama", num_hidden_layers=1)
        self.device = torch.device("cpu")
        self.scores = torch.randn(40, generator=torch.Generator().manual_seed(5)) * 2

    def forward(self, input_ids, past_key_values, use_cache, logits_to_keep):
        past_key_values.update(*[torch.zeros(len(input_ids), 1, input_ids.shape[1], 2)] * 2, 0)
        return SimpleNamespace(logits=self.scores.expand(len(input_ids), 1, -1))
