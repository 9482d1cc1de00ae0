"""Conditions of a release: no weights that have read real notes, and licences that keep what the sources demand."""

import re
from collections.abc import Iterable, Mapping
from itertools import product
from typing import ClassVar

from stages.runtime import lineage
from stages.runtime.params import Section

# A Creative Commons licence by its SPDX name.
_CREATIVE_COMMONS = re.compile(r"CC-BY(?P<terms>(?:-(?:NC|ND|SA))*)-\d\.\d")
# Licences that ask only for their notice, which the package repeats.
PERMISSIVE = frozenset({"MIT", "Apache-2.0", "BSD-3-Clause", "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0"})


class Weights(Section):
    """Base of the settings of every stage that releases weights."""

    at: ClassVar[str]

    real_weights: bool
    """Whether to package even a model whose weights or vocabulary have read real notes. The package then says so."""

    def problems(self, reads: Iterable[lineage.Read]) -> list[str]:
        """Return why a model with these reads must not be released; empty if it may."""
        barring = sorted({entry.notes for entry in lineage.bars_release(reads)})
        if not barring or self.real_weights:
            return []
        return [
            f"its weights or vocabulary have read real notes ({', '.join(barring)}), so it must not leave the "
            "building. Release the model of a synthetic arm (grid.released, grid.packaged), or set "
            f"{self.at}.real_weights: true to accept that risk"
        ]


class Sources(Section):
    """The terms of what the outputs are made from, which carry over to them."""

    at: ClassVar[str] = "catalog.{corpus}.licences"

    corpus: str
    """Licence of the corpus: an SPDX name, or the name of a contract."""
    encoder: str
    """Licence of the base encoder, in the same form."""
    decoder: str
    """Licence of the base decoder, in the same form."""


class Outputs(Section):
    """The licences that the outputs are released under. What the sources demand must be kept."""

    model: str
    """Licence of the model (SPDX name)."""
    corpus: str
    """Licence of the invented corpus (SPDX name)."""


def problems(corpus: str, sources: Mapping[str, str], outputs: Mapping[str, str]) -> list[str]:
    """Return why the outputs cannot have their licences; empty if they can.

    A licence may be blank, or drop what a source demands. No derivatives (ND) forbids every output, share-alike (SA)
    demands the same licence, and non-commercial (NC) demands NC. The terms of a contract cannot be known here, so an
    output must have the same terms.
    """
    named = [(f"catalog.{corpus}.licences.{name}", terms) for name, terms in sources.items()]
    named += [(f"release.package.licences.{name}", terms) for name, terms in outputs.items()]
    found = [f"{name} is blank: name the licence" for name, terms in named if not terms.strip()]
    for (source, terms), (output, given) in product(sources.items(), outputs.items()):
        if terms.strip() and given.strip() and (lacking := _lacking(terms.strip(), given.strip())):
            found.append(f"{given} for the {output} drops what {terms} of the {source} demands: {lacking}")
    return found


def _lacking(source: str, output: str) -> str:
    terms = _terms(source)
    if terms is not None and "ND" in terms:
        return "no derivatives"
    if source == output or source in PERMISSIVE:
        return ""
    if terms is None or "SA" in terms:
        return "the same licence"
    return "no commercial use" if "NC" in terms and "NC" not in (_terms(output) or ()) else ""


def _terms(licence: str) -> list[str] | None:
    found = _CREATIVE_COMMONS.fullmatch(licence)
    return found["terms"].split("-") if found else None
