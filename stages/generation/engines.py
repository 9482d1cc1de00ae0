"""A language model in this process that answers requests."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from stages.generation import sampling
from stages.generation.prompts import Vocabulary
from stages.generation.requests import TEMPLATE, Answer, Batches, Count, Keep, Request, Sampling, token_ids
from stages.generation.sampling import Forced
from stages.lm import models
from stages.notes import note_table
from stages.runtime.errors import UserError
from stages.runtime.outputs import read_json


def template_of(folder: Path) -> dict[str, Any]:
    """The arguments of the chat template of a rephraser's folder."""
    return read_json(folder / TEMPLATE) if (folder / TEMPLATE).is_file() else {}


class InProcess:
    """A causal language model, loaded when the first answer is needed.

    Chats are batched by length, so that little computation is lost to prompts of different lengths. Texts to
    continue are batched in their order.
    """

    def __init__(
        self, folder: Path, settings: Sampling, name: str | None = None, load: Callable[[], Any] | None = None
    ) -> None:
        """`folder` has the tokenizer and, unless `load` returns the model, the weights; `name` is for provenance."""
        self.folder, self.settings = folder, settings
        self.name = name or models.digest(folder)
        self.tokenizer = models.load_tokenizer(folder)
        self.template: Mapping[str, Any] = template_of(folder)
        self.vocabulary = Vocabulary(self.tokenizer)
        self._load = load or (lambda: models.load_decoder(folder, settings.precision))

    @property
    def identity(self) -> str:
        """The name: it is a hash of the weights."""
        return self.name

    @cached_property
    def model(self) -> Any:
        """The model, on its device."""
        return self._load().to(models.device()).eval()

    @cached_property
    def positions(self) -> int:
        """The context in tokens."""
        return models.context_of(self.folder)

    def rendered(self, requests: Sequence[Request]) -> list[Request]:
        return [request._replace(tokens=self._tokens(request)) for request in requests]

    def batches(self, requests: Sequence[Request]) -> Batches:
        lengths = [0 if isinstance(one.prompt, str) else len(one.tokens or ()) for one in requests]
        limit = self.settings.max_new_tokens
        if any(lengths) and max(lengths) + limit > self.positions:
            raise UserError(
                f"{self.folder}: the context is {self.positions} tokens, but the longest piece takes {max(lengths)} "
                f"with its prompt, and its answer may take {limit}; lower pretraining.pieces.tokens or "
                "pretraining.rephrase.sampling.max_new_tokens in params.yaml"
            )
        order = sorted(range(len(requests)), key=lambda number: -lengths[number])
        return list(note_table.batched(order, self.settings.chunk))

    def answer(self, requests: Sequence[Request], batches: Batches, keep: Keep, on_tokens: Count) -> None:
        begin, end = models.edges(self.tokenizer)
        for batch in batches:
            prompts = [requests[number].tokens or [] for number in batch]
            ends = {end}
            if not isinstance(requests[batch[0]].prompt, str):
                # The generation config of an instruction-tuned model may name several tokens that end an answer.
                more = self.model.generation_config.eos_token_id
                ends |= set(more if isinstance(more, list) else [more]) - {None}
            samples = sampling.sample(
                self.model,
                prompts,
                [requests[number].seed for number in batch],
                ends=sorted(ends),
                never=sorted({*self.tokenizer.all_special_ids, begin} - ends),
                temperature=self.settings.temperature,
                top_p=self.settings.top_p,
                top_k=self.settings.top_k,
                min_p=self.settings.min_p,
                repetition_penalty=self.settings.repetition_penalty,
                forced=Forced(self.vocabulary, [requests[number].rest.encode() for number in batch]),
                max_new_tokens=max(1, min(self.settings.max_new_tokens, self.positions - max(map(len, prompts)))),
                on_tokens=on_tokens,
            )
            for number, sample in zip(batch, samples, strict=True):
                keep(number, Answer(self._text(requests[number], sample.ids), sample.ended, len(sample.ids)))

    def _text(self, request: Request, sampled: list[int]) -> str:
        """The answer's text, without the forced characters of a prompt that it does not repeat."""
        if not (request.echo or request.rest):
            return self.tokenizer.decode(sampled, clean_up_tokenization_spaces=False)
        # The first token of a text to continue only marks its beginning.
        ids = [*(request.tokens or [])[1:], *sampled]
        text = self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        return text if request.echo else text[len(request.prompt) :]

    def _tokens(self, request: Request) -> list[int]:
        """The tokens of a prompt: a text's own after the token that begins documents, or a chat's by its template."""
        prompt = request.prompt
        if isinstance(prompt, str):
            begin = models.edges(self.tokenizer)[0]
            return token_ids(prompt, self.tokenizer) if request.tokens is None else [begin, *request.tokens]
        if not self.tokenizer.chat_template:
            raise UserError(
                f"{self.folder}: the model has no chat template, so it was not trained to follow instructions; name "
                "an instruction-tuned model in models.rephraser"
            )
        options = {"add_generation_prompt": True, "return_dict": False}
        return self.tokenizer.apply_chat_template(prompt, **options, **self.template)
