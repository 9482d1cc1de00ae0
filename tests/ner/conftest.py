"""Tiny encoders with random weights (ModernBERT with a byte-level BPE, BERT with a WordPiece), and notes to tag."""

import re
from functools import cache
from pathlib import Path

import pytest
import torch

from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.runtime import lineage
from stages.runtime.lineage import Read
from tests import tiny

CONFIGS = {
    "modernbert": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
                   "max_position_embeddings": 256, "local_attention": 16},
    "bert": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
             "max_position_embeddings": 256},
}  # fmt: skip


def wordpiece():
    """BERT's own tokenizer class: drops control characters, accents and unknown text becomes [UNK]."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(
        tiny.texts(60), trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    )
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=256,
    )


@cache
def make_tokenizer(kind: str):
    return wordpiece() if kind == "bert" else tiny.tokenizer("encoder")


def make_encoder(folder: Path, kind: str) -> Path:
    """A base encoder as models_base leaves one."""
    from transformers import AutoConfig, AutoModelForMaskedLM

    tokenizer = make_tokenizer(kind)
    torch.manual_seed(0)
    special = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.cls_token_id,
               "eos_token_id": tokenizer.sep_token_id, "cls_token_id": tokenizer.cls_token_id,
               "sep_token_id": tokenizer.sep_token_id}  # fmt: skip
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **special, **CONFIGS[kind])
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    lineage.write(folder, [Read("story", "public", "gradient"), Read("story", "public", "vocabulary")])
    return folder


@pytest.fixture(scope="session", params=["modernbert", "bert"])
def encoder(request, tmp_path_factory) -> Path:
    return make_encoder(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="session")
def modernbert(tmp_path_factory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("modernbert"), "modernbert")


# Settings of a training of a few seconds.
SECTION = {
    "unit": "note",
    "piece_words": 16,
    "length": 48,
    "overlap": 16,
    "steps": 45,
    "epochs": None,
    "hidden": 0.0,
    "batch": 8,
    "optimizer": "adamw",
    "learning_rate": 1e-2,
    "schedule": "linear",
    "warmup": 0.1,
    "weight_decay": 0.01,
    "precision": "fp32",
    "probes": 3,
}


def tagged(texts, start=0):
    """The notes of tests.tiny with their names and ages tagged."""
    made = []
    for number, text in enumerate(texts, start):
        spans = [Span(*found.span(), "NAME") for name in tiny.NAMES for found in re.finditer(name, text)]
        spans += [Span(*found.span(1), "AGE") for found in re.finditer(r"Edad: (\d+)", text)]
        made.append(Note(f"n{number}", f"g{number}", text, tuple(sorted(spans))))
    return made


def table(folder, role, notes):
    """A note table with the lineage of a role of the demo."""
    note_table.write(folder, notes)
    lineage.write(folder, [Read(f"demo/0/{role}", "real", "content")])
    return folder


NOTES = tagged(tiny.texts(60))
SELECT = NOTES[::3]
LEARNED = [note for note in NOTES if note not in SELECT]
