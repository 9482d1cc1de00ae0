"""Sample invented notes from the adapted decoder (DVC stage `synthesis_generate`)."""

import re
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from stages.generation.engines import InProcess
from stages.generation.prompts import Start, start
from stages.generation.requests import Answer, AnswerStore, Engine, Request, Sampling, answers
from stages.generation.server import Server, ServersPermitted
from stages.lm import models
from stages.lm.models import ModelFolder
from stages.notes import note_table, units
from stages.notes.note_table import Note, NoteTable
from stages.runtime import lineage
from stages.runtime.console import progress
from stages.runtime.errors import UserError
from stages.runtime.outputs import write_json
from stages.runtime.stage import InFolder, OutFile, OutFolder, Run, stage
from stages.synthesis import acceptance, adaptation

# Most tokens of a text of the unadapted base decoder.
_UNADAPTED_TOKENS = 200


class Generate(Sampling):
    """How invented notes are sampled from the adapted decoder, and which are kept."""

    at: ClassVar[str] = "synthesis.generate"

    prompt: Literal["first_words", "first_words_no_pii", "begin_of_note"]
    """What a text starts from: first_words (of a note of the prompts part, as in the paper), first_words_no_pii (the
    same, cut before the first gold span), or begin_of_note (nothing)."""
    prompt_words: int = Field(default=3, ge=1)
    """Words of a prompt (3 in the paper)."""
    keep_prompt: bool = True
    """Whether the words of the prompt stay in the text. With `first_words` that makes the text, and models trained on
    it, unfit for release: the first words of a real note may be a name."""
    volume: float = Field(gt=0)
    """Words of invented notes, as a multiple of the words of the full training part (4 in the paper)."""
    attempts: float = Field(default=4, ge=1)
    """Sampling ends short of the volume when this multiple of it has been sampled."""
    drop: acceptance.Drop = acceptance.Drop()
    """Which sampled texts are dropped."""
    unadapted: int = Field(default=0, ge=0)
    """Texts that the base decoder as it is writes too, from the prompts of as many invented notes, in this process.
    The report of an invented corpus (`grid.demos`) shows them side by side."""
    server: str | None = None
    """Name under which an OpenAI-compatible server has the adapted decoder, as given to vLLM's `--lora-modules` for
    example; null samples in this process. With a server, `chunk` is the number of texts requested at once: set it to
    several times DEIDSYNTH_CONCURRENCY. The server must accept prompts of token ids, as vLLM and llama.cpp do. It
    cannot be made to go on inside a token: prompts are sent as their own tokens."""
    server_version: str = ""
    """Which weights and server settings stand behind that name today, in your own words: with another version, no
    text that was sampled before is used again."""


@stage("synthesis.generate")
def generate(
    corpus: str,
    fold: int,
    seed: int,
    base: ModelFolder,
    model: InFolder,
    prompts: NoteTable,
    train: NoteTable,
    out: OutFolder,
    unadapted: OutFolder,
    metrics: OutFile,
    settings: Generate,
    permitted: ServersPermitted,
    run: Run,
) -> str:
    """Sample invented notes from the adapted decoder; drop repeats and degenerate text.

    base: the base decoder.
    model: the adapted decoder, written by synthesis_adapt.
    prompts: notes whose first words are prompts.
    train: the full training part; the volume is a multiple of its words.
    seed: seed of the replicate; each text gets its own random numbers from it.
    out: a note table of invented notes without tags.
    unadapted: texts that the base decoder, as it is, writes from the prompts of the first of them.
    metrics: texts kept and dropped by reason, their words and tokens.
    """
    adapted = adaptation.read(base, model)
    target = round(settings.volume * sum(note_table.count_words(note.text) for note in note_table.read(train)))
    reads = lineage.through(lineage.read(base) | lineage.read(model), "generator")
    if settings.prompt != "begin_of_note":
        # The first words of a note may be a name.
        quoted = settings.prompt == "first_words" and settings.keep_prompt
        reads |= lineage.as_read(lineage.read(prompts), "quoted" if quoted else "prompts")
    if settings.server:
        tokenizer = models.load_tokenizer(base)
        engine: InProcess | Server = Server(
            settings.server, settings, reads, permitted.root, tokenizer, version=settings.server_version
        )
    else:
        name = models.digest(base if adapted.method == "none" else model)
        load = partial(adaptation.load, base, model, adapted.method, settings.precision)
        engine = InProcess(base, settings, name, load)
    starts = read_prompts(prompts, settings, adapted, engine.tokenizer)
    # As in pretraining.rephrase, an answer's key holds all that it depends on.
    store = AnswerStore(run.cell_scratch / "answers.jsonl")
    counts: Counter[str] = Counter()
    with closing(texts(engine, starts, settings, seed, store, target)) as sampled:
        note_table.write(out, acceptance.accepted(sampled, settings.drop, target, counts))
    lineage.write(out, reads)
    result = acceptance.summary(counts, target)
    run.log(result)
    if not counts["kept"]:
        dropped = ", ".join(f"{reason} {number}" for reason, number in result["dropped"].items() if number)
        raise UserError(
            f"none of the sampled texts could be kept ({dropped}); adapt the decoder longer, or change "
            "synthesis.generate"
        )
    first = list(islice(note_table.read(out), settings.unadapted))
    note_table.write(unadapted, without_adaptation(base, first, dict(starts), settings, store))
    lineage.write(unadapted, reads)
    write_json(metrics, result)
    return f"{result['kept']} of {result['sampled']} texts kept, {result['words']} of the {target} words asked for"


