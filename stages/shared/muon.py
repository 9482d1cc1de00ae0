"""Muon: each step moves a weight matrix by the same length in all its directions.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with the step length of Liu et al.,
"Muon is scalable for LLM training" (2025, section 2.2), so that AdamW's learning rates fit. A model trained from
random weights needs about a third of AdamW's steps (docs/log.md). torch.optim.Muon does the same in bf16, which
takes four times as long on a CPU that has no bf16, and one matrix after the other.
"""

from typing import Any

import torch

_MOMENTUM = 0.95
# Jordan et al.: a quintic whose five-fold iteration takes singular values of (0, 1] to about 1.
_ROUNDS, _COEFFICIENTS = 5, (3.4445, -4.775, 2.0315)


class Muon(torch.optim.AdamW):
    """Muon for the hidden matrices of a model, AdamW for its embeddings, output layer, norms and biases."""

    def __init__(self, model: torch.nn.Module, lr: float, weight_decay: float):
        ends = {id(end.weight) for end in _ends(model) if hasattr(end, "weight")}
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        matrices = [weight for weight in trained if weight.ndim == 2 and id(weight) not in ends]
        chosen = {id(weight) for weight in matrices}
        others = [weight for weight in trained if id(weight) not in chosen]
        groups = [{"params": others, "matrices": False}, {"params": matrices, "matrices": True}]
        super().__init__(
            [group for group in groups if group["params"]], lr=lr, weight_decay=weight_decay, fused=True
        )

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step; the matrices' gradients are used up by it."""
        for group in self.param_groups:
            if not group["matrices"]:
                continue
            by_shape: dict[torch.Size, list[tuple[torch.Tensor, torch.Tensor]]] = {}
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                    state["step"] = torch.zeros(())  # AdamW looks for it when it loads a checkpoint
                momentum = state["momentum"].lerp_(weight.grad, 1 - _MOMENTUM)
                by_shape.setdefault(weight.shape, []).append((weight, weight.grad.lerp(momentum, _MOMENTUM)))
                weight.grad = None  # AdamW passes over weights without one
            for shape, rows in by_shape.items():
                length = group["lr"] * 0.2 * max(shape) ** 0.5
                for (weight, _), move in zip(
                    rows, orthogonal(torch.stack([move for _, move in rows])), strict=True
                ):
                    weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(move, alpha=-length)
        return super().step(closure)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """(n, rows, columns) matrices with their singular values moved to about 1 (0.7 to 1.2), by Newton-Schulz."""
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT).mT
    moved = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    first, third, fifth = _COEFFICIENTS
    for _ in range(_ROUNDS):
        square = moved @ moved.mT
        moved = first * moved + (third * square + fifth * square @ square) @ moved
    return moved


def _ends(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The modules that turn tokens into vectors, and vectors into tokens or tags."""
    heads = [model.get_output_embeddings(), getattr(model, "classifier", None)]
    return [end for end in (model.get_input_embeddings(), *heads) if end is not None]
