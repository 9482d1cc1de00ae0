"""Replacing the PII that a tagger found in a note, as a policy says (docs/method.md, section 6).

For each kind of PII a policy has one of five actions: keep it; mask it by its label, `[PATIENT]`; generalise it (a
date to its year, an age above 89 to 90+, a postal code to three digits); shift a date by a number of days that is the
same in all notes of a patient; or replace it by an invented surrogate of the same format, the same one for the same
person within a note. What cannot be read, such as a date without digits, is masked: nothing is kept because it was
not understood.
"""

import hmac
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Literal

from stages.notes.labels import Kind
from stages.notes.note_table import Note, Span
from stages.release import ages, dates
from stages.release.surrogates import Surrogates
from stages.runtime.errors import UserError

Action = Literal["keep", "mask", "generalise", "shift", "surrogate"]
Policy = Mapping[Kind, Action]

# The kinds that an action is defined for; keep and mask are defined for all.
ACTIONS: dict[str, frozenset[str]] = {
    "generalise": frozenset({"date", "age", "zip"}),
    "shift": frozenset({"date"}),
    "surrogate": frozenset("person zip phone email url id street place country organisation profession".split()),
}
# Fewest and most days of a shift: a month hides when a stay was; below a year, ages change by one at most.
_SHIFTS = (30, 364)


class Deidentifier:
    """Replaces the spans of notes. Called with a note, returns the note with the replacements.

    `kinds` is the kind of each label. `key` determines shifts and surrogates: whoever knows it can undo a shift. By
    default a random key is drawn and never stored, so two instances replace the same note differently. But who gets
    the same notes several times, shifted anew each time, finds the true dates in the middle of the shifts: give all
    releases of a site one key (`site_key`).
    """

    def __init__(self, kinds: Mapping[str, Kind], policy: Policy, language: str, key: bytes | None = None):
        self._kinds = kinds
        self._policy = policy
        self._language = language
        self._key = secrets.token_bytes(32) if key is None else key

    def __call__(self, note: Note) -> Note:
        """Return the note with every span replaced; the new spans cover the replacements, under the same labels."""
        surrogates = Surrogates(self._language, self._random("surrogates", note.note_id), note, self._kinds)
        random = self._random("shift", note.group_id)
        shift = timedelta(random.randint(*_SHIFTS) * random.choice((-1, 1)))
        text, spans, end = "", [], 0
        for span in note.spans:
            text += note.text[end : span.start]
            start, end = len(text), span.end
            text += self._replacement(note.surface(span), span.label, shift, surrogates)
            spans.append(Span(start, len(text), span.label, span.score))
        return replace(note, text=text + note.text[end:], spans=tuple(spans))

    def _replacement(self, surface: str, label: str, shift: timedelta, surrogates: Surrogates) -> str:
        kind = self._kinds[label]
        made: str | None = None
        match self._policy[kind]:
            case "keep":
                made = surface
            case "generalise":
                made = self._generalised(kind, surface)
            case "shift":
                written = self._date(surface)
                made = written.shifted(shift) if written else None
            case "surrogate":
                made = surrogates.surrogate(kind, surface)
        return f"[{label}]" if made is None else made

    def _generalised(self, kind: Kind, surface: str) -> str | None:
        """A date's year, an age above 89 as 90+, or the first three digits of a postal code and stars for the others.

        None if there is no such thing in `surface`, or a year gives away that somebody is over 89.
        """
        if kind == "date":
            written = self._date(surface)
            return f"{written.year}" if written and written.year else None
        if kind == "age":
            return ages.generalised(surface)
        digit = count(1)
        made = re.sub(r"\d", lambda found: found[0] if next(digit) <= 3 else "*", surface)
        return made if made != surface else None

    def _date(self, surface: str) -> dates.Written | None:
        """A date, unless it tells an age above 89 and those are grouped together: HIPAA names such years too."""
        written = dates.read(surface, self._language)
        grouped = self._policy.get("age") in ("generalise", "mask")
        told = grouped and written and written.year and ages.gives_away(written.year)
        return None if told else written

    def _random(self, purpose: str, name: str) -> Random:
        return Random(hmac.digest(self._key, f"{purpose}\0{name}".encode(), "sha256"))


def check(kinds: Mapping[str, Kind], policy: Policy, labels: Iterable[str], section: str) -> None:
    """Raise UserError if a label has no kind, a kind no action, or an action is not defined for its kind.

    `section` is where params.yaml has the policy. All problems are named at once.
    """
    problems = []
    for label in sorted(labels):
        if label not in kinds:
            problems.append(f"label {label} has no kind; give it one in catalog.<corpus>.labels")
        elif kinds[label] not in policy:
            problems.append(f"{section} has no action for {kinds[label]}, the kind of {label}; use keep or mask")
    for kind, action in policy.items():
        if action in ACTIONS and kind not in ACTIONS[action]:
            defined = ", ".join(sorted(ACTIONS[action]))
            problems.append(f"{section}.{kind}: {action} is defined for {defined} only; use keep or mask")
    if problems:
        raise UserError("\n".join(f"params.yaml: {problem}" for problem in problems))


def site_key(path: Path) -> bytes:
    """Return the secret key in a file, which only its owner can read; drawn and written if there is none."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            raise UserError(f"{path}: others can read this key; chmod 600 it") from None
    key = path.read_bytes()
    if len(key) < 32:
        raise UserError(f"{path}: no key of 32 bytes; delete it to have one drawn")
    return key