def read_prompts(
    folder: Path, settings: Generate, adapted: adaptation.Adaptation, tokenizer: Any
) -> list[tuple[str, Start]]:
    """Return id and first words of each note or piece, for begin_of_note one empty prompt; UserError if none."""
    if settings.prompt == "begin_of_note":
        return [("", Start("", [], ""))]
    prompts = []
    for note in units.units(note_table.read(folder), adapted.unit, adapted.piece_words):
        ends = [match.end() for match in islice(re.finditer(r"\S+", note.text), settings.prompt_words)]
        if settings.prompt == "first_words_no_pii" and note.spans:
            ends = [end for end in ends if end <= note.spans[0].start]
        prompts.append((note.note_id, start(max(ends, default=0), note.text, tokenizer)))
    if not prompts:
        raise UserError(f"{folder}: no notes to take prompts from; give corpora.split a share for prompts")
    return prompts


def in_turn(prompts: list[Any], seed: int) -> Iterator[Any]:
    """Yield prompts without end: each once, in random order, before all are used again in another order."""
    for turn in count():
        for place in np.random.default_rng([seed, turn]).permutation(len(prompts)):
            yield prompts[place]


def texts(
    engine: Engine, prompts: list[tuple[str, Start]], settings: Generate, seed: int, store: AnswerStore, target: int
) -> Generator[tuple[Answer, dict[str, Any]]]:
    """Yield sampled texts in order, `settings.chunk` at a time, with their provenance.

    Ends when `attempts` times the `target` of words have been sampled: a model whose texts are all dropped would go
    on for ever.
    """
    waiting = enumerate(in_turn(prompts, seed))
    words = 0
    with progress(unit="tok", label="sampling") as bar:
        for chunk in count():
            if words >= settings.attempts * target:
                return
            chosen = list(islice(waiting, settings.chunk))
            requests = [
                Request(begin.text, (seed, number), settings.keep_prompt, begin.tokens, begin.rest)
                for number, (_, begin) in chosen
            ]
            found = answers(engine, requests, store, on_tokens=bar.update)
            for position, ((number, (prompt, _)), answer) in enumerate(zip(chosen, found, strict=True)):
                if not settings.keep_prompt:
                    answer = answer._replace(text=answer.text.lstrip())
                # An empty text is an attempt as well.
                words += max(1, note_table.count_words(answer.text))
                place = {"chunk": chunk, "position": position, "seed": [seed, number]}
                yield answer, {"model": engine.name, "prompt": prompt, **place}
            bar.set_postfix_str(f"{100 * words / target:.0f} % of the volume sampled", refresh=False)


def without_adaptation(
    base: Path, notes: list[Note], starts: dict[str, Start], settings: Generate, store: AnswerStore
) -> Iterator[Note]:
    """Yield what the base decoder writes with the prompt and the random numbers of each of these invented notes."""
    if not notes:
        return
    limit = {"max_new_tokens": min(settings.max_new_tokens, _UNADAPTED_TOKENS)}
    engine = InProcess(base, settings.model_copy(update=limit))
    begins = [starts[note.provenance["prompt"]] for note in notes]
    asked = [
        Request(begin.text, tuple(note.provenance["seed"]), settings.keep_prompt, begin.tokens, begin.rest)
        for note, begin in zip(notes, begins, strict=True)
    ]
    for note, answer in zip(notes, answers(engine, asked, store), strict=True):
        yield Note(note.note_id, note.group_id, answer.text)


if __name__ == "__main__":
    generate.main()
