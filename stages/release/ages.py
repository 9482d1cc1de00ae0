"""Ages and years that give away that somebody is over 89, which HIPAA's Safe Harbor groups together."""

import re
from datetime import date

from stages.notes.folding import folded

OLDEST = 89
# How many of a unit make a year, by the words that name it.
_PER_YEAR = {
    1.0: "a anos ano ar year years yr yrs y yo".split(),
    12.0: "mes meses manad manader man month months mo".split(),
    52.18: "semana semanas sem vecka veckor week weeks wk wks".split(),
    365.25: "d dia dias dag dagar dygn day days".split(),
    8766.0: "h hora horas timme timmar hour hours hr hrs".split(),
}
_UNITS = {word: per_year for per_year, words in _PER_YEAR.items() for word in words}
# Words around an age that identify nobody.
_FILLERS = frozenset("y de edad con tiene och gammal gammalt alder aged age of old and o".split())
# A number, or a word. Superscripts are no numbers.
_TOKEN = re.compile(r"(\d+(?:[.,]\d+)*)|[^\W\d_]+")
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,]\d{3})+")


def generalised(surface: str) -> str | None:
    """Return an age with numbers of years above 89 as `90+`; None if anything in it is not understood.

    Ages in other units stay, unless they are longer than that: then there is no way to write them.
    """
    tokens = list(_TOKEN.finditer(surface))
    units: list[float] = []
    unit = 1.0
    for token in reversed(tokens):
        if not token[1]:
            word = folded(token[0])
            unit = _UNITS.get(word, unit)
            if word not in _UNITS and word not in _FILLERS:
                return None
        units.append(unit)
    if not any(token[1] for token in tokens):
        return None
    made, end = "", 0
    for token, per_year in zip(tokens, reversed(units), strict=True):
        if not token[1] or _value(token[1]) / per_year <= OLDEST + 0.999:
            continue
        if per_year != 1:
            return None
        made, end = f"{made}{surface[end : token.start()]}{OLDEST + 1}+", token.end()
    return made + surface[end:]


def gives_away(year: int) -> bool:
    """Return whether somebody born in this year would be over 89 today."""
    return date.today().year - year > OLDEST


def _value(number: str) -> float:
    if _THOUSANDS.fullmatch(number):
        return float(re.sub(r"[.,]", "", number))
    return float(number.replace(",", ".")) if number.count(",") + number.count(".") < 2 else float("inf")
