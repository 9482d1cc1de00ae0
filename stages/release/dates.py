"""Reading dates as they are written in notes, and writing other dates in the same way.

`dateutil` reads a date with the month and weekday names of the language, which come from the Unicode CLDR. What each
part of the text means is found by reading the date again with that part changed: what changes in the result is what
the part stands for.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Literal

from stages.notes.folding import folded

# The CLDR's locales of a language, which differ in their abbreviations; the first one is written.
_LOCALES = {"es": ("es", "es_MX", "es_PE"), "sv": ("sv",), "en": ("en", "en_GB")}
# Words around a date that are no part of it, without accents.
_FILLERS = {
    "es": frozenset("a ano anos de del el en la las mes y º".split()),
    "sv": frozenset("a den e kl klockan ar i".split()),
    "en": frozenset("at in of on the year".split()),
}
_ORDINALS = ("st", "nd", "rd", "th")
# Numbers, words, and what is between them. A date without separators is three numbers.
_TOKEN = re.compile(r"(?P<packed>(?<!\d)(?:19|20)\d\d[01]\d[0-3]\d(?!\d))|\d+|[^\W\d_]+|[\W_]+")
# The time of day after a date, which stays as it is.
_TIME = re.compile(
    r"(?:T|\s+(?:a las\s+|kl\.?\s+|at\s+)?|,\s*)\d{1,2}[:.]\d\d(?:[:.]\d\d(?:\.\d+)?)?\s*(?:h|Z|[ap]m)?$", re.I
)
# By how much a part is changed to see what it stands for. Some months have no 31st, and most years no 29 February.
_STEPS = (-1, 1, -2, 2, -4, 4)
# A missing part is in the middle of what it may be: July, or the 15th. A missing year is one that is no leap year.
_DEFAULT = datetime(2001, 7, 15)


@dataclass(frozen=True)
class Written:
    """A date as it is written: `text` in `parts`, each a string and what it stands for; None for what stays."""

    day: date
    parts: tuple[tuple[str, str | None], ...]
    language: str

    @property
    def year(self) -> int | None:
        """The year, if one is written."""
        return self.day.year if any(role == "year" for _, role in self.parts) else None

    def shifted(self, days: timedelta) -> str | None:
        """Return the date later by `days`, written in the same way; None if there is no such date."""
        try:
            new = self.day + days
        except OverflowError:
            return None
        numbers = [text for text, role in self.parts if role in ("day", "month") and text.isdigit()]
        padded = len(numbers) == 2 and all(len(number) >= 2 for number in numbers)
        return "".join(_rewritten(text, role, new, padded, self.language) for text, role in self.parts)


def read(text: str, language: str) -> Written | None:
    """Return the date that a text is; None if it is none, or holds anything else.

    Day comes before month, except in English, unless only the other order is a date. There must be a month or a year.
    """
    # Superscripts, which `isdigit` takes for digits and `int` does not, are in no date.
    if any(character.isdigit() and not character.isdecimal() for character in text):
        return None
    time = _TIME.search(text)
    body, rest = (text[: time.start()], text[time.start() :]) if time else (text, "")
    tokens = list(_tokens(body))
    meant = _meant(tokens, language)
    if meant is None or (day := _parsed(meant, language)) is None:
        return None
    roles = [None if token is None else _role(meant, place, day, language) for place, token in enumerate(meant)]
    found = [role for role in roles if role]
    wanted = {"day", "month", "year"} & set(found)
    if len(set(found)) < len(found) or not wanted & {"month", "year"} or "unknown" in found:
        return None
    numbers = [role for token, role in zip(tokens, roles, strict=True) if token.isdigit()]
    short = [token.isdigit() and len(token) < 3 and role == "year" for token, role in zip(tokens, roles, strict=True)]
    # A year of two digits stands last: in "12-14 de marzo" the 14 is none.
    if any(short) and (numbers[-1] != "year" or "month" not in found):
        return None
    return Written(day.date(), (*zip(tokens, roles, strict=True), (rest, None)), language)


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        found = match[0]
        yield from (found[:4], found[4:6], found[6:]) if match["packed"] else (found,)


def _meant(tokens: list[str], language: str) -> list[str | None] | None:
    """Return each token as `dateutil` reads it best, None for one that means nothing; None if one is unknown."""
    info = _info(language)
    meant: list[str | None] = []
    for place, token in enumerate(tokens):
        before = [other for other in meant[-2:] if other]
        if token.isdigit():
            # diciembre-03 is a month of a year.
            named = before and info.month(before[-1]) is not None and tokens[place - 1].strip() in ("-", "/")
            if named and len(token) == 2 and not any(other and other.isdigit() for other in meant):
                meant.append(str(info.convertyear(int(token))))
            elif len(token) == 3 and token.startswith("0"):
                meant.append(token[1:])  # a slip of the finger
            elif len(token) in (1, 2, 4):
                meant.append(token)
            else:
                return None
        elif token[0].isalpha():
            word = folded(token)
            if info.month(word) is not None or info.weekday(word) is not None:
                meant.append(word)
            elif word in _FILLERS[language] or (language == "en" and word in _ORDINALS):
                meant.append(None)
            else:
                return None
        else:
            meant.append(None)
    return meant


def _parsed(meant: Iterable[str | None], language: str) -> datetime | None:
    from dateutil.parser import ParserError, parser

    words = [token for token in meant if token]
    first = next((word for word in words if word.isdigit()), "")
    try:
        # A year that comes first is followed by the month in every language.
        found: Any = parser(_info(language)).parse(
            " ".join(words) if any(not word.isdigit() for word in words) else "/".join(words),
            default=_DEFAULT,
            dayfirst=language != "en" and len(first) < 4,
        )
    except (ParserError, OverflowError, ValueError, TypeError):
        return None
    # Weekdays are read, and then say nothing more.
    return found if (found.hour, found.minute, found.tzinfo) == (0, 0, None) else None


def _role(meant: list[str | None], place: int, day: datetime, language: str) -> str:
    """Return what a token stands for: what changes in the date if it is another."""
    token, info = str(meant[place]), _info(language)
    if info.weekday(token) is not None:
        return "weekday"
    if (month := info.month(token)) is not None:
        others = [info.MONTHS[(month - 1 + step) % 12][0] for step in _STEPS]
    else:
        others = [str(int(token) + step).zfill(len(token)) for step in _STEPS]
    for other in others:
        changed = _parsed([*meant[:place], other, *meant[place + 1 :]], language)
        differs = [
            name for name in ("day", "month", "year") if changed and getattr(changed, name) != getattr(day, name)
        ]
        if len(differs) == 1:
            return differs[0]
    return "unknown"


def _rewritten(text: str, role: str | None, new: date, padded: bool, language: str) -> str:
    """A part of a new date, written like the same part of the old one."""
    if role is None:
        if language == "en" and text.lower() in _ORDINALS:
            tens, ones = divmod(new.day, 10)
            return match_case(text, _ORDINALS[ones - 1] if ones in (1, 2, 3) and tens != 1 else "th")
        return text
    if role == "weekday":
        return _like(text, new.weekday(), "day", language)
    if role == "month" and not text.isdigit():
        return _like(text, new.month - 1, "month", language)
    if role == "year":
        return f"{new.year:04}" if len(text) == 4 else f"{new.year % 100:02}"
    # 3/12/2019 and 3 de abril are written without leading zeros, 03/12 with them.
    value = getattr(new, role)
    return f"{value:02}" if padded or text.startswith("0") else str(value)


def _like(text: str, number: int, of: str, language: str) -> str:
    """The name of a month or weekday, by its number, in the case of a text and as short."""
    whole = folded(text) in {folded(name) for locale in _LOCALES[language] for name in _names(of, "wide", locale)}
    return match_case(text, _names(of, "wide" if whole else "abbreviated", _LOCALES[language][0])[number])


def match_case(old: str, new: str) -> str:
    """Return `new` in the case of `old`: upper, lower or capitalised."""
    if old.isupper() and (len(old) > 1 or len(new) == 1):
        return new.upper()
    return new.lower() if old.islower() else new[:1].upper() + new[1:]


@cache
def _names(of: str, width: Literal["wide", "abbreviated"], locale: str) -> list[str]:
    """The CLDR's names of months, from January, or of weekdays, from Monday."""
    from babel.dates import get_day_names, get_month_names

    found = (get_month_names if of == "month" else get_day_names)(width, "format", locale)
    return [found[number].rstrip(".") for number in sorted(found)]


@cache
def _info(language: str) -> Any:
    """The names of a language as `dateutil` takes them."""
    from dateutil.parser import parserinfo

    def names(of: str) -> list[tuple[str, ...]]:
        each = [_names(of, width, locale) for locale in _LOCALES[language] for width in ("wide", "abbreviated")]
        return [tuple(dict.fromkeys(folded(name) for name in same)) for same in zip(*each, strict=True)]

    known = {"MONTHS": names("month"), "WEEKDAYS": names("day"), "JUMP": [" ", "/"], "convertyear": _century}
    # Times are cut off before, and no other word is part of a date.
    nothing = {"HMS": [()] * 3, "AMPM": [()] * 2, "UTCZONE": [], "PERTAIN": []}
    return type("Info", (parserinfo,), {**known, **nothing})()


def _century(_: Any, year: int, century_specified: bool = False) -> int:
    """A year of two digits as one from 1931 to 2030; unlike dateutil's, the same whenever it is read."""
    return year if year >= 100 or century_specified else year + (1900 if year > 30 else 2000)
