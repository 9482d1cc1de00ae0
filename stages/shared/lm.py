"""How well a causal language model predicts texts: loss per token and per byte, each text on its own."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from stages.shared.notes import batched
from stages.shared.packing import edges

# Tokens in one forward pass.
_TOKENS = 8192


class Loss(NamedTuple):
    """Negative log-likelihood of a text in nats, and how many tokens (its end included) and UTF-8 bytes it has."""

    nats: float
    tokens: int
    bytes: int


def losses(model: Any, tokenizer: Any, texts: Iterable[str], context: int) -> list[Loss]:
    """The loss of every text, read from its beginning mark to its end mark.

    A text longer than `context` is read in windows that overlap by half: every token is predicted once, with at
    least half a context before it.
    """
    import torch

    begin, end = edges(tokenizer)
    result: list[Loss] = []
    model.eval()
    for chunk in batched(texts, 256):
        encoded = tokenizer(chunk, add_special_tokens=False, return_attention_mask=False, verbose=False)
        windows = []  # (number of the text, tokens, first position whose loss counts)
        for number, ids in enumerate(encoded["input_ids"]):
            ids = [begin, *ids, end]
            windows += [
                (number, ids[start:stop], first - start) for start, stop, first in _cut(len(ids), context)
            ]
        nats = [0.0] * len(chunk)
        windows.sort(key=lambda window: len(window[1]))
        with torch.inference_mode():
            for group in _groups(windows):
                padded = torch.nn.utils.rnn.pad_sequence(
                    [torch.tensor(ids) for _, ids, _ in group], batch_first=True, padding_value=end
                ).to(model.device)
                logits = model(input_ids=padded).logits[:, :-1].float()
                each = torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), padded[:, 1:].flatten(), reduction="none"
                )
                each = each.view(len(group), -1).cpu()
                for row, (number, ids, first) in zip(each, group, strict=True):
                    nats[number] += row[first - 1 : len(ids) - 1].double().sum().item()
        result += [
            Loss(total, len(ids) + 1, len(text.encode()))
            for total, ids, text in zip(nats, encoded["input_ids"], chunk, strict=True)
        ]
    return result


def summary(of: Iterable[Loss]) -> dict[str, float]:
    """Loss per token, its perplexity, and bits per byte over all texts together."""
    import math

    of = list(of)
    nats, tokens, size = (sum(column) for column in zip(*of, strict=True))
    return {
        "loss": round(nats / tokens, 6),
        "perplexity": round(math.exp(min(nats / tokens, 700.0)), 6),
        "bits_per_byte": round(nats / size / math.log(2), 6),
        "tokens": tokens,
        "bytes": size,
    }


def _cut(length: int, context: int) -> list[tuple[int, int, int]]:
    """(start, stop, first counted position) of the windows over `length` tokens; position 0 is never counted."""
    windows = [(0, min(length, context), 1)]
    while windows[-1][1] < length:
        stop = min(length, windows[-1][1] + max(1, context // 2))
        windows.append((stop - context, stop, windows[-1][1]))
    return windows


def _groups(windows: list) -> Iterable[list]:
    group: list = []
    for window in windows:
        if group and (len(group) + 1) * len(window[1]) > _TOKENS:
            yield group
            group = []
        group.append(window)
    if group:
        yield group
