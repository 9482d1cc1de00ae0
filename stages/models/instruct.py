"""Training a decoder to follow prompts: on pairs of a text and its rewriting, in a chat template of its own.

The loss is taken on the answer alone. Such a rephraser shows that the pipeline works, not what a large one can do.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, Field

from stages.lm import models, tokenised, training
from stages.lm.optimisation import Optimisation
from stages.notes import jsonl
from stages.runtime import lineage
from stages.runtime.errors import UserError, at
from stages.runtime.lineage import Read
from stages.runtime.stage import Run

FILE = "pairs.jsonl"
USER, ASSISTANT = "<|user|>", "<|assistant|>"
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    f"{USER}{{{{ message['content'] }}}}{ASSISTANT}"
    "{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)


class Trained(Optimisation):
    """A rephraser trained here from random weights."""

    source: Literal["trained"]
    corpus: str
    """Corpus whose base decoder's tokenizer it uses."""
    architecture: str
    """Model type in transformers. The convolutions of lfm2 see the previous token, so it learns to copy quickly."""
    config: dict[str, Any]
    """Model configuration, where it differs from the type's defaults."""
    pairs: list[str] = Field(min_length=1)
    """Folders of data/pairs: texts with their answers to a prompt of pretraining.rephrase.prompts."""
    steps: int = Field(ge=1)
    """Optimiser steps."""
    seed: int
    """Seed of the weights and of the order of the pairs."""


class Pair(BaseModel):
    """A text, the name of the prompt, and a correct answer."""

    prompt: str = Field(min_length=1)
    text: str = Field(min_length=1)
    answer: str = Field(min_length=1)


def train(
    settings: Trained, base: Path, folders: Sequence[Path], prompts: Mapping[str, str], out: Path, run: Run
) -> None:
    """Write the model, its tokenizer with a chat template, and its lineage to `out`.

    Pairs that are longer than the model's context are left out; UserError if that leaves none.
    """
    import torch

    tokenizer = models.load_tokenizer(base)
    tokenizer.add_special_tokens({"additional_special_tokens": [USER, ASSISTANT]})
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(settings.seed)
    model = models.from_config(settings.architecture, settings.config, tokenizer, "decoder")
    positions = models.context(model.config)

    def chats() -> Iterator[dict[str, np.ndarray]]:
        every = (example(pair, prompts, tokenizer) for folder in folders for pair in read(folder, prompts))
        return (chat for chat in every if len(chat["input_ids"]) <= positions)

    rows = tokenised.dataset(chats, run.scratch)
    if not len(rows):
        raise UserError(f"{folders[0] / FILE}: no pair that fits into {positions} tokens")
    epochs = training.epochs(rows, settings.steps * settings.batch, settings.seed)
    label, collate = "training the rephraser", training.padded(tokenizer)
    training.fit(model, epochs, settings, settings.seed, run.scratch, run, label, collate=collate)
    model.to("cpu").save_pretrained(out)
    tokenizer.save_pretrained(out)
    vocabulary = {entry for entry in lineage.read(base) if entry.how == "vocabulary"}
    lineage.write(out, vocabulary | reads(folders))


def read(folder: Path, prompts: Iterable[str]) -> Iterator[Pair]:
    """The pairs of a folder; UserError on a missing file, a malformed line, or an unknown prompt."""
    for number, pair in jsonl.read(folder / FILE, Pair):
        if pair.prompt not in prompts:
            raise UserError(
                f"{at(folder / FILE, number)}: pretraining.rephrase.prompts has no prompt of that name, only "
                f"{', '.join(sorted(prompts))}"
            )
        yield pair


def example(pair: Pair, prompts: Mapping[str, str], tokenizer: Any) -> dict[str, np.ndarray]:
    """`input_ids` of the whole chat, and `labels` on the answer and its end."""
    content = prompts[pair.prompt].replace("{text}", pair.text)
    chat = [{"role": "user", "content": content}]
    asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    answer = tokenizer(pair.answer, add_special_tokens=False, verbose=False)["input_ids"]
    answer.append(models.edges(tokenizer)[1])
    return {
        "input_ids": np.array([*asked, *answer], dtype=np.int64),
        "labels": np.array([training.IGNORED] * len(asked) + answer, dtype=np.int64),
    }


def reads(folders: Iterable[Path]) -> set[Read]:
    """The lineage of a model trained on pairs; pairs without a record count as real notes."""
    found = (lineage.read(folder, [Read(f"pairs:{folder.name}", "real", "content")]) for folder in folders)
    return lineage.trained_on(set[Read]().union(*found))
