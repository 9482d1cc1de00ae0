"""Cut notes, and as much public text, into the pieces that are rewritten. DVC stage pretraining_pieces."""

import argparse
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from stages.pretraining.corpus import Rewriting
from stages.shared import lineage, models, notes, params, public
from stages.shared.console import say
from stages.shared.errors import UserError, run
from stages.shared.notes import Note
from stages.shared.outputs import building, write_json

# Where a text may be cut, the best first: between paragraphs, between lines or sentences, between words.
_BORDERS = tuple(map(re.compile, (r"\s*\n\s*\n\s*", r"(?<=[.!?;])\s+|\s*\n\s*", r"\s+")))


class Pieces(params.Section):
    """Section pretraining.pieces."""

    tokens: int | None = Field(ge=16)
    total: int | None = Field(ge=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="name of the corpus in params.yaml")
    parser.add_argument("--notes", required=True, help="note table whose notes are cut: the training part")
    parser.add_argument("--public", required=True, help="folder of public texts")
    parser.add_argument("--tokenizer", required=True, help="base model whose tokens are counted")
    parser.add_argument("--real", required=True, help="note table to write: pieces of the notes")
    parser.add_argument("--unseen", required=True, help="note table to write: pieces of public texts")
    parser.add_argument("--metrics", required=True, help="JSON file to write: pieces and tokens of both")
    args = parser.parse_args()
    settings = params.load(Pieces, "pretraining.pieces")
    named = params.load(Rewriting, f"corpora.{args.corpus}.rewriting")
    folders = public.folders(args.public, named.unseen)
    tokenizer = models.load_counter(args.tokenizer)
    counts = {}
    with building(args.real) as real, building(args.unseen) as unseen:
        cut_ = pieces(notes.read(args.notes), tokenizer, settings.tokens)
        counts["real"] = write(real, cut_, tokenizer, until=settings.total)
        lineage.write(real, lineage.read(args.notes))
        texts = pieces(public.read(folders), tokenizer, settings.tokens)
        counts["unseen"] = write(unseen, texts, tokenizer, until=counts["real"]["tokens"])
        lineage.write(unseen, public.content(folders))
        if folders and counts["unseen"]["tokens"] < counts["real"]["tokens"]:
            raise UserError(
                f"params.yaml: corpora.{args.corpus}.rewriting.unseen has {counts['unseen']['tokens']} tokens, the "
                f"notes {counts['real']['tokens']}: name more public text, or the two baselines differ in size"
            )
    write_json(args.metrics, counts)
    say(", ".join(f"{name}: {of['pieces']} pieces, {of['tokens']} tokens" for name, of in counts.items()))


def pieces(of: Iterable[Note], tokenizer: Any, size: int | None) -> Iterator[Note]:
    """Every note whole, or in pieces of at most `size` tokens; without spans, `provenance` says where from."""
    for note in of:
        where = {**note.provenance, "note": note.note_id}
        if size is None:
            yield replace(note, spans=(), provenance={**where, "start": 0})
            continue
        for number, (start, end) in enumerate(cut(note.text, tokenizer, size)):
            yield replace(
                note,
                note_id=f"{note.note_id}#{number}",
                text=note.text[start:end],
                spans=(),
                provenance={**where, "start": start},
            )


def cut(text: str, tokenizer: Any, size: int) -> list[tuple[int, int]]:
    """(start, end) of the pieces, in characters: as few and as long as borders allow, white space at a cut left out.

    Paragraphs are put together while they fit; one that is too long is cut at lines and sentences, one of those
    between words, and a word longer than a piece between tokens.
    """
    encoded = tokenizer.encode(text, add_special_tokens=False)
    starts = [start for start, end in encoded.offsets if start < end]

    def length(start: int, end: int) -> int:
        # A token may begin in the white space before its word.
        return bisect_left(starts, end) - bisect_left(starts, start) + 1

    return list(_packed(text, 0, len(text), 0, size, length, starts))


def _packed(
    text: str,
    start: int,
    end: int,
    level: int,
    size: int,
    length: Callable[[int, int], int],
    starts: list[int],
) -> Iterator[tuple[int, int]]:
    open_: tuple[int, int] | None = None
    for first, last in _segments(text, start, end, level, size, starts):
        if open_ and length(open_[0], last) <= size:
            open_ = (open_[0], last)
            continue
        if open_:
            yield open_
        open_ = (first, last)
        if length(first, last) > size and level < len(_BORDERS):
            yield from _packed(text, first, last, level + 1, size, length, starts)
            open_ = None
    if open_:
        yield open_


def _segments(
    text: str, start: int, end: int, level: int, size: int, starts: list[int]
) -> Iterator[tuple[int, int]]:
    """The parts of `text[start:end]` between borders of `level`, white space at their edges left out."""
    if level == len(_BORDERS):
        inner = starts[bisect_left(starts, start + 1) : bisect_left(starts, end)][size - 2 :: size - 1]
        yield from zip([start, *inner], [*inner, end], strict=True)
        return
    position = start
    for border in _BORDERS[level].finditer(text, start, end):
        yield from _visible(text, position, border.start())
        position = border.end()
    yield from _visible(text, position, end)


def _visible(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    inner = text[start:end]
    if inner.strip():
        left = len(inner) - len(inner.lstrip())
        yield start + left, start + len(inner.rstrip())


def write(folder: Path, of: Iterable[Note], tokenizer: Any, until: int | None = None) -> dict[str, int]:
    """Write pieces, as many as hold `until` tokens; return how many of both."""
    counts = {"pieces": 0, "tokens": 0, "words": 0}

    def counted() -> Iterator[Note]:
        for chunk in notes.batched(of, notes.CHUNK):
            texts = [piece.text for piece in chunk]
            lengths = map(len, tokenizer.encode_batch_fast(texts, add_special_tokens=False))
            for piece, length in zip(chunk, lengths, strict=True):
                if until is not None and counts["tokens"] >= until:
                    return
                counts["pieces"] += 1
                counts["tokens"] += length
                counts["words"] += notes.words(piece.text)
                yield piece

    notes.write(folder, counted())
    return counts


if __name__ == "__main__":
    run(main)
