"""How good a tagger can be at most: subwords that two words share, and spans that end inside a word, cap its F1."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from stages.ner import windows
from stages.notes import tags
from stages.notes.note_table import CHUNK, Note, batched
from stages.scoring import counting, scores


def strict_f1(notes: Iterable[Note], tokenizer: Any, names: Sequence[str]) -> float | None:
    """Strict F1 of a model that gives every first subword the tag that it is trained on, in `names`.

    If words share a subword, that is the first one's tag, for all of them. None without spans.
    """
    return scores.rounded(scores.strict_f1(counting.count(_pairs(notes, tokenizer, names)).total()))


def _pairs(notes: Iterable[Note], tokenizer: Any, names: Sequence[str]) -> Iterator[tuple[Note, Note]]:
    """Every note with its spans, and with those that are decoded from its subwords' tags."""
    number_of = {name: number for number, name in enumerate(names)}
    for chunk in batched(notes, CHUNK):
        encoded = tokenizer([note.text for note in chunk], add_special_tokens=False, return_offsets_mapping=True)
        for note, offsets in zip(chunk, encoded["offset_mapping"], strict=True):
            edges = tags.word_offsets(note.text)
            if not edges or not offsets:
                continue
            subwords = windows.first_subwords(edges, offsets)
            _, first, word = np.unique(subwords, return_index=True, return_inverse=True)
            found = np.array([number_of[tag] for tag in tags.encode(note.spans, edges)])[first[word]]
            if len(first) < len(edges):  # words that share a tag may have made an invalid sequence
                sure = np.where(np.eye(len(names))[found], 0.0, -1e3)
                found = tags.viterbi(sure[None], np.array([len(edges)]))[0]
            yield note, replace(note, spans=tags.decode(found.tolist(), edges, names))
