"""Invent gold-tagged notes, and public text for the demo's base models (DVC stage `demo_notes`)."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Annotated, ClassVar

from pydantic import Field

from stages.demo import grammar, identities, noise, scene
from stages.demo.english.language import ENGLISH
from stages.demo.language import Language
from stages.demo.spanish.language import SPANISH
from stages.demo.swedish.language import SWEDISH
from stages.notes import brat, jsonl, note_table, public
from stages.notes.note_table import Note
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.params import Section
from stages.runtime.stage import OutFolder, Output, stage

LANGUAGES = {"en": ENGLISH, "es": SPANISH, "sv": SWEDISH}
PARTS = ("train", "test")
# Notes that a patient may have; most have one.
_NOTES_EACH = (1, 1, 1, 2, 2, 3)


class DemoNotes(Section):
    """How much text is invented for each demo corpus."""

    at: ClassVar[str] = "demo.notes"

    train: int = Field(ge=1)
    """Training notes of each corpus."""
    test: int = Field(ge=1)
    """Test notes of each corpus, with names, streets and hospitals that no training note has."""
    text_words: int = Field(ge=1)
    """Words of invented public text, which the demo's base models are trained on."""
    seed: int = 20250221
    """Seed of everything that is invented."""


@stage("demo.notes")
def notes(
    corpus: str, out: Annotated[Path, Output(folder=True, lineage=False)], text: OutFolder, settings: DemoNotes
) -> str:
    """Invent gold-tagged notes, and public text for the demo's base models.

    corpus: name of the corpus: demo-en (English), demo-es (Spanish) or demo-sv (Swedish).
    out: the notes in brat format, in folders train and test: a raw corpus.
    text: the public text.
    """
    language = language_of(corpus)
    names = identities.lists(language, settings.seed)
    seed = f"{settings.seed}/{corpus}"
    for part in PARTS:
        brat.write(out / part, invented_notes(language, names[part], part, getattr(settings, part), seed))
    documents = public_documents(language, names["public"], settings.text_words, f"{seed}/public")
    jsonl.write(text / public.FILE, documents)
    lineage.write(text, [Read(f"{corpus}/public-text", "invented", "content")])
    return (
        f"{settings.train} training notes, {settings.test} test notes and {settings.text_words} words of public text"
    )


def language_of(corpus: str) -> Language:
    """The language of a demo corpus. Raises UserError if there is no demo corpus of that name."""
    known = {f"demo-{code}": language for code, language in LANGUAGES.items()}
    if corpus not in known:
        raise UserError(f"grid.demos: {corpus} is not a demo corpus; the demo corpora are {', '.join(sorted(known))}")
    return known[corpus]


def invented_notes(language: Language, names: identities.Lists, part: str, size: int, seed: str) -> Iterator[Note]:
    """`size` notes about invented patients of one part; the notes of a patient share a group.

    A note id is a number for the patient and one for the note, and says nothing about either.
    """
    where = scene.place(language, names, f"{seed}/{part}/place")
    templates = list(language.notes.values())
    written = number = 0
    while written < size:
        rng = Random(f"{seed}/{part}/{number}")
        about = scene.patient(where, rng)
        for visit in range(min(rng.choice(_NOTES_EACH), size - written)):
            pieces = grammar.expand(rng.choice(templates), scene.Scene(where, about, language.lexicon, rng))
            text, spans = grammar.assemble(noise.noisy(pieces, language.abbreviations, rng))
            group = f"{1 + PARTS.index(part)}{number:05}"
            yield Note(f"{group}-{visit + 1}", group, noise.wrapped(text, rng), tuple(spans), part)
            written += 1
        number += 1


def public_documents(language: Language, names: identities.Lists, words: int, seed: str) -> Iterator[dict[str, str]]:
    """Lines of a public text of `words` words or a few more, which stands in for what base models are pretrained on.

    Every second one is a case as in a textbook: like a general-domain model, the demo's base models have seen how
    clinicians write, but neither the layout of these notes nor the people in them. All kinds are equally frequent.
    """
    where = scene.place(language, names, f"{seed}/place")
    templates = [list(language.public_documents.values()), list(language.public_cases.values())]
    number = written = 0
    while written < words:
        rng = Random(f"{seed}/{number}")
        about = scene.patient(where, rng)
        kinds = templates[number % 2]
        filled = scene.Scene(where, about, language.public_lexicon, rng)
        text, _ = grammar.assemble(grammar.expand(kinds[number // 2 % len(kinds)], filled))
        yield {"note_id": f"public-{number:06}", "text": text}
        written += note_table.count_words(text)
        number += 1


if __name__ == "__main__":
    notes.main()
