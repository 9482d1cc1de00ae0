"""What answers the prompts of a rewriting: a model in this process, or a server that speaks OpenAI's protocol.

Both keep every answer as it comes, under a key made of all that could change it, so a killed run goes on where it
was and a changed prompt never meets an old answer.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import Field

from stages.shared import models, notes, params, sampling
from stages.shared.errors import UserError

Message = dict[str, str]


class Sampling(params.Section):
    """How answers are drawn: section pretraining.rephrase.sampling."""

    temperature: float = Field(gt=0)
    top_p: float = Field(gt=0, le=1)
    max_new_tokens: int = Field(ge=1)
    chunk: int = Field(ge=1)
    precision: Literal["fp32", "bf16"]
    seed: int


class Answer(NamedTuple):
    """What was written, whether it ended by itself, and its length in the engine's tokens."""

    text: str
    ended: bool
    tokens: int


class Engine(Protocol):
    """Answers the chats it was made with, in any order."""

    # Model and version, for provenance.
    name: str
    # One per chat: equal keys are equal answers.
    keys: list[str]

    def check(self) -> None:
        """UserError, before anything heavy is loaded, where the chats cannot be answered."""

    def answer(self, wanted: set[int], keep: Callable[[int, Answer], None]) -> None:
        """Answer the chats whose numbers are `wanted`; `keep` hears each answer as soon as it is there."""


class Kept:
    """Answers in a file of one JSON object a line, each complete or not there."""

    def __init__(self, path: Path):
        self.path = path
        self.answers: dict[str, Answer] = {}
        if path.is_file():
            whole = path.read_bytes().rpartition(b"\n")[0]
            for line in whole.splitlines():
                row = json.loads(line)
                self.answers[row["key"]] = Answer(*row["answer"])
            # What a kill cut short is written again.
            path.write_bytes(whole + b"\n" if whole else b"")

    def add(self, key: str, answer: Answer) -> None:
        """Keep an answer; it is on disk when this returns."""
        if key not in self.answers:
            self.answers[key] = answer
            with self.path.open("ab") as file:
                file.write((json.dumps({"key": key, "answer": list(answer)}) + "\n").encode())


def answers(engine: Engine, kept: Kept, on_answer: Callable[[int], None]) -> Iterator[Answer]:
    """One answer per chat, in their order; asked is only for what `kept` lacks. `on_answer` hears of their tokens."""
    wanted = {number for number, name in enumerate(engine.keys) if name not in kept.answers}

    def keep(number: int, answer: Answer) -> None:
        kept.add(engine.keys[number], answer)
        on_answer(answer.tokens)

    if wanted:
        engine.answer(wanted, keep)
    for name in engine.keys:
        yield kept.answers[name]


def key(*parts: Any) -> str:
    """A name for all that an answer depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


class InProcess:
    """A causal language model with a chat template, loaded into this process.

    Chats of like length are read together, so that little is done twice; a chunk is answered whole or not at all,
    as a batch's shape decides how sums are rounded.
    """

    def __init__(self, folder: str | Path, chats: Sequence[list[Message]], settings: Sampling):
        self.folder, self.settings = folder, settings
        self.tokenizer = models.load_tokenizer(folder)
        if not self.tokenizer.chat_template:
            raise UserError(
                f"{folder}: the model has no chat template, so it was not trained to follow instructions; name an "
                "instruction-tuned one in models.rephraser"
            )
        self.name = models.fingerprint(folder)
        self.ids = [
            self.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
            for chat in chats
        ]
        order = sorted(range(len(chats)), key=lambda number: (-len(self.ids[number]), number))
        self.chunks = list(notes.batched(order, settings.chunk))
        self.keys = [""] * len(chats)
        for chunk in self.chunks:
            together = key(self.name, settings.model_dump(), [(number, chats[number]) for number in chunk])
            for place, number in enumerate(chunk):
                self.keys[number] = f"{together}-{place}"

    def check(self) -> None:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(models.resolve(self.folder))
        positions = getattr(config, "max_position_embeddings", None) or 10**9
        longest = max(map(len, self.ids), default=0)
        if longest + self.settings.max_new_tokens > positions:
            raise UserError(
                f"{self.folder}: reads {positions} tokens, but the longest piece takes {longest} with its prompt, "
                f"and its answer may take {self.settings.max_new_tokens}; lower pretraining.pieces.tokens or "
                "pretraining.rephrase.sampling.max_new_tokens in params.yaml"
            )

    def answer(self, wanted: set[int], keep: Callable[[int, Answer], None]) -> None:
        model = models.load_decoder(self.folder, self.settings.precision).to(models.device()).eval()
        ends = _ends(model, self.tokenizer)
        for chunk in self.chunks:
            if wanted.isdisjoint(chunk):
                continue
            samples = sampling.sample(
                model,
                [self.ids[number] for number in chunk],
                [(self.settings.seed, number) for number in chunk],
                ends,
                [number for number in self.tokenizer.all_special_ids if number not in ends],
                self.settings.temperature,
                self.settings.top_p,
                self.settings.max_new_tokens,
            )
            for number, sample in zip(chunk, samples, strict=True):
                text = self.tokenizer.decode(sample.ids, clean_up_tokenization_spaces=False)
                keep(number, Answer(text, sample.ended, len(sample.ids)))


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end an answer: the model's own generation settings know several (end of turn, of text)."""
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    return sorted({end for end in [*ends, tokenizer.eos_token_id] if end is not None})
