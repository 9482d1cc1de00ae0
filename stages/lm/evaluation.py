"""The loss of a causal language model on texts, each text on its own."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from stages.lm import logits
from stages.lm.models import bos, documents, edges
from stages.notes.note_table import batched

# Tokens in one forward pass; their logits are taken in slices.
_TOKENS = 8192


class Loss(NamedTuple):
    """Negative log-likelihood of a text in nats, and its number of tokens (EOS included) and UTF-8 bytes."""

    nats: float
    tokens: int
    bytes: int


def losses(model: Any, tokenizer: Any, texts: Iterable[str], context: int) -> list[Loss]:
    """The loss of every text, from BOS to EOS.

    A text longer than `context` is read in windows that overlap by half: every token is predicted once, from at least
    half a context. A tokenizer's BOS, which is not predicted, begins every window, because some models need it there.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    result: list[Loss] = []
    model.eval()
    begin, first_of_all = edges(tokenizer)[0], bos(tokenizer)
    for chunk in batched(texts, 256):
        encoded = [[begin, *ids] for ids in documents(chunk, tokenizer)]
        windows = [  # (number of the text, tokens, labels)
            (
                number,
                [*(first_of_all or ids[start : start + 1]), *ids[start + 1 : stop]],
                [logits.IGNORED] * (first - start) + ids[first:stop],
            )
            for number, ids in enumerate(encoded)
            for start, stop, first in _cut(len(ids), context)
        ]
        nats = [0.0] * len(chunk)
        for group in _groups(sorted(windows, key=lambda window: len(window[1]))):
            ids = pad_sequence([torch.tensor(ids) for _, ids, _ in group], batch_first=True)
            labels = pad_sequence(
                [torch.tensor(labels) for _, _, labels in group], batch_first=True, padding_value=logits.IGNORED
            )
            with torch.inference_mode():
                each = logits.token_losses(model, labels.to(model.device), input_ids=ids.to(model.device))
            counts = (labels != logits.IGNORED).sum(dim=1).tolist()
            for (number, _, _), part in zip(group, each.double().cpu().split(counts), strict=True):
                nats[number] += part.sum().item()
        result += [
            Loss(total, len(ids) - 1, len(text.encode()))
            for total, ids, text in zip(nats, encoded, chunk, strict=True)
        ]
    return result


def summary(of: Iterable[Loss]) -> dict[str, float]:
    """Loss per token, perplexity and bits per byte of all texts together."""
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
