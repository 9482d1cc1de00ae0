"""Have an instruction-tuned model rewrite every piece by a prompt. DVC stage pretraining_rephrase."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from stages.pretraining import engines
from stages.pretraining.corpus import Rewriting
from stages.pretraining.engines import Answer, Engine, Message
from stages.shared import lineage, models, notes, params
from stages.shared.console import progress, say
from stages.shared.errors import UserError, run
from stages.shared.lineage import Read
from stages.shared.notes import Note
from stages.shared.outputs import building, read_json, write_json
from stages.shared.scratch import scratch
from stages.shared.tracking import track

PLACE = "{text}"


def _with_place(template: str) -> str:
    if template.count(PLACE) != 1:
        raise ValueError(f"write {PLACE} once, where the piece is to stand")
    return template


class Rephrase(params.Section):
    """Section pretraining.rephrase."""

    prompts: dict[str, Annotated[str, AfterValidator(_with_place)]]
    sampling: engines.Sampling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="name of the corpus in params.yaml")
    parser.add_argument("--pieces", required=True, help="note table of pieces")
    parser.add_argument("--rephraser", required=True, help="folder written by models_rephraser")
    parser.add_argument("--prompt", required=True, help="name of a prompt in pretraining.rephrase.prompts")
    parser.add_argument("--out", required=True, help="note table to write: one answer per piece")
    parser.add_argument(
        "--metrics", required=True, help="JSON file to write: answers, tokens, unfinished ones"
    )
    args = parser.parse_args()
    settings = params.load(Rephrase, "pretraining.rephrase")
    permitted = params.load(Rewriting, f"corpora.{args.corpus}.rewriting").servers_permitted
    if args.prompt not in settings.prompts:
        raise UserError(
            f"params.yaml: grid.prompts names {args.prompt}; pretraining.rephrase.prompts has "
            f"{', '.join(sorted(settings.prompts))}"
        )
    template = settings.prompts[args.prompt]
    chats = [chat(template, piece.text) for piece in notes.read(args.pieces)]
    read = lineage.read(args.pieces)
    private = any(entry.origin == "real" for entry in read)
    engine = make_engine(args.rephraser, chats, settings.sampling, permitted, private)
    engine.check()
    source, rephraser, prompt, corpus, fold = Path(args.out).parts[-5:]
    cell = "-".join([corpus, source, rephraser, prompt, fold])
    tags = {"corpus": corpus, "fold": fold, "source": source, "rephraser": rephraser, "prompt": prompt}
    with (
        scratch("pretraining/rephrase", cell) as folder,
        track("pretraining/rephrase", cell, settings.sampling, tags) as run_,
        building(args.out) as out,
        progress(total=len(chats), unit="piece", label="rewriting") as bar,
    ):
        counts = {"answers": 0, "tokens": 0, "unfinished": 0, "words": 0}
        found = engines.answers(engine, engines.Kept(folder / "answers.jsonl"), lambda tokens: bar.update())
        notes.write(out, rewritten(notes.read(args.pieces), found, engine, args.prompt, counts))
        lineage.write(out, rewritten_reads(read) | lineage.through(lineage.read(args.rephraser), "generator"))
        run_.metrics(counts)
    write_json(args.metrics, counts)
    say(f"{cell}: {counts['answers']} pieces rewritten, {counts['unfinished']} answers cut off")


def chat(template: str, text: str) -> list[Message]:
    """The conversation that asks for a rewriting: one message."""
    return [{"role": "user", "content": template.replace(PLACE, text)}]


def make_engine(
    folder: str | Path, chats: list[list[Message]], sampling: engines.Sampling, permitted: bool, private: bool
) -> Engine:
    """The engine that a rephraser's folder asks for."""
    if not (Path(folder) / models.SERVED).is_file():
        return engines.InProcess(folder, chats, sampling)
    from stages.pretraining.server import Server

    return Server(read_json(Path(folder) / models.SERVED)["model"], chats, sampling, permitted, private)


def rewritten(
    pieces: Iterator[Note], answers: Iterator[Answer], engine: Engine, prompt: str, counts: dict[str, int]
) -> Iterator[Note]:
    """The answers as notes, under their pieces' ids and groups; `counts` adds them up."""
    for piece, answer in zip(pieces, answers, strict=True):
        text = answer.text.strip()
        counts["answers"] += 1
        counts["tokens"] += answer.tokens
        counts["unfinished"] += not answer.ended
        counts["words"] += notes.words(text)
        provenance: dict[str, Any] = {
            "note": piece.provenance["note"],
            "start": piece.provenance["start"],
            "prompt": prompt,
            "model": engine.name,
            "ended": answer.ended,
            "tokens": answer.tokens,
        }
        yield Note(piece.note_id, piece.group_id, text, provenance=provenance)


def rewritten_reads(pieces: set[Read]) -> set[Read]:
    """The lineage of rewritten pieces: real notes are now rewritten ones, anything else stays what it was."""
    return {entry._replace(origin="rewritten-real") if entry.origin == "real" else entry for entry in pieces}


if __name__ == "__main__":
    run(main)
