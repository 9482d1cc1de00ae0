"""Conditions of a release: no weights that have read real notes, and licences that keep what the sources demand."""

import re
from collections.abc import Iterable, Mapping
from itertools import product
from typing import ClassVar, Literal

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import Field

from stages.runtime import lineage
from stages.runtime.params import Section

# A Creative Commons licence by its SPDX name.
_CREATIVE_COMMONS = re.compile(r"CC-BY(?P<terms>(?:-(?:NC|ND|SA))*)-\d\.\d")
# Licences that ask for nothing, and those that ask only for their notice, which the package repeats.
_FREE = frozenset({"CC0-1.0", "0BSD", "MIT-0", "Unlicense"})
PERMISSIVE = _FREE | {"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-3.0", "CC-BY-4.0"}
# Names that say that nobody has looked.
_NOTHING = re.compile(r"(?i)LicenseRef-(?:unknown|todo|tbd|none|other|n\.?a\.?|x+|-*)")

Source = Literal["corpus", "encoder", "decoder"]


class Weights(Section):
    """Base of the settings of every stage that releases weights."""

    at: ClassVar[str]

    real_weights: bool
    """Whether to package even a model whose weights or vocabulary have read real notes. The package then says so."""

    def problems(self, reads: Iterable[lineage.Read]) -> list[str]:
        """Return why a model with these reads must not be released, in one sentence at most; empty if it may."""
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
    """Licence of the corpus: an SPDX identifier, or LicenseRef- and the name of a contract."""
    encoder: str
    """Licence of the base encoder, in the same form."""
    decoder: str
    """Licence of the base decoder, in the same form."""
    attribution: dict[Source, str] = Field(default={})
    """Who made each of them, as its licence asks that it be said: title, authors, address, copyright notice. Needed
    for every licence but those that ask for nothing, such as CC0-1.0, and contracts."""


class Outputs(Section):
    """The licences that the outputs are released under. What the sources demand must be kept."""

    model: str
    """Licence of the model, as an SPDX identifier or LicenseRef- and the name of a contract."""
    corpus: str
    """Licence of the invented corpus, in the same form."""


def problems(
    corpus: str, sources: Mapping[str, str], outputs: Mapping[str, str], attribution: Mapping[str, str]
) -> list[str]:
    """Return why the outputs cannot have their licences; empty if they can.

    A licence may be none, drop what a source demands, or lack the attribution that it asks for. No derivatives (ND)
    forbids every output, share-alike (SA) demands the same licence, and non-commercial (NC) demands NC. The terms of
    a contract cannot be known here, so an output must have the same terms.
    """
    entry = f"catalog.{corpus}.licences"
    named = [(f"{entry}.{name}", terms) for name, terms in sources.items()]
    named += [(f"release.package.licences.{name}", terms) for name, terms in outputs.items()]
    form = "give an SPDX identifier such as CC-BY-4.0, or LicenseRef- and the name of a contract"
    found = [f"{name} is no licence; {form}" for name, terms in named if not _is_licence(terms)]
    for (source, terms), (output, given) in product(sources.items(), outputs.items()):
        if _is_licence(terms) and _is_licence(given) and (lacking := _lacking(terms, given)):
            found.append(f"{given} for the {output} drops what {terms} of the {source} demands: {lacking}")
    found += [
        f"{entry}.attribution.{name} is missing: {terms} asks that the makers of the {name} be named"
        for name, terms in sources.items()
        if _is_licence(terms) and terms not in _FREE and not terms.startswith("LicenseRef-")
        if not attribution.get(name, "").strip()
    ]
    return found


def _is_licence(terms: str) -> bool:
    try:
        return canonicalize_license_expression(terms) == terms and not _NOTHING.fullmatch(terms)
    except InvalidLicenseExpression:
        return False


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
