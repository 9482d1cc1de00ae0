"""A tagger without context: training surfaces, longest match first, and regexes of their shapes."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from stages.notes.note_table import Note, Span
from stages.notes.tags import word_offsets

# A surface or shape is used if at least this share of its matches in the training notes are spans of its label.
PRECISION = 0.5
LONGEST = 12


class DictionaryTagger:
    """Fit on gold notes, then `tag` texts.

    The dictionary holds every training surface with its most frequent label. Surfaces with digits or an @ also
    give a shape: digits become `\\d`, capital letters `[A-Z]`, an e-mail address the usual pattern; words stay
    ("12 de marzo de 2019" gives `\\d{1,2} de marzo de \\d{4}`). Both are kept only where they are right more often
    than not in training.
    """

    def __init__(self, notes: Sequence[Note]):
        gold: dict[str, Counter[str]] = {}
        for note in notes:
            for span in note.spans:
                gold.setdefault(_plain(note.surface(span)), Counter())[span.label] += 1
        found = Counter(surface for note in notes for _, _, surface in _candidates(note.text) if surface in gold)
        self.surfaces = _reliable(gold, found)

        # A shape that only one surface has is the dictionary's already.
        shaped: dict[str, Counter[str]] = {}
        sources: Counter[str] = Counter()
        for surface, labels in gold.items():
            if shape := _shape(surface):
                shaped.setdefault(shape, Counter()).update(labels)
                sources[shape] += 1
        shaped = {shape: labels for shape, labels in shaped.items() if sources[shape] > 1}
        patterns = {shape: re.compile(shape) for shape in shaped}
        matched = Counter(
            shape
            for note in notes
            for shape, pattern in patterns.items()
            for _ in pattern.finditer(_plain(note.text))
        )
        self.shapes = [(patterns[shape], label) for shape, label in _reliable(shaped, matched).items()]

    def tag(self, text: str) -> list[Span]:
        """Spans of `text`: at each place the longest match, the dictionary's before a shape's."""
        matches = [
            (start, start - end, 0, Span(start, end, self.surfaces[surface]))
            for start, end, surface in _candidates(text)
            if surface in self.surfaces
        ]
        for pattern, label in self.shapes:
            for match in pattern.finditer(_plain(text)):
                start, end = match.span()
                matches.append((start, start - end, 1, Span(start, end, label)))
        spans: list[Span] = []
        for start, _, _, span in sorted(matches):
            if not spans or spans[-1].end <= start:
                spans.append(span)
        return spans


def strict_f1(gold: Iterable[Note], tagger: DictionaryTagger) -> float:
    """Micro F1 over spans with equal start, end and label."""
    right = guessed = wanted = 0
    for note in gold:
        spans = set(tagger.tag(note.text))
        right += len(spans & set(note.spans))
        guessed += len(spans)
        wanted += len(note.spans)
    return 2 * right / (guessed + wanted)


def _reliable(gold: dict[str, Counter[str]], matches: Counter[str]) -> dict[str, str]:
    best = {key: labels.most_common(1)[0] for key, labels in gold.items()}
    return {key: label for key, (label, count) in best.items() if count >= PRECISION * matches[key]}


def _candidates(text: str) -> Iterable[tuple[int, int, str]]:
    """Every run of up to LONGEST words: start, end, surface."""
    edges = word_offsets(text)
    plain = _plain(text)
    for first, (start, _) in enumerate(edges):
        for _, end in edges[first : first + LONGEST]:
            yield start, end, plain[start:end]


def _plain(text: str) -> str:
    """`text` with spaces for line breaks: as long as before."""
    return text.replace("\n", " ")


def _shape(surface: str) -> str | None:
    if "@" in surface:
        return r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\w"
    if not any(sign.isdigit() for sign in surface):
        return None
    parts = []
    for run in re.findall(r"\d+|[A-ZÅÄÖÑ]+(?![a-zåäöñ])|\s|[^\W\d_]+|.", surface):
        if run.isdigit():
            parts.append(r"\d{1,2}" if len(run) < 3 else rf"\d{{{len(run)}}}")
        elif run.isupper():
            parts.append(rf"[A-Z]{{{len(run)}}}")
        else:
            parts.append(re.escape(run))
    return r"(?<![\w@])" + "".join(parts) + r"(?!\w)"
