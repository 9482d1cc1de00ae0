"""Other invented text, standing in for the public text that base models are trained on.

Half of the documents are cases as textbooks have them: a general-domain model has read how clinicians write, yet
neither these notes' forms nor their people.

One JSON object a line: {"note_id": ..., "text": ...}.
"""

import json
from collections.abc import Iterator
from random import Random

from stages.demo import grammar, scene
from stages.demo.identities import Lists
from stages.demo.language import Language
from stages.shared import notes

FILE = "text.jsonl"


def documents(language: Language, names: Lists, words: int, seed: str) -> Iterator[dict[str, str]]:
    """Documents until they hold `words` words: cases and others by turns, of all kinds in equal shares."""
    where = scene.place(language, names, f"{seed}/place")
    kinds = [list(language.public_documents.values()), list(language.public_cases.values())]
    number = written = 0
    while written < words:
        rng = Random(f"{seed}/{number}")
        about = scene.patient(where, rng)
        templates = kinds[number % 2]
        pieces = grammar.expand(
            templates[number // 2 % len(templates)], scene.Scene(where, about, language.public_lexicon, rng)
        )
        text, _ = grammar.assemble(pieces)
        yield {"note_id": f"public-{number:06}", "text": text}
        written += notes.words(text)
        number += 1


def line(document: dict[str, str]) -> str:
    """A document as one line of the file."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True) + "\n"
