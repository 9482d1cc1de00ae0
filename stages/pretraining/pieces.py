"""Cut notes, and as much public text, into pieces to rewrite (DVC stage `pretraining_pieces`)."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from stages.lm import models
from stages.lm.models import ModelFolder
from stages.notes import note_table
from stages.notes import public as public_texts
from stages.notes.note_table import Note, NoteTable
from stages.pretraining.corpus import Rewriting
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.outputs import write_json
from stages.runtime.params import Section
from stages.runtime.stage import InFolder, OutFile, OutFolder, stage

# Where a text may be cut, the best first: between paragraphs, between lines or sentences, between words.
_BORDERS = tuple(map(re.compile, (r"\s*\n\s*\n\s*", r"(?<=[.!?;])\s+|\s*\n\s*", r"\s+")))
_VISIBLE = re.compile(r"\S(?:.*\S)?", re.DOTALL)


class Pieces(Section):
    """How long the texts are that a rephraser rewrites, and how many there are."""

    at: ClassVar[str] = "pretraining.pieces"

    tokens: int | None = Field(ge=16)
    """Maximum length of a piece, in tokens of the base decoder (300 in WRAP, as in paper 2); null: whole notes."""
    total: int | None = Field(ge=1)
    """Maximum tokens of all pieces of the notes together, to limit the cost of rewriting; null: no limit."""


@stage("pretraining.pieces")
def divide(
    corpus: str,
    fold: int,
    notes: NoteTable,
    public: InFolder,
    tokenizer: ModelFolder,
    real: OutFolder,
    unseen: OutFolder,
    metrics: OutFile,
    settings: Pieces,
    rewriting: Rewriting,
) -> str:
    """Cut the training notes, and public texts of as many tokens, into the pieces that are rewritten.

    notes: the notes to cut: the training part.
    public: folder of the public texts.
    tokenizer: base model whose tokens are counted.
    real: note table of the pieces of the notes.
    unseen: note table of the pieces of public texts.
    metrics: number of pieces, tokens and words of both.
    """
    folders = public_texts.folders(public, rewriting.unseen)
    counter = models.load_counter(tokenizer, offsets=settings.tokens is not None)
    counts = {}
    of_notes = pieces(note_table.read(notes), counter, settings.tokens)
    counts["real"] = write(real, of_notes, counter, until=settings.total)
    lineage.write(real, lineage.read(notes))
    of_texts = pieces(public_texts.read(folders), counter, settings.tokens)
    counts["unseen"] = write(unseen, of_texts, counter, until=counts["real"]["tokens"])
    lineage.write(unseen, public_texts.content(folders))
    if folders and counts["unseen"]["tokens"] < counts["real"]["tokens"]:
        raise UserError(
            f"params.yaml: catalog.{corpus}.rewriting.unseen has {counts['unseen']['tokens']} tokens, the "
            f"notes {counts['real']['tokens']}: name more public text, or the two baselines differ in size"
        )
    write_json(metrics, counts)
    return ", ".join(f"{name}: {of['pieces']} pieces, {of['tokens']} tokens" for name, of in counts.items())


def pieces(of: Iterable[Note], tokenizer: Any, size: int | None) -> Iterator[Note]:
    """The notes in pieces of at most `size` tokens, or whole, with their origin in `provenance`.

    A span that is cut is in both pieces.
    """
    for note in of:
        spans = cut(note.text, tokenizer, size) if size else [(0, len(note.text))]
        for number, (start, end) in enumerate(spans):
            name = f"{note.note_id}#{number}" if size else note.note_id
            origin = {**note.provenance, "note": note.note_id, "start": start}
            inside = tuple(
                replace(span, start=max(span.start, start) - start, end=min(span.end, end) - start)
                for span in note.spans
                if span.start < end and span.end > start
            )
            yield replace(note, note_id=name, text=note.text[start:end], spans=inside, provenance=origin)


def cut(text: str, tokenizer: Any, size: int) -> list[tuple[int, int]]:
    """(start, end) of the pieces, in characters, without white space at their edges.

    Paragraphs are joined while they fit. One that is too long is cut between lines and sentences, a long sentence
    between words, and a word that is longer than a piece between tokens.
    """
    encoded = tokenizer.encode(text, add_special_tokens=False)
    starts = [start for start, end in encoded.offsets if start < end]

    def fits(start: int, end: int) -> bool:
        # A token may begin in the white space before its word.
        return bisect_left(starts, end) - bisect_left(starts, start) < size

    def packed(start: int, end: int, level: int) -> Iterator[tuple[int, int]]:
        """The pieces of `text[start:end]`, which is cut at borders of `level` first."""
        growing: tuple[int, int] | None = None
        for first, last in segments(start, end, level):
            if growing and fits(growing[0], last):
                growing = (growing[0], last)
                continue
            if growing:
                yield growing
            growing = (first, last)
            if not fits(first, last) and level < len(_BORDERS):
                yield from packed(first, last, level + 1)
                growing = None
        if growing:
            yield growing

    def segments(start: int, end: int, level: int) -> Iterator[tuple[int, int]]:
        """The parts of `text[start:end]` between borders of `level`, white space at their edges left out."""
        if level == len(_BORDERS):
            inner = starts[bisect_left(starts, start + 1) : bisect_left(starts, end)][size - 2 :: size - 1]
            return zip([start, *inner], [*inner, end], strict=True)
        borders = [start, *(at for found in _BORDERS[level].finditer(text, start, end) for at in found.span()), end]
        visible = (_VISIBLE.search(text, *between) for between in zip(borders[::2], borders[1::2], strict=True))
        return (found.span() for found in visible if found)

    return list(packed(0, len(text), 0))


def write(folder: Path, of: Iterable[Note], tokenizer: Any, until: int | None = None) -> dict[str, int]:
    """Write pieces until they hold `until` tokens; return the number of pieces, tokens and words."""
    counts = {"pieces": 0, "tokens": 0, "words": 0}

    def kept() -> Iterator[Note]:
        for piece, length in counted(of, tokenizer):
            if until is not None and counts["tokens"] >= until:
                return
            counts["pieces"] += 1
            counts["tokens"] += length
            counts["words"] += note_table.count_words(piece.text)
            yield piece

    note_table.write(folder, kept())
    return counts


def counted(of: Iterable[Note], tokenizer: Any) -> Iterator[tuple[Note, int]]:
    """Each text with its number of tokens."""
    for chunk in note_table.batched(of, note_table.CHUNK):
        encoded = tokenizer.encode_batch_fast([note.text for note in chunk], add_special_tokens=False)
        yield from zip(chunk, map(len, encoded), strict=True)


if __name__ == "__main__":
    divide.main()
