"""Muon, an optimiser for weight matrices whose steps have the same length in all directions of the matrix.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with the step length of Liu et al.,
"Muon is scalable for LLM training" (2025, section 2.2), so that AdamW's learning rates fit. A model trained from
random weights needs about a third of AdamW's steps (docs/log.md). torch.optim.Muon computes in bf16, one matrix after
the other, which takes four times as long on a CPU without bf16.
"""

from typing import Any

import torch

_MOMENTUM = 0.95
# Coefficients of Jordan et al.: five iterations of this quintic take singular values of (0, 1] to about 1.
_ROUNDS, _COEFFICIENTS = 5, (3.4445, -4.775, 2.0315)


class Muon(torch.optim.AdamW):
    """Muon for the hidden matrices of a model, AdamW for its embeddings, output layer, norms and biases."""

    def __init__(self, model: Any, lr: float, weight_decay: float):
        # The modules that turn tokens into vectors, and vectors into tokens or tags.
        ends = (model.get_input_embeddings(), model.get_output_embeddings(), getattr(model, "classifier", None))
        end_weights = {id(getattr(end, "weight", None)) for end in ends}
        groups: dict[bool, list[torch.Tensor]] = {False: [], True: []}
        for weight in model.parameters():
            if weight.requires_grad:
                groups[weight.ndim == 2 and id(weight) not in end_weights].append(weight)
        nonempty = [{"params": weights, "matrices": matrices} for matrices, weights in groups.items() if weights]
        super().__init__(nonempty, lr=lr, weight_decay=weight_decay, fused=True)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step. It consumes the gradients of the matrices."""
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
                    state["step"] = torch.zeros(())  # AdamW needs it to load a checkpoint
                momentum = state["momentum"].lerp_(weight.grad, 1 - _MOMENTUM)
                by_shape.setdefault(weight.shape, []).append((weight, weight.grad.lerp(momentum, _MOMENTUM)))
                weight.grad = None  # AdamW skips weights without a gradient
            for shape, rows in by_shape.items():
                length = group["lr"] * 0.2 * max(shape) ** 0.5
                for (weight, _), move in zip(rows, orthogonal(torch.stack([move for _, move in rows])), strict=True):
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
