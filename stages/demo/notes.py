"""Invented, gold-tagged notes as brat, and other invented text for the demo's base models.

DVC stage demo_notes.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from random import Random

from pydantic import Field

from stages.demo import grammar, identities, noise, public_text, scene
from stages.demo.language import Language
from stages.demo.spanish.language import SPANISH
from stages.demo.swedish.language import SWEDISH
from stages.shared import lineage, outputs, params
from stages.shared.errors import UserError, run
from stages.shared.lineage import Read
from stages.shared.notes import Note

LANGUAGES = {"es": SPANISH, "sv": SWEDISH}
PARTS = ("train", "test")
# Notes a patient may have; most have one.
_NOTES_EACH = (1, 1, 1, 2, 2, 3)


class Params(params.Section):
    """params.yaml: demo.notes."""

    train: int = Field(ge=1)
    test: int = Field(ge=1)
    text_words: int = Field(ge=1)
    seed: int


def language_of(corpus: str) -> Language:
    """The language of a demo corpus; UserError if there is none of that name."""
    code = corpus.removeprefix("demo-")
    if corpus == code or code not in LANGUAGES:
        known = ", ".join(f"demo-{code}" for code in sorted(LANGUAGES))
        raise UserError(f"grid.demos: {corpus} is not a demo corpus; there are {known}")
    return LANGUAGES[code]


def write_notes(
    language: Language, names: identities.Lists, part: str, size: int, seed: str
) -> Iterator[Note]:
    """`size` notes of invented patients of one part; a patient's notes share a group.

    A note's id is a number for the patient and one for the note: it says nothing about either.
    """
    where = scene.place(language, names, f"{seed}/{part}/place")
    kinds = list(language.notes.values())
    written = number = 0
    while written < size:
        rng = Random(f"{seed}/{part}/{number}")
        about = scene.patient(where, rng)
        for visit in range(min(rng.choice(_NOTES_EACH), size - written)):
            pieces = grammar.expand(rng.choice(kinds), scene.Scene(where, about, language.lexicon, rng))
            text, spans = grammar.assemble(noise.noisy(pieces, language.abbreviations, rng))
            group = f"{1 + PARTS.index(part)}{number:05}"
            yield Note(f"{group}-{visit + 1}", group, noise.wrapped(text, rng), tuple(spans), part)
            written += 1
        number += 1


def write_brat(folder: Path, note: Note) -> None:
    """Write a note as brat stand-off: note_id.txt and note_id.ann.

    As in the shared tasks' files, a span that holds a line break keeps one pair of offsets; the .ann shows a space.
    """
    rows = [
        f"T{number}\t{span.label} {span.start} {span.end}\t{note.surface(span).replace(chr(10), ' ')}\n"
        for number, span in enumerate(note.spans, start=1)
    ]
    (folder / f"{note.note_id}.txt").write_text(note.text, encoding="utf-8", newline="\n")
    (folder / f"{note.note_id}.ann").write_text("".join(rows), encoding="utf-8", newline="\n")


def main() -> None:
    """Write both folders of one demo corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="demo-<language>: " + ", ".join(sorted(LANGUAGES)))
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the tagged notes: train/ and test/"
    )
    parser.add_argument("--text", type=Path, required=True, help="folder for the public text")
    arguments = parser.parse_args()
    language = language_of(arguments.corpus)
    section = params.load(Params, "demo.notes")
    names = identities.lists(language, section.seed)
    seed = f"{section.seed}/{arguments.corpus}"

    with outputs.building(arguments.out) as folder:
        for part in PARTS:
            (folder / part).mkdir(parents=True)
            for note in write_notes(language, names[part], part, getattr(section, part), seed):
                write_brat(folder / part, note)
    with outputs.building(arguments.text) as folder:
        folder.mkdir(parents=True)
        documents = public_text.documents(language, names["public"], section.text_words, f"{seed}/public")
        with (folder / public_text.FILE).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(map(public_text.line, documents))
        lineage.write(folder, [Read(f"{arguments.corpus}/public-text", "invented", "content")])


if __name__ == "__main__":
    run(main)
