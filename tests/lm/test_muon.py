import pytest
import torch

from stages.lm import models
from stages.lm.muon import Muon, orthogonal
from tests import tiny

SHAPES = [(24, 24), (24, 24), (16, 40), (40, 16)]


class Matrices(torch.nn.Module):
    """Hidden matrices only: no embeddings and no output layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.weights = torch.nn.ParameterList(torch.randn(shape) for shape in SHAPES)

    def get_input_embeddings(self):
        return None

    def get_output_embeddings(self):
        return None


def test_hidden_matrices_move_as_torch_s_muon_moves_them():
    """torch.optim.Muon works in bf16, so it is the oracle up to bf16's rounding."""
    ours, theirs = Matrices(), Matrices()
    mine = Muon(ours, lr=0.02, weight_decay=0.1)
    oracle = torch.optim.Muon(
        theirs.parameters(), lr=0.02, weight_decay=0.1, momentum=0.95, nesterov=True,
        adjust_lr_fn="match_rms_adamw",
    )  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    starts = [weight.detach().clone() for weight in ours.parameters()]
    for _ in range(5):
        for our, their in zip(ours.parameters(), theirs.parameters(), strict=True):
            our.grad = torch.randn(our.shape, generator=generator)
            their.grad = our.grad.clone()
        mine.step()
        oracle.step()
    for our, their, start in zip(ours.parameters(), theirs.parameters(), starts, strict=True):
        length = (their - start).norm()
        assert (our - their).norm() < 0.02 * length
        assert length > 0.3


def test_singular_values_become_about_one():
    torch.manual_seed(0)
    for rows, columns in ((30, 30), (8, 60), (60, 8)):
        matrices = torch.randn(3, rows, columns) * torch.tensor([1e-4, 1.0, 1e4])[:, None, None]
        values = torch.linalg.svdvals(orthogonal(matrices))
        # A square matrix has singular values near 0, which take longer than five rounds.
        assert values.max() < 1.3 and values.median() > 0.6
        assert rows == columns or values.min() > 0.5


@pytest.mark.parametrize("adapted", [False, True])
def test_embeddings_and_output_layer_are_adamw_s(tmp_path, adapted):
    from peft import LoraConfig, get_peft_model

    model = models.load_decoder(tiny.decoder(tmp_path, tie_word_embeddings=False))
    if adapted:
        saved = ["embed_tokens", "lm_head"]
        config = LoraConfig(r=2, target_modules="all-linear", modules_to_save=saved, exclude_modules=saved)
        model = get_peft_model(model, config)
    matrices, others = groups(model)
    ends = {name for name in others if "embed_tokens" in name or "lm_head" in name}
    assert len(ends) == 2
    assert others - ends == set() if adapted else all("norm" in name for name in others - ends)
    assert len(matrices) == 2 * 7 * (2 if adapted else 1)
    assert all(("lora_" in name) == adapted for name in matrices)


def test_a_classifier_is_adamw_s(tmp_path):
    from transformers import ModernBertConfig, ModernBertForTokenClassification

    config = ModernBertConfig(
        vocab_size=50, pad_token_id=0, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2,
    )  # fmt: skip
    matrices, others = groups(ModernBertForTokenClassification(config))
    assert {name for name in others if "norm" not in name and "bias" not in name} == {
        "model.embeddings.tok_embeddings.weight",
        "classifier.weight",
    }
    assert all(".layers." in name or name.startswith("head.") for name in matrices)


def groups(model) -> tuple[set[str], set[str]]:
    """Names of the weights that Muon moves, and of those left to AdamW: together, all that are trained."""
    names = {id(weight): name for name, weight in model.named_parameters() if weight.requires_grad}
    of = {
        group["matrices"]: {names[id(weight)] for weight in group["params"]}
        for group in Muon(model, lr=0.01, weight_decay=0.0).param_groups
    }
    assert of[True] | of[False] == set(names.values()) and not of[True] & of[False]
    return of[True], of[False]
