"""Nucleus sampling of many texts at once from a causal language model, each with its own random numbers."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from stages.generation.prompts import Vocabulary

# Draws by rejection before the nucleus is found by sorting. A draw is rejected with probability 1 - top_p.
_TRIES = 4
# Positions by which a key-value buffer grows.
_GROWTH = 128


class Sample(NamedTuple):
    """The tokens sampled after a prompt, and whether the text ended by itself."""

    ids: list[int]
    ended: bool


class Forced(NamedTuple):
    """The bytes that the text of each row has to begin with."""

    vocabulary: Vocabulary
    rests: list[bytes]


def sample(
    model: Any,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[Sequence[int]],
    ends: Sequence[int],
    never: Sequence[int],
    temperature: float,
    top_p: float,
    max_new_tokens: int,
    on_tokens: Callable[[int], None] = lambda count: None,
    top_k: int = 0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
    forced: Forced | None = None,
) -> list[Sample]:
    """Continue every prompt until one of `ends` is sampled, or for `max_new_tokens` tokens.

    Prompts have at least one token, and tokens in `never` are never sampled. Where a text has to begin with `forced`
    bytes, only tokens that agree with what is left of them are sampled. Logits are changed in the order of
    transformers' `generate`: repetition penalty, temperature, top-k, nucleus, min-p.

    Text i draws from numpy's generator seeded with `seeds[i]`, so it does not depend on the rest of the batch, apart
    from rounding: the shape of a batch decides the order of sums. Nothing is padded: all texts start at position 0,
    the batch is read up to the end of the shortest prompt at once, and the tokens of longer prompts replace the
    sampled ones. Finished texts leave the batch. `on_tokens` is called at every step with the number of tokens
    sampled.
    """
    import torch

    steps = max(map(len, prompts)) - 1 + max_new_tokens
    device = model.device
    tokens = [torch.tensor(prompt) for prompt in prompts]
    given = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=-1)
    # What the text of a row still has to go on with, by row.
    rests = {row: rest for row, rest in enumerate(forced.rests) if rest} if forced else {}
    draws = [np.random.default_rng(list(seed)).random((steps, _TRIES + 1), dtype=np.float32) for seed in seeds]
    uniforms = torch.from_numpy(np.stack(draws))
    drawn: list[list[int]] = [[] for _ in prompts]
    ended = [False] * len(prompts)
    rows = list(range(len(prompts)))  # unfinished texts, in the order of the batch
    done: set[int] = set()
    blocked = torch.tensor(list(never), dtype=torch.long, device=device)
    with torch.inference_mode():
        cache = _cache(model)
        begun = min(map(len, prompts))
        current = given[:, :begun].to(device)
        # The tokens of each text so far, for the penalty alone.
        occurred = None
        for step in range(begun - 1, steps):
            output = model(input_ids=current, past_key_values=cache, use_cache=True, logits_to_keep=1)
            logits = output.logits[:, -1].float()
            logits[:, blocked] = -torch.inf
            if repetition_penalty != 1:
                if occurred is None:
                    occurred = torch.zeros_like(logits, dtype=torch.bool)
                occurred.scatter_(1, current, True)
                penalised = torch.where(logits < 0, logits * repetition_penalty, logits / repetition_penalty)
                logits = torch.where(occurred, penalised, logits)
            for place, row in enumerate(rows if rests else ()):
                if forced and row in rests and step + 1 >= len(prompts[row]):
                    _force(logits[place], forced.vocabulary.agreeing(rests[row]))
            logits = logits / temperature
            if 0 < top_k < logits.shape[1]:
                logits[logits < logits.topk(top_k).values[:, -1:]] = -torch.inf
            chosen = nucleus(logits, top_p, uniforms[rows, step].to(device), min_p).cpu()
            if step + 1 < given.shape[1]:
                next_given = given[rows, step + 1]
                chosen = torch.where(next_given >= 0, next_given, chosen)
            count = 0
            for row, token in zip(rows, chosen.tolist(), strict=True):
                if row in done or step + 1 < len(prompts[row]):
                    continue
                count += 1
                if token in ends:
                    ended[row] = True
                else:
                    drawn[row].append(token)
                    if forced and row in rests and (left := forced.vocabulary.after(rests.pop(row), token)):
                        rests[row] = left
                if ended[row] or len(drawn[row]) == max_new_tokens:
                    done.add(row)
            on_tokens(count)
            if len(done) == len(prompts):
                break
            living = [place for place, row in enumerate(rows) if row not in done]
            if len(living) <= 0.85 * len(rows):  # dropping rows copies the cache
                for layer in cache.layers:  # convolution layers can only reorder
                    select = getattr(layer, "batch_select_indices", None) or layer.reorder_cache
                    select(torch.tensor(living, device=device))
                rows, chosen = [rows[place] for place in living], chosen[living]
                occurred = None if occurred is None else occurred[torch.tensor(living, device=device)]
            current = chosen[:, None].to(device)
    return list(map(Sample, drawn, ended))


def nucleus(logits: Any, top_p: float, uniforms: Any, min_p: float = 0.0) -> Any:
    """Sample one token per row from its nucleus: the smallest set of most probable tokens that holds `top_p`.

    Of these, only tokens that are at least `min_p` times as probable as the most probable one.

    Exact, and without sorting the vocabulary, which is 25 times slower at 8,000 tokens. A token is drawn from the
    whole distribution and kept if the more probable tokens hold less than `top_p`, that is, if it is in the nucleus;
    otherwise it is drawn again. Rejection leaves the distribution within the nucleus unchanged. Rows whose draws are
    all rejected are sorted. Tokens as probable as the last one of the nucleus belong to it.

    `logits` is (rows, vocabulary), `uniforms` (rows, tries + 1) numbers in [0, 1); returns (rows,) tokens.
    """
    import torch

    probs = logits.softmax(-1)
    cumulative = probs.cumsum(-1)
    total = cumulative[:, -1:]
    least = min_p * probs.max(-1).values
    chosen = torch.empty(len(probs), dtype=torch.long, device=probs.device)
    waiting = torch.arange(len(probs), device=probs.device)
    for attempt in range(uniforms.shape[1] - 1):
        every = len(waiting) == len(probs)  # avoids copying all probabilities at the first attempt
        p, c, t = (probs, cumulative, total) if every else (probs[waiting], cumulative[waiting], total[waiting])
        token = torch.searchsorted(c, uniforms[waiting, attempt, None] * t, right=True).clamp_(max=p.shape[1] - 1)
        own = p.gather(1, token)
        kept = (p * (p > own)).sum(-1) < top_p
        kept &= (own[:, 0] > 0) & (own[:, 0] >= least[waiting])
        chosen[waiting[kept]] = token[kept, 0]
        waiting = waiting[~kept]
        if not len(waiting):
            return chosen
    p, order = probs[waiting].sort(-1, descending=True)
    p = torch.where((p.cumsum(-1) - p < top_p) & (p >= least[waiting, None]), p, 0)
    cumulative = p.cumsum(-1)
    place = torch.searchsorted(cumulative, uniforms[waiting, -1, None] * cumulative[:, -1:], right=True)
    last = (p > 0).sum(-1, keepdim=True) - 1
    chosen[waiting] = order.gather(1, torch.minimum(place, last))[:, 0]
    return chosen


def _force(logits: Any, tokens: list[int]) -> None:
    """Leave only `tokens` possible, in place."""
    import torch

    kept = logits[tokens]
    logits.fill_(-torch.inf)
    logits[tokens] = kept


def _cache(model: Any) -> Any:
    """The model's key-value cache. Its plain layers write into buffers instead of being copied at every token."""
    from torch.nn.functional import pad
    from transformers.cache_utils import DynamicCache, DynamicLayer

    class Buffer(DynamicLayer):
        def update(self, key_states, value_states, *args, **kwargs):
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                self._buffers = [key_states[:, :, :0], value_states[:, :, :0]]
            length = self.get_seq_length()
            after = length + key_states.shape[2]
            if after > self._buffers[0].shape[2]:
                more = after + _GROWTH - length
                self._buffers = [pad(buffer[:, :, :length], (0, 0, 0, more)) for buffer in self._buffers]
            for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
                buffer[:, :, length:after] = states
            self.keys, self.values = (buffer[:, :, :after] for buffer in self._buffers)
            return self.keys, self.values

        def batch_select_indices(self, indices):
            length = self.get_seq_length()
            self._buffers = [buffer[indices] for buffer in self._buffers]
            self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)

    cache = DynamicCache(config=model.config)
    cache.layers = [Buffer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
