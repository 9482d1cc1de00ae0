"""Rewrite every piece with an instruction-tuned model and a prompt (DVC stage `pretraining_rephrase`)."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, ValidationError, model_validator

from stages.generation.engines import InProcess, template_of
from stages.generation.requests import BEYOND_CONTEXT, REFUSED, Answer, AnswerStore, Request, Sampling, answers
from stages.generation.server import Server, ServersPermitted
from stages.lm import models, round_trip
from stages.notes import note_table
from stages.notes.note_table import Note, NoteTable
from stages.runtime import lineage
from stages.runtime.console import progress
from stages.runtime.errors import UserError
from stages.runtime.outputs import read_json, write_json
from stages.runtime.params import Section, Share
from stages.runtime.stage import InFolder, OutFile, OutFolder, Run, stage

PLACE = "{text}"
# The marks around what a reasoning model thinks before it answers.
_THOUGHT_START, _THOUGHT_END = (re.compile(rf"<{slash}(?:think|thinking|thought|reasoning)>") for slash in ("", "/"))


def _with_place(template: str) -> str:
    if template.count(PLACE) != 1:
        raise ValueError(f"write {PLACE} exactly once, where the piece belongs")
    return template


class SeededSampling(Sampling):
    """How rewritings are sampled."""

    seed: int = 1
    """Seed of all rewritings. Each piece gets its own random numbers from it."""


class Rephrase(Section):
    """How pieces are rewritten."""

    at: ClassVar[str] = "pretraining.rephrase"

    prompts: dict[str, Annotated[str, AfterValidator(_with_place)]]
    """Prompts by name; {text} stands for the piece. The paper's prompts are in profiles/paper2.yaml."""
    sampling: SeededSampling
    """How rewritings are sampled."""
    sampling_of: dict[str, dict[str, float]] = Field(default={})
    """Sampling settings of single rephrasers, in place of those of `sampling`: small models lose facts at a
    temperature at which larger ones still copy (docs/log.md). For example {smollm2: {temperature: 0.3}}."""
    unanswered: Share = 0.05
    """Largest share of the pieces that may go without an answer because the model refuses or the piece is longer than
    its context. Above it the stage stops; below it they are counted and left out."""
    round_trip: float = Field(default=0.99, ge=0, le=1)
    """Smallest share of the pieces' characters, and of their line breaks, that a rephraser's tokenizer must give back
    when it decodes what it has encoded. Below it the stage stops; a smaller loss is a warning."""

    @model_validator(mode="after")
    def _known_sampling(self) -> "Rephrase":
        for rephraser in self.sampling_of:
            try:
                self.sampling_for(rephraser)
            except ValidationError as error:
                key, message = ".".join(map(str, error.errors()[0]["loc"])), error.errors()[0]["msg"]
                raise ValueError(f"sampling_of: {rephraser}: {key}: {message}") from None
        return self

    def sampling_for(self, rephraser: str) -> SeededSampling:
        """Return the settings by which a rephraser is sampled."""
        return SeededSampling.model_validate(self.sampling.model_dump() | self.sampling_of.get(rephraser, {}))


@stage("pretraining.rephrase")
def rephrase(
    corpus: str,
    source: str,
    rephraser: str,
    prompt: str,
    fold: int,
    pieces: NoteTable,
    model: InFolder,
    out: OutFolder,
    metrics: OutFile,
    settings: Rephrase,
    permitted: ServersPermitted,
    run: Run,
) -> str:
    """Rewrite every piece with an instruction-tuned model and a prompt.

    pieces: the pieces to rewrite.
    model: the rephraser's folder, written by models_rephraser.
    out: a note table with one rewriting per piece.
    metrics: number of rewritings, their tokens and words, and how many were cut off.
    """
    if prompt not in settings.prompts:
        known = ", ".join(sorted(settings.prompts))
        raise UserError(f"params.yaml: grid.prompts names {prompt}; pretraining.rephrase.prompts has {known}")
    sampling = settings.sampling_for(rephraser)
    reads = lineage.read(pieces)
    kept = None
    if (model / models.SERVED).is_file():
        served = read_json(model / models.SERVED)
        asked = served["model"], sampling, reads, permitted.root
        engine: InProcess | Server = Server(*asked, template=template_of(model), version=served["version"])
    else:
        engine = InProcess(model, sampling)
        texts = (piece.text for piece in note_table.read(pieces))
        kept = round_trip.check(engine.tokenizer, texts, settings.round_trip, "pretraining.rephrase.round_trip")
    requests = [
        Request(chat(settings.prompts[prompt], piece.text), (sampling.seed, number))
        for number, piece in enumerate(note_table.read(pieces))
    ]
    # The answers' keys hold everything they depend on, so they survive a change of params for what still needs them.
    store = AnswerStore(run.cell_scratch / "answers.jsonl")
    counts = Counter(dict.fromkeys(("answers", "tokens", "unfinished", REFUSED, BEYOND_CONTEXT, "words"), 0))
    with progress(total=len(requests), unit="piece", label="rewriting") as bar:
        found = answers(engine, requests, store, bar.update, most_faults=settings.unanswered)
        note_table.write(out, rewritings(note_table.read(pieces), found, prompt, engine.name, counts))
    rewritten = {entry._replace(origin="rewritten-real") if entry.origin == "real" else entry for entry in reads}
    lineage.write(out, rewritten | lineage.through(lineage.read(model), "generator"))
    run.log(counts)
    write_json(metrics, counts | ({"round_trip": kept._asdict()} if kept else {}))
    result = (
        "{answers} pieces rewritten, {unfinished} rewritings cut off, {refused} refused, {beyond_context} too long"
    )
    return result.format(**counts)


def chat(template: str, text: str) -> list[dict[str, str]]:
    """Return the chat that asks for a rewriting: one message."""
    return [{"role": "user", "content": template.replace(PLACE, text)}]


def rewritings(
    pieces: Iterable[Note], found: Iterator[Answer], prompt: str, model: str, counts: Counter[str]
) -> Iterator[Note]:
    """Yield the answers as notes with the ids and groups of their pieces; adds them up in `counts`."""
    for piece, answer in zip(pieces, found, strict=True):
        text, whole = without_thoughts(answer.text)
        ended, words = answer.ended and whole, note_table.count_words(text)
        counts.update(answers=1, tokens=answer.tokens, words=words)
        counts[answer.fault or "unfinished"] += bool(answer.fault) or not ended
        source = {key: piece.provenance[key] for key in ("note", "start")}
        made = {"prompt": prompt, "model": model, "ended": ended, "fault": answer.fault, "tokens": answer.tokens}
        yield Note(piece.note_id, piece.group_id, text, provenance=source | made)


def without_thoughts(text: str) -> tuple[str, bool]:
    """Return an answer without what a reasoning model thought before it, and whether its thoughts had an end.

    Some templates open the block in the prompt, so that only its end is in the text.
    """
    spoken = _THOUGHT_END.split(text)[-1]
    cut = _THOUGHT_START.search(spoken)
    return (spoken[: cut.start()] if cut else spoken).strip(), not cut


if __name__ == "__main__":
    rephrase.main()
