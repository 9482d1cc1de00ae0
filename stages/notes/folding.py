"""When two words count as the same."""

import unicodedata


def folded(text: str) -> str:
    """`text` without case, accents and repeated white space."""
    characters = unicodedata.normalize("NFD", " ".join(text.split()).casefold())
    return "".join(character for character in characters if not unicodedata.combining(character))
