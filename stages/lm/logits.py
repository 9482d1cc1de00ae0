"""Losses of language models whose logits do not fit into memory all at once.

At a vocabulary of 262,144 tokens, the logits of 8 blocks of 512 tokens take 4 GB in fp32, and the softmax and its
gradient need several copies of them. The network up to its last hidden states runs once; the output layer and the
cross-entropy run on slices of the positions, and are computed again for the gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

# Label of a position that the loss ignores.
IGNORED = -100
# Logits that exist at the same time: 256 MB in fp32.
_LOGITS = 2**26


def fit_at_once(model: Any, positions: int) -> bool:
    """Whether the logits of so many positions fit into memory together, as a classifier's few outputs always do."""
    return model_itself(model).get_output_embeddings() is None or positions * _vocabulary(model) <= _LOGITS


def token_losses(model: Any, labels: Any, **inputs: Any) -> Any:
    """Negative log-likelihood in nats of every label but `IGNORED`, in the order of the batch: (labels,).

    `labels` is (batch, length), as for the model itself: a causal model predicts each from the positions before it.
    """
    import torch
    from torch.nn.functional import pad
    from torch.utils.checkpoint import checkpoint

    network = model_itself(model)
    body = getattr(network, network.base_model_prefix)
    if "MaskedLM" not in type(network).__name__:
        labels, inputs = pad(labels[:, 1:], (0, 1), value=IGNORED), {"use_cache": False, **inputs}
    read = body(**inputs)
    hidden, targets = read[0][labels != IGNORED], labels[labels != IGNORED]
    of_slice = partial(_losses, network, body, type(read))
    if torch.is_grad_enabled():
        of_slice = partial(checkpoint, of_slice, use_reentrant=False)
    size = max(1, _LOGITS // _vocabulary(model))
    return torch.cat([of_slice(*part) for part in zip(hidden.split(size), targets.split(size), strict=True)])


def slice_loss(model: Any) -> None:
    """From now on, let `model` compute its loss in slices; it then returns no logits beside a loss."""
    from transformers.modeling_outputs import CausalLMOutput

    network = model_itself(model)
    whole = network.forward

    @wraps(whole)
    def forward(*args: Any, labels: Any = None, num_items_in_batch: Any = None, **inputs: Any) -> Any:
        if labels is None:
            return whole(*args, **inputs)
        found = token_losses(network, labels, **inputs)
        return CausalLMOutput(loss=found.sum() / (len(found) if num_items_in_batch is None else num_items_in_batch))

    network.forward = forward


def _losses(network: Any, body: Any, kind: Any, hidden: Any, targets: Any) -> Any:
    """The losses of positions whose last hidden states are known, (positions, size).

    The model's own forward pass turns them into logits, because some models scale or cap theirs (Gemma 2, Cohere).
    """
    from torch.nn.functional import cross_entropy

    with _returning(body, kind(last_hidden_state=hidden[None])):
        logits = network(input_ids=targets[None]).logits[0]
    return cross_entropy(logits.float(), targets, reduction="none")


@contextmanager
def _returning(module: Any, output: Any) -> Iterator[None]:
    """Within this context the module returns `output`, whatever it is called with."""
    forward = module.forward
    module.forward = lambda *args, **kwargs: output
    try:
        yield
    finally:
        module.forward = forward


def model_itself(model: Any) -> Any:
    """The transformers model itself, without PEFT's wrapper."""
    return getattr(model, "get_base_model", lambda: model)()


def _vocabulary(model: Any) -> int:
    return model.config.get_text_config().vocab_size
