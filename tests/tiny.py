"""Invented text, and base models of real classes small enough for tests: random weights from a config."""

from pathlib import Path

import torch

from stages.models import tokenizers
from stages.notes import note_table
from stages.notes.note_table import Note
from stages.runtime import lineage
from stages.runtime.lineage import Read

NAMES = ("Ana Ruiz", "Luis Mora", "Eva Gil", "Juan Peña", "Sara Vidal")
COMPLAINTS = ("dolor torácico", "fiebre alta", "tos seca", "mareo leve", "cefalea intensa", "náuseas")

DECODERS = {
    "llama": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
              "num_key_value_heads": 2, "max_position_embeddings": 256, "tie_word_embeddings": True},
    # Rephrasers of paper 2, Llama's being above.
    "mistral": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256},
    "qwen2": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
              "num_key_value_heads": 2, "max_position_embeddings": 256},
    "gemma2": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
               "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256},
    # The class of the demo's rephraser: convolutions beside attention.
    "lfm2": {"hidden_size": 32, "intermediate_size": 64, "block_auto_adjust_ff_dim": False, "num_hidden_layers": 2,
             "layer_types": ["conv", "full_attention"], "num_attention_heads": 4, "num_key_value_heads": 2,
             "max_position_embeddings": 256},
    # The classes of GPT-SW3 and FLOR.
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
}  # fmt: skip

# A multimodal checkpoint: its vocabulary and its context are those of its text model.
GEMMA3 = {
    "text_config": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256},
    "vision_config": {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                      "image_size": 8, "patch_size": 4},
    "mm_tokens_per_image": 4,
}  # fmt: skip


def texts(count: int) -> list[str]:
    """Invented notes of about 25 words, all different."""
    return [
        f"Nombre: {NAMES[i % 5]}.\nEdad: {20 + i % 60} años.\nAcude por {COMPLAINTS[i % 6]} desde hace {i} días. "
        f"Se pauta reposo y control en {1 + i % 9} semanas. Firma: {NAMES[(i + 2) % 5]}."
        for i in range(count)
    ]


def tokenizer(role: str = "decoder", vocab_size: int = 400):
    return tokenizers.train(texts(60), vocab_size, role, 256)


def decoder(folder: Path, kind: str = "llama", seed: int = 0, **changes) -> Path:
    """A random-weight decoder with its tokenizer and lineage, as models_base leaves one."""
    from transformers import AutoConfig, AutoModelForCausalLM

    tok = tokenizer()
    torch.manual_seed(seed)
    special = {"bos_token_id": tok.bos_token_id, "eos_token_id": tok.eos_token_id, "pad_token_id": tok.pad_token_id}
    if kind == "gemma3":
        text = GEMMA3["text_config"] | {"vocab_size": len(tok), **special}
        config = AutoConfig.for_model(kind, **GEMMA3 | {"text_config": text}, **special)
    else:
        config = AutoConfig.for_model(kind, **{"vocab_size": len(tok), **special} | DECODERS[kind] | changes)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tok.save_pretrained(folder)
    lineage.write(folder, [Read("story", "public", "gradient"), Read("story", "public", "vocabulary")])
    return folder


def table(folder: Path, role: str, of: list[str]) -> Path:
    """A note table of untagged texts with the lineage of a role of the demo."""
    note_table.write(folder, [Note(f"{role}-{i}", f"{role}-{i}", text) for i, text in enumerate(of)])
    lineage.write(folder, [Read(f"demo/0/{role}", "real", "content")])
    return folder


class Recorder:
    """Stands in for a tracking run: keeps what was logged."""

    def __init__(self):
        self.rows: list[tuple[int, dict]] = []

    def log(self, values, step=0):
        self.rows.append((step, dict(values)))


class Killed(Exception):
    """What a KilledAt ends with."""


class KilledAt(Recorder):
    """A run that is killed when step `last` is logged."""

    def __init__(self, last):
        super().__init__()
        self.last = last

    def log(self, values, step=0):
        super().log(values, step)
        if step >= self.last:
            raise Killed
