"""Prompts that end inside a token.

Many tokenizers join what ends a text with what would follow it: "Ana.\\n" ends with a token for ".\\n". Cut off after
"Ana.", the text would end with a token for ".", after which a model has hardly ever seen a line break. So a prompt is
given as the tokens that lie wholly inside it, and the characters after them are forced while the text is sampled:
only tokens that agree with them may be drawn.
"""

import re
from functools import cached_property
from typing import Any, NamedTuple


class Start(NamedTuple):
    """The beginning of a text to continue: whole tokens, and the characters after them that are forced."""

    text: str
    tokens: list[int]
    rest: str


def start(size: int, text: str, tokenizer: Any) -> Start:
    """Return the first `size` characters of a text as a `Start`, by the tokens of the whole text.

    A slow tokenizer does not tell where its tokens are: the last one of the prompt is forced by its characters. What
    the tokenizer does not give back as it was cannot be forced: then the prompt's own tokens are taken.
    """
    prompt = text[:size]
    own = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    if tokenizer.is_fast:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ends = [end for _, end in encoded["offset_mapping"]]
        whole = next((place for place, end in enumerate(ends) if end > size), len(ends))
        tokens = encoded["input_ids"][:whole]
    else:
        tokens = own[:-1]
    inside = tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
    if not tokens or not prompt.startswith(inside):
        return Start(prompt, own, "")
    return Start(prompt, tokens, prompt[len(inside) :])


class Vocabulary:
    """The tokens of a vocabulary that agree with given characters."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._agreeing: dict[bytes, list[int]] = {}

    @cached_property
    def pieces(self) -> list[bytes]:
        """The bytes of every token; none of special ones."""
        from transformers.convert_slow_tokenizer import bytes_to_unicode

        names = self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer)))
        special = set(self.tokenizer.all_special_ids)
        # In the name of a byte-level token, a visible character stands for each byte.
        byte_of = {character: byte for byte, character in bytes_to_unicode().items()}
        byte_level = self.tokenizer.is_fast and "ByteLevel" in repr(self.tokenizer.backend_tokenizer.decoder)

        def piece(name: str) -> bytes:
            if byte_level and all(character in byte_of for character in name):
                return bytes(byte_of[character] for character in name)
            if re.fullmatch("<0x[0-9A-F]{2}>", name):
                return bytes([int(name[3:5], 16)])
            return name.replace("\u2581", " ").encode()  # a blank in SentencePiece's vocabularies

        return [b"" if number in special or not name else piece(name) for number, name in enumerate(names)]

    def agreeing(self, rest: bytes) -> list[int]:
        """The tokens that are a beginning of `rest`, or that begin with all of it."""
        if rest not in self._agreeing:
            self._agreeing[rest] = [
                number
                for number, piece in enumerate(self.pieces)
                if piece and (rest.startswith(piece) or piece.startswith(rest))
            ]
        return self._agreeing[rest]

    def after(self, rest: bytes, token: int) -> bytes:
        """What is left of `rest` after a token."""
        return rest[len(self.pieces[token]) :]
