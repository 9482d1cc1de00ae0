"""Terms that a corpus and base models put on what is made of them."""

import re
from collections.abc import Mapping

from stages.shared.params import Section

# A Creative Commons licence by its SPDX name.
_CREATIVE_COMMONS = re.compile(r"CC-BY(?P<terms>(?:-(?:NC|ND|SA))*)-\d\.\d")
# They ask for their notice only, which the package repeats.
PERMISSIVE = frozenset({"MIT", "Apache-2.0", "BSD-3-Clause", "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0"})


class Sources(Section):
    """What an output is made of: SPDX names, or names of contracts."""

    corpus: str
    encoder: str
    decoder: str


class Outputs(Section):
    """What the outputs are released under."""

    model: str
    corpus: str


def problems(sources: Mapping[str, str], outputs: Mapping[str, str]) -> list[str]:
    """Why outputs cannot carry their licences: a blank one, and one that drops what a source asks for.

    No derivatives (ND) forbids any output, share-alike (SA) wants that very licence, non-commercial (NC) wants NC.
    What a contract says no table can know: an output must bear the name of any other source's terms.
    """
    named = {**{f"corpora.*.licences.{name}": terms for name, terms in sources.items()},
             **{f"release.package.licences.{name}": terms for name, terms in outputs.items()}}  # fmt: skip
    found = [f"{name} is blank: name the licence" for name, terms in named.items() if not terms.strip()]
    for source, terms in sources.items():
        for output, given in outputs.items():
            if terms.strip() and given.strip() and (lacking := _lacking(terms.strip(), given.strip())):
                found.append(f"the {output} as {given} drops what the {source}'s {terms} asks for: {lacking}")
    return found


def _lacking(source: str, output: str) -> str:
    if source in PERMISSIVE:
        return ""
    terms = _terms(source)
    if terms is not None and "ND" in terms:
        return "no derivatives"
    if source == output:
        return ""
    if terms is None or "SA" in terms:
        return "the same licence"
    if "NC" in terms and "NC" not in (_terms(output) or ()):
        return "no commercial use"
    return ""


def _terms(licence: str) -> set[str] | None:
    found = _CREATIVE_COMMONS.fullmatch(licence)
    return set(found["terms"].split("-")) - {""} if found else None
