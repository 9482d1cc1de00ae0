"""What a tokenizer loses: some drop line breaks and runs of blanks, or replace characters.

A model cannot write what its tokenizer cannot decode, and bits per byte flatter a model that need not predict it.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from stages.notes.note_table import CHUNK, batched
from stages.runtime.console import say
from stages.runtime.errors import UserError


class Kept(NamedTuple):
    """Texts, characters and line breaks, and how many of them decoding gives back."""

    texts: int
    exact: int
    """Texts that come back character by character."""
    characters: int
    characters_kept: int
    line_breaks: int
    line_breaks_kept: int

    @property
    def share(self) -> float:
        """Share of the characters, or of the line breaks if that is smaller, that come back; 1 without any."""
        pairs = (self.characters_kept, self.characters), (self.line_breaks_kept, self.line_breaks)
        return min(kept / number if number else 1.0 for kept, number in pairs)


def measure(tokenizer: Any, texts: Iterable[str]) -> Kept:
    """Encode and decode texts. A character counts as kept wherever in its text it comes back."""
    counts = [0] * len(Kept._fields)
    for chunk in batched(texts, CHUNK):
        encoded = tokenizer(chunk, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
        for text, ids in zip(chunk, encoded, strict=True):
            back = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
            common = Counter(text) & Counter(back)
            found = 1, text == back, len(text), common.total(), text.count("\n"), common["\n"]
            counts = [sum(pair) for pair in zip(counts, found, strict=True)]
    return Kept(*counts)


def check(tokenizer: Any, texts: Iterable[str], least: float = 0.0, key: str = "") -> Kept:
    """Measure, and warn of a loss; UserError if less is kept than the setting `key` wants, `least`."""
    kept = measure(tokenizer, texts)
    if kept.exact < kept.texts:
        loss = (
            f"the tokenizer gives back {kept.exact} of {kept.texts} texts exactly, {kept.characters_kept} of "
            f"{kept.characters} characters and {kept.line_breaks_kept} of {kept.line_breaks} line breaks"
        )
        if kept.share < least:
            raise UserError(
                f"{loss}: the model cannot write the others. Choose another base model, or lower {key} in "
                f"params.yaml, which is {least:g}"
            )
        say(f"warning: {loss}")
    return kept
