"""A decoder made to follow a prompt: trained on pairs of a text and its answer, in a chat template of its own.

Only the answer's tokens are learnt from. Such a rephraser shows that the apparatus works, not what a large one can.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from stages.shared import lineage, models, packing, training
from stages.shared.errors import UserError, at
from stages.shared.lineage import Read

FILE = "pairs.jsonl"
USER, ASSISTANT = "<|user|>", "<|assistant|>"
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    f"{USER}{{{{ message['content'] }}}}{ASSISTANT}"
    "{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)


class Trained(training.Optimisation):
    """A rephraser trained here from random weights, with the tokenizer of `corpus`'s base decoder.

    `pairs` are folders of data/pairs.
    """

    source: Literal["trained"]
    corpus: str
    architecture: str
    config: dict[str, Any]
    pairs: list[str] = Field(min_length=1)
    steps: int = Field(ge=1)
    seed: int


class Pair(NamedTuple):
    """What is asked, by the prompt's name, of which text, and a right answer."""

    prompt: str
    text: str
    answer: str


def train(
    settings: Trained,
    base: str | Path,
    folders: Sequence[Path],
    prompts: Mapping[str, str],
    checkpoints: Path,
    out: Path,
    run_: Any,
) -> None:
    """Write the model, its tokenizer with a chat template, and its lineage to `out`."""
    import torch

    tokenizer = models.load_tokenizer(base)
    tokenizer.add_special_tokens({"additional_special_tokens": [USER, ASSISTANT]})
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(settings.seed)
    model = models.scratch(settings.architecture, settings.config, tokenizer, "decoder")
    chats = [example(pair, prompts, tokenizer) for folder in folders for pair in read(folder, prompts)]
    positions = getattr(model.config, "max_position_embeddings", None) or 10**9
    chats = [chat for chat in chats if len(chat["input_ids"]) <= positions]
    if not chats:
        raise UserError(f"{folders[0] / FILE}: no pair that fits into {positions} tokens")
    training.fit(
        model,
        training.passes(chats, settings.steps * settings.batch, settings.seed),
        settings,
        settings.steps,
        settings.seed,
        checkpoints,
        run_,
        label="learning to rewrite",
        collate=training.Padded(tokenizer.pad_token_id),
    )
    model.to("cpu").save_pretrained(out)
    tokenizer.save_pretrained(out)
    words = {entry for entry in lineage.read(base) if entry.how == "vocabulary"}
    lineage.write(out, words | reads(folders))


def read(folder: Path, prompts: Iterable[str]) -> Iterator[Pair]:
    """The pairs of a folder; UserError on a missing file, a line that is no pair, or a prompt that nobody named."""
    path = folder / FILE
    if not path.is_file():
        raise UserError(
            f'{path}: no pairs here; put them there, one {{"prompt": ..., "text": ..., "answer": ...}} per line, and '
            "`dvc add` the folder"
        )
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                pair = Pair(**json.loads(line))
            except (ValueError, TypeError):
                pair = None
            if pair is None or not all(isinstance(part, str) and part for part in pair):
                raise UserError(
                    f'{at(path, number)}: expected {{"prompt": ..., "text": ..., "answer": ...}} as JSON'
                )
            if pair.prompt not in prompts:
                raise UserError(
                    f"{at(path, number)}: pretraining.rephrase.prompts has no prompt of that name, only "
                    f"{', '.join(sorted(prompts))}"
                )
            yield pair


def example(pair: Pair, prompts: Mapping[str, str], tokenizer: Any) -> dict[str, np.ndarray]:
    """`input_ids` of the whole chat and `labels`, which are the answer's and its end's."""
    content = prompts[pair.prompt].replace("{text}", pair.text)
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, return_dict=False
    )
    answer = tokenizer(pair.answer, add_special_tokens=False, verbose=False)["input_ids"]
    answer = [*answer, packing.edges(tokenizer)[1]]
    return {
        "input_ids": np.array([*asked, *answer], dtype=np.int64),
        "labels": np.array([training.IGNORED] * len(asked) + answer, dtype=np.int64),
    }


def reads(folders: Iterable[Path]) -> set[Read]:
    """What pairs put into the weights: as their own record says, or real notes where they bring none."""
    found: set[Read] = set()
    for folder in folders:
        kept = (folder / lineage.FILE).is_file()
        found |= lineage.read(folder) if kept else {Read(f"pairs:{folder.name}", "real", "content")}
    return lineage.trained_on(found)
