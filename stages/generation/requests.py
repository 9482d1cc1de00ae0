"""What is asked of a language model, in this process or behind a server, and what it answers.

Answers are kept on disk as they arrive, so that a killed stage asks only for the missing ones.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pydantic import Field

from stages.lm import models
from stages.runtime.errors import UserError
from stages.runtime.params import Section

# Arguments of a rephraser's chat template, such as enable_thinking, beside its weights.
TEMPLATE = "template.json"
# Settings that decide an answer; the batches that `chunk` makes are hashed themselves.
_DECISIVE = {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_new_tokens", "precision"}
# A text to continue, or a chat: messages with `role` and `content`.
Prompt = str | list[dict[str, str]]


class Sampling(Section):
    """How texts are sampled from a language model."""

    temperature: float = Field(gt=0)
    """Softmax temperature. Paper 1 uses 1.0; Nemotron-CC, which paper 2 follows, 0.5."""
    top_p: float = Field(gt=0, le=1)
    """Nucleus sampling: total probability of the tokens that are sampled from. Paper 1 uses 0.95, Nemotron-CC 0.9."""
    top_k: int = Field(default=0, ge=0)
    """Number of most probable tokens that are sampled from; 0 for all."""
    min_p: float = Field(default=0.0, ge=0, le=1)
    """Smallest probability of a token that is sampled, as a multiple of that of the most probable one; 0 for none."""
    repetition_penalty: float = Field(default=1.0, gt=0)
    """How much less likely tokens become that have occurred before (Keskar et al. 2019); 1 for not at all."""
    max_new_tokens: int = Field(ge=1)
    """Tokens after which a text that has not ended is cut off."""
    chunk: int = Field(default=64, ge=1)
    """Batch size of a model in this process. It affects rounding, and therefore the sampled texts."""
    precision: models.Precision = "fp32"
    """Arithmetic of a model in this process: fp32, or bf16 on hardware that has it."""


class Request(NamedTuple):
    """A prompt, the seed of its answer, and whether the answer repeats the prompt (for texts to continue)."""

    prompt: Prompt
    seed: tuple[int, int]
    echo: bool = False
    tokens: list[int] | None = None
    """The tokens that the model reads. An engine in this process takes those of a text to continue as they are."""
    rest: str = ""
    """Characters of a text to continue that follow `tokens`; only an engine in this process can force them."""


# Why there is no answer: the model or its guard declines, or the request is longer than the server takes.
REFUSED, BEYOND_CONTEXT = "refused", "beyond_context"


class Answer(NamedTuple):
    """A sampled text, whether it ended by itself, the number of sampled tokens, and why there is none."""

    text: str
    ended: bool
    tokens: int
    fault: str = ""


# Numbers of requests that are answered together.
Batches = list[list[int]]
# Takes the number of a request and its answer.
Keep = Callable[[int, Answer], None]
Count = Callable[[int], Any]


class Engine(Protocol):
    """A language model that answers requests."""

    # Model and version, as written to the provenance of its texts.
    name: str
    settings: Sampling
    # Arguments of the chat template.
    template: Mapping[str, Any]

    @property
    def identity(self) -> Any:
        """All that is known of the model, as JSON: with another identity, no earlier answer is used."""

    def rendered(self, requests: Sequence[Request]) -> list[Request]:
        """Return the requests with all that their answers depend on, such as a chat as the template renders it today.

        Raises UserError, before any weights are loaded, for requests that the model cannot answer.
        """

    def batches(self, requests: Sequence[Request]) -> Batches:
        """Return the numbers of the requests that are answered together: equal batches get equal answers.

        Raises UserError, before any weights are loaded, for requests that are too long.
        """

    def answer(self, requests: Sequence[Request], batches: Batches, keep: Keep, on_tokens: Count) -> None:
        """Answer the rendered requests in `batches`.

        `keep` is called with the number of a request and its answer as soon as there is one, in any order, and
        `on_tokens` with the number of tokens sampled since the last call.
        """


def token_ids(text: str, tokenizer: Any) -> list[int]:
    """Return the tokens of a text to continue, after the token that began every document in training."""
    return [models.edges(tokenizer)[0], *tokenizer(text, add_special_tokens=False)["input_ids"]]


class AnswerStore:
    """Answers by key, complete or absent, in a file of JSON lines. Memory: 200 bytes for each key and position.

    Answers may have been paid for, so nothing that was written is ever written again. A line that a crash has damaged
    counts as absent, and the end of one that a kill has cut off is removed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._starts: dict[str, int] = {}
        # Keys of the answers that are refusals.
        self.refused: set[str] = set()
        with path.open("a+b") as file:
            file.seek(0)
            end = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                with suppress(ValueError, TypeError, KeyError):
                    entry = json.loads(line)
                    self._note(entry["key"], end, Answer(*entry["answer"]))
                end += len(line)
            file.truncate(end)

    def __contains__(self, key: str) -> bool:
        return key in self._starts

    def __getitem__(self, key: str) -> Answer:
        with self.path.open("rb") as file:
            file.seek(self._starts[key])
            return Answer(*json.loads(file.readline())["answer"])

    def add(self, key: str, answer: Answer) -> None:
        """Write an answer to disk, unless the store has one under this key."""
        if key not in self._starts:
            with self.path.open("ab") as file:
                self._note(key, file.tell(), answer)
                file.write((json.dumps({"key": key, "answer": answer}) + "\n").encode())

    def _note(self, key: str, start: int, answer: Answer) -> None:
        self._starts[key] = start
        if answer.fault == REFUSED:
            self.refused.add(key)


def answers(
    engine: Engine,
    requests: Sequence[Request],
    store: AnswerStore,
    on_answer: Callable[[], Any] = lambda: None,
    on_tokens: Count = lambda count: None,
    most_faults: float = 1.0,
) -> Iterator[Answer]:
    """Yield the answer to each request, in the order of the requests.

    The engine answers the batches of which the store lacks an answer. `on_answer` is called after each new answer,
    `on_tokens` with the number of tokens sampled since the last call. Raises UserError as soon as more than the share
    `most_faults` of the requests have no answer.
    """
    kind = [engine.identity, dict(engine.template), engine.settings.model_dump(include=_DECISIVE)]
    requests = engine.rendered(requests)
    keys = [""] * len(requests)
    missing = []
    for batch in engine.batches(requests):
        # All that the answers to a batch depend on.
        content = json.dumps([kind, [requests[number] for number in batch]], sort_keys=True)
        together = hashlib.sha256(content.encode()).hexdigest()[:32]
        for place, number in enumerate(batch):
            keys[number] = f"{together}-{place}"
        if any(keys[number] not in store for number in batch):
            missing.append(batch)

    # Not stored: the same server, set up otherwise, may take them.
    rejected: dict[str, Answer] = {}
    refused = len(store.refused.intersection(keys))

    def keep(number: int, answer: Answer) -> None:
        nonlocal refused
        if answer.fault == BEYOND_CONTEXT:
            rejected[keys[number]] = answer
        else:
            store.add(keys[number], answer)
        refused += answer.fault == REFUSED
        if refused + len(rejected) > most_faults * len(requests):
            raise UserError(
                f"of {len(requests)} requests {refused} were refused and {len(rejected)} are longer than the context"
                f": more than the share {most_faults:g} that params.yaml allows"
            )
        on_answer()

    if missing:
        engine.answer(requests, missing, keep, on_tokens)
    yield from (rejected[key] if key in rejected else store[key] for key in keys)
