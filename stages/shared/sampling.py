"""Sampling many texts at once from a causal language model, each with random numbers of its own."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

# Draws tried by rejection before the nucleus is sorted out. One draw is refused with probability 1 - top_p.
_TRIES = 4
# Positions by which a key-value buffer grows.
_GROWTH = 128


class Sample(NamedTuple):
    """Sampled token numbers after the prompt, and whether the text ended by itself."""

    ids: list[int]
    ended: bool


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
) -> list[Sample]:
    """Continue every prompt (of a token or more) up to one of `ends` or `max_new_tokens`; `never` is never drawn.

    Text i draws from numpy's generator seeded with `seeds[i]`, so it does not depend on its neighbours (but for
    rounding: the shape of a batch decides the order of sums). All texts start at position 0 and are read at once as
    far as the shortest prompt goes; longer prompts' tokens are forced, so nothing is padded; finished texts leave
    the batch. `on_tokens` hears how many were drawn at a step.
    """
    import torch

    steps = [len(prompt) - 1 + max_new_tokens for prompt in prompts]
    device = model.device
    forced = torch.full((len(prompts), max(map(len, prompts))), -1)
    for row, prompt in enumerate(prompts):
        forced[row, : len(prompt)] = torch.tensor(prompt)
    uniforms = torch.stack(
        [
            torch.from_numpy(
                np.random.default_rng(list(seed)).random((max(steps), _TRIES + 1), dtype=np.float32)
            )
            for seed in seeds
        ]
    )
    drawn: list[list[int]] = [[] for _ in prompts]
    ended = [False] * len(prompts)
    rows = list(range(len(prompts)))  # texts still being written, in the order of the batch
    done: set[int] = set()
    blocked = torch.tensor(list(never), dtype=torch.long, device=device)
    with torch.inference_mode():
        cache = _cache(model)
        begun = min(map(len, prompts))
        current = forced[:, :begun].to(device)
        for step in range(begun - 1, max(steps)):
            output = model(input_ids=current, past_key_values=cache, use_cache=True, logits_to_keep=1)
            logits = output.logits[:, -1].float()
            logits[:, blocked] = -torch.inf
            chosen = nucleus(logits / temperature, top_p, uniforms[rows, step].to(device)).cpu()
            if step + 1 < forced.shape[1]:
                given = forced[rows, step + 1]
                chosen = torch.where(given >= 0, given, chosen)
            count = 0
            for row, token in zip(rows, chosen.tolist(), strict=True):
                if row in done or step + 1 < len(prompts[row]):
                    continue
                count += 1
                if token in ends:
                    ended[row] = True
                else:
                    drawn[row].append(token)
                if ended[row] or len(drawn[row]) == max_new_tokens:
                    done.add(row)
            on_tokens(count)
            if len(done) == len(prompts):
                break
            living = [place for place, row in enumerate(rows) if row not in done]
            if len(living) <= 0.85 * len(rows):  # leaving costs a copy of the cache
                _keep(cache, torch.tensor(living, device=device))
                rows, chosen = [rows[place] for place in living], chosen[living]
            current = chosen[:, None].to(device)
    return [Sample(ids, end_seen) for ids, end_seen in zip(drawn, ended, strict=True)]


def nucleus(logits: Any, top_p: float, uniforms: Any) -> Any:
    """One token per row from the smallest set of most probable tokens that holds `top_p` of the probability.

    Exact, without sorting the vocabulary (25 times slower at 8,000 tokens): a token drawn from the whole
    distribution is kept if the tokens more probable than it hold less than `top_p`, else drawn again, which leaves
    the distribution within the set as it is. Rows refused every time are sorted. Tokens as probable as the last of
    the set belong to it. `uniforms` is (rows, tries + 1) numbers in [0, 1).
    """
    import torch

    probs = logits.softmax(-1)
    cumulative = probs.cumsum(-1)
    total = cumulative[:, -1:]
    chosen = torch.empty(len(probs), dtype=torch.long, device=probs.device)
    waiting = torch.arange(len(probs), device=probs.device)
    for attempt in range(uniforms.shape[1] - 1):
        every = len(waiting) == len(probs)  # spares a copy of the whole table at the first attempt
        p, c, t = (
            (probs, cumulative, total) if every else (probs[waiting], cumulative[waiting], total[waiting])
        )
        token = torch.searchsorted(c, uniforms[waiting, attempt, None] * t, right=True).clamp_(
            max=p.shape[1] - 1
        )
        own = p.gather(1, token)
        kept = (p * (p > own)).sum(-1) < top_p
        kept &= own[:, 0] > 0
        chosen[waiting[kept]] = token[kept, 0]
        waiting = waiting[~kept]
        if not len(waiting):
            return chosen
    p, order = probs[waiting].sort(-1, descending=True)
    p = torch.where(p.cumsum(-1) - p < top_p, p, 0)
    cumulative = p.cumsum(-1)
    place = torch.searchsorted(cumulative, uniforms[waiting, -1, None] * cumulative[:, -1:], right=True)
    last = (p > 0).sum(-1, keepdim=True) - 1
    chosen[waiting] = order.gather(1, torch.minimum(place, last))[:, 0]
    return chosen


def _keep(cache: Any, rows: Any) -> None:
    """Leave only `rows` of the batch in the cache; layers of convolutions know that as a new order."""
    for layer in cache.layers:
        (getattr(layer, "batch_select_indices", None) or layer.reorder_cache)(rows)


def _cache(model: Any) -> Any:
    """The model's key-value cache; its plain layers write into buffers instead of copying all at every token."""
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer

    class Buffer(DynamicLayer):
        def update(self, key_states, value_states, *args, **kwargs):
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                self._buffers = [key_states[:, :, :0], value_states[:, :, :0]]
            length = self.get_seq_length()
            after = length + key_states.shape[2]
            if after > self._buffers[0].shape[2]:
                self._buffers = [_grown(buffer, length, after + _GROWTH) for buffer in self._buffers]
            for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
                buffer[:, :, length:after] = states
            self.keys, self.values = (buffer[:, :, :after] for buffer in self._buffers)
            return self.keys, self.values

        def batch_select_indices(self, indices):
            length = self.get_seq_length()
            self._buffers = [buffer[indices] for buffer in self._buffers]
            self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)

    def _grown(buffer, length, capacity):
        batch, heads, _, size = buffer.shape
        larger = torch.empty((batch, heads, capacity, size), dtype=buffer.dtype, device=buffer.device)
        larger[:, :, :length] = buffer[:, :, :length]
        return larger

    cache = DynamicCache(config=model.config)
    cache.layers = [Buffer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
