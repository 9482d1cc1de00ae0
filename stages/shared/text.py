"""What counts as the same word."""

import unicodedata


def folded(text: str) -> str:
    """Without case, accents and the amount of white space."""
    signs = unicodedata.normalize("NFD", " ".join(text.split()).casefold())
    return "".join(sign for sign in signs if not unicodedata.combining(sign))
