"""Invented notes that repeat real ones: exact copies, near copies, and long passages."""

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from pydantic import PositiveInt

from stages.notes import ngrams
from stages.notes.note_table import Note
from stages.runtime.params import Section, Share

Copy = Literal["exact", "near", "passage"]


class Copies(Section):
    """When an invented note counts as a copy of real notes. Such notes are left out one by one, without tolerance."""

    at: ClassVar[str] = "synthesis.copies"

    ngram: PositiveInt = 8
    """Length in words of the n-grams that are looked up in the real notes."""
    share: Share
    """Largest share of a note's n-grams that may occur in the real notes. The demo's bounds lie above the largest
    values found between two halves (by group) of real training notes (MEDDOCAN and demo): 0.19, and a passage of 33
    words."""
    passage: PositiveInt
    """Longest run of words that may occur in the real notes. Neighbouring n-grams may come from two of them, so that
    is an upper bound of the passage copied from one note."""


class RealNotes:
    """What invented notes must not repeat. Memory: 8 bytes per word of the real notes."""

    def __init__(self, notes: Iterable[Note], settings: Copies) -> None:
        self._settings = settings
        self._whole: set[int] = set()
        grams = []
        for note in notes:
            hashes = ngrams.word_hashes(note.text)
            self._whole.add(ngrams.whole(hashes))
            grams.append(np.unique(ngrams.ngrams(hashes, settings.ngram)))
        self._grams = ngrams.distinct(grams)

    def measure(self, words: np.ndarray) -> tuple[float, int]:
        """Return the share of the n-grams of a text, given by its `ngrams.word_hashes`, that real notes have, and the
        length in words of the longest run of them."""
        hits = ngrams.found(ngrams.ngrams(words, self._settings.ngram), self._grams)
        run = ngrams.longest_run(hits)
        return float(hits.mean()) if len(hits) else 0.0, run + self._settings.ngram - 1 if run else 0

    def copied(self, text: str) -> Copy | None:
        """Return in which way a text copies real notes, regardless of case and white space; None if it does not."""
        words = ngrams.word_hashes(text)
        if len(words) and ngrams.whole(words) in self._whole:
            return "exact"
        share, passage = self.measure(words)
        if share > self._settings.share:
            return "near"
        return "passage" if passage > self._settings.passage else None
