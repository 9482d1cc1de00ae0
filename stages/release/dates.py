"""Shifting dates as they are written in notes."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache

from stages.release.surrogates import match_case

_MONTHS = {
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
    "en": "January February March April May June July August September October November December",
}


def shifted(surface: str, days: timedelta, language: str) -> str | None:
    """Return the date later by `days`, written in the same format; None if no date can be read.

    Read are numbers with a separator (day first; month first in English; year first if it has four digits), months
    by name, dates without a year (as of a year that is no leap year), and years alone.
    """
    found = next(filter(None, (pattern.fullmatch(surface) for pattern in _patterns(language))), None)
    if not found:
        return None
    given = found.groupdict()
    try:
        new = _date(given, language) + days
    except (ValueError, OverflowError):
        return None
    written, end = "", 0
    for part in given:
        written += surface[end : found.start(part)] + _written(part, new, given, language)
        end = found.end(part)
    return written + surface[end:]


@cache
def _patterns(language: str) -> list[re.Pattern]:
    """Patterns of whole dates. Their named groups are the parts, in the order in which they are written."""
    day, month, year = r"(?P<day>\d{1,2})", r"(?P<month>\d{1,2})", r"(?P<year>\d{4})"
    first, second = (month, day) if language == "en" else (day, month)
    # Of a date in numbers this is the second group, and the same separator must follow.
    separator = r"(\s?[/.\-]\s?)"
    name = rf"(?P<name>{_MONTHS[language].replace(' ', '|')})"
    joint = r"[\s,]+(?:de\s+|del\s+)?"
    patterns = [
        rf"{first}{separator}{second}\2(?P<year>\d{{4}}|\d{{2}})",
        rf"{year}{separator}{month}\2{day}",
        rf"{day}(?:\.|º)?{joint}{name}{joint}{year}",
        rf"{name}{joint}{day},?\s+{year}",
        rf"{name}{joint}{year}",
        rf"{day}(?:\.|º)?{joint}{name}",
        rf"{name}{joint}{day}",
        rf"{first}{separator}{second}",
        r"(?P<year>(?:19|20)\d\d)",
        name,
    ]
    return [re.compile(pattern, re.IGNORECASE) for pattern in patterns]


def _date(given: Mapping[str, str], language: str) -> date:
    """The date that the parts mean. A missing part is in the middle of what it may be: July, or the 15th."""
    year = int(given.get("year", "2001"))
    if len(given.get("year", "")) == 2:
        year += 1900 if year > 30 else 2000
    names = _MONTHS[language].lower().split()
    month = names.index(given["name"].lower()) + 1 if "name" in given else int(given.get("month", "7"))
    return date(year, month, int(given.get("day", "15")))


def _written(part: str, new: date, given: Mapping[str, str], language: str) -> str:
    """A part of the new date, in the format of the same part of the old one."""
    old = given[part]
    if part == "name":
        return match_case(old, _MONTHS[language].split()[new.month - 1])
    if part == "year":
        return f"{new.year % 100:02}" if len(old) == 2 else f"{new.year:04}"
    # 3/12/2019 and 3 de abril are written without leading zeros, 03/12 with them.
    both = [given[other] for other in ("day", "month") if other in given]
    padded = old.startswith("0") or (len(both) == 2 and all(len(number) == 2 for number in both))
    return f"{getattr(new, part):02}" if padded else str(getattr(new, part))
