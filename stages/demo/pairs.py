"""Invent texts with their rewritings, which the demo's rephraser is trained on (DVC stage `demo_pairs`).

Rewritings follow rules of the language and the prompt. The people in them have names of the public part.
"""

import re
from collections.abc import Iterator
from random import Random
from typing import ClassVar

from pydantic import Field

from stages.demo import identities
from stages.demo.language import Language
from stages.demo.notes import DemoNotes, invented_notes, language_of, public_documents
from stages.notes import jsonl, note_table
from stages.runtime import lineage
from stages.runtime.lineage import Read
from stages.runtime.params import Section
from stages.runtime.stage import OutFolder, stage

FILE = "pairs.jsonl"
# Fewest and most words of a text: about what a piece of 48 tokens has.
_WORDS = (4, 26)


class DemoPairs(Section):
    """How many rewritings the demo's rephraser is trained on."""

    at: ClassVar[str] = "demo.pairs"

    pairs: int = Field(ge=1)
    """Texts with a rewriting, all invented from the seed of `demo.notes`."""


@stage("demo.pairs")
def pairs(corpus: str, out: OutFolder, invention: DemoNotes, settings: DemoPairs) -> str:
    """Invent texts with their rewritings, which the demo's rephraser is trained on.

    corpus: name of the corpus: demo-en (English), demo-es (Spanish) or demo-sv (Swedish).
    out: the pairs, one JSON object per line.
    """
    language = language_of(corpus)
    names = identities.lists(language, invention.seed)["public"]
    jsonl.write(out / FILE, invented_pairs(language, names, settings.pairs, f"{invention.seed}/{corpus}"))
    lineage.write(out, [Read(f"{corpus}/pairs", "invented", "content")])
    return f"{settings.pairs} texts with a rewriting"


def invented_pairs(language: Language, names: identities.Lists, size: int, seed: str) -> Iterator[dict[str, str]]:
    """`size` pairs that take the prompts in turn. Half of the texts are from notes, half from public text."""
    rng = Random(f"{seed}/pairs")
    # Every document holds at least one text.
    clinical = (note.text for note in invented_notes(language, names, "train", size, f"{seed}/notes"))
    public = (row["text"] for row in public_documents(language, names, 10**9, f"{seed}/public"))
    sources = [passages(clinical, rng), passages(public, rng)]
    prompts = sorted(language.rewrites)
    for number in range(size):
        prompt = prompts[number // 2 % len(prompts)]
        text = next(sources[number % 2])
        yield {"answer": rewritten(text, prompt, language), "prompt": prompt, "text": text}


def passages(documents: Iterator[str], rng: Random) -> Iterator[str]:
    """Passages of whole lines, each of at least as many words as is drawn for it, or up to its document's end."""
    for document in documents:
        lines: list[str] = []
        wanted = rng.randint(*_WORDS)
        for line in document.splitlines():
            lines.append(line)
            if note_table.count_words(" ".join(lines)) >= wanted:
                yield "\n".join(lines).strip()
                lines, wanted = [], rng.randint(*_WORDS)
        if "".join(lines).strip():
            yield "\n".join(lines).strip()


def rewritten(text: str, prompt: str, language: Language) -> str:
    """`text` with its abbreviations written out and the prompt's rules applied in order."""
    for word, short in language.abbreviations.items():
        text = re.sub(rf"(?<!\w){re.escape(short)}(?!\w)", word, text)
    for pattern, words in language.rewrites[prompt]:
        text = re.sub(pattern, words, text)
    return text


if __name__ == "__main__":
    pairs.main()
