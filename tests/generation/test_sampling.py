import pytest
import torch

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
