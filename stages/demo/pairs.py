"""Invented texts and how a prompt would have them rewritten: what the demo's rephraser learns from.

DVC stage demo_pairs. Rewritings follow rules of the language, prompt by prompt; their people have names of the
public part.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from pydantic import Field

from stages.demo import identities, public_text
from stages.demo.language import Language
from stages.demo.notes import Params as Notes
from stages.demo.notes import language_of, write_notes
from stages.shared import lineage, notes, outputs, params
from stages.shared.errors import run
from stages.shared.lineage import Read

FILE = "pairs.jsonl"
# Words of a text, fewest and most: what a piece of 48 tokens has.
_WORDS = (4, 26)


class Params(params.Section):
    """Section demo.pairs."""

    pairs: int = Field(ge=1)


def pairs(language: Language, names: identities.Lists, size: int, seed: str) -> Iterator[dict[str, str]]:
    """`size` pairs, the prompts by turns: half of texts of notes, half of public ones."""
    rng = Random(f"{seed}/pairs")
    # Every document holds at least one text.
    clinical = (note.text for note in write_notes(language, names, "train", size, f"{seed}/notes"))
    public = (row["text"] for row in public_text.documents(language, names, 10**9, f"{seed}/public"))
    sources = [passages(clinical, rng), passages(public, rng)]
    prompts = sorted(language.rewrites)
    for number in range(size):
        prompt = prompts[number // 2 % len(prompts)]
        text = next(sources[number % 2])
        yield {"prompt": prompt, "text": text, "answer": rewritten(text, prompt, language)}


def passages(documents: Iterator[str], rng: Random) -> Iterator[str]:
    """The documents in runs of whole lines, of as many words as is drawn for each."""
    for document in documents:
        lines: list[str] = []
        wanted = rng.randint(*_WORDS)
        for line in document.splitlines():
            lines.append(line)
            if notes.words(" ".join(lines)) >= wanted:
                yield "\n".join(lines).strip()
                lines, wanted = [], rng.randint(*_WORDS)
        if "".join(lines).strip():
            yield "\n".join(lines).strip()


def rewritten(text: str, prompt: str, language: Language) -> str:
    """`text` with shorthand written out and the prompt's rules applied, one after the other."""
    for word, short in language.abbreviations.items():
        text = re.sub(rf"(?<!\w){re.escape(short)}(?!\w)", word, text)
    for pattern, words in language.rewrites[prompt]:
        text = re.sub(pattern, words, text)
    return text


def main() -> None:
    """Write the pairs of one demo corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="demo-<language>")
    parser.add_argument("--out", type=Path, required=True, help="folder to write: pairs.jsonl")
    arguments = parser.parse_args()
    language = language_of(arguments.corpus)
    seed = params.load(Notes, "demo.notes").seed
    size = params.load(Params, "demo.pairs").pairs
    names = identities.lists(language, seed)["public"]
    with outputs.building(arguments.out) as folder:
        folder.mkdir(parents=True)
        with (folder / FILE).open("w", encoding="utf-8", newline="\n") as file:
            for pair in pairs(language, names, size, f"{seed}/{arguments.corpus}"):
                file.write(json.dumps(pair, ensure_ascii=False, sort_keys=True) + "\n")
        lineage.write(folder, [Read(f"{arguments.corpus}/pairs", "invented", "content")])


if __name__ == "__main__":
    run(main)
