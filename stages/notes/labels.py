"""The labels of a corpus and the kind of PII that each stands for: what de-identification policies speak of."""

from typing import ClassVar, Literal, get_args

from stages.runtime.params import Root

Kind = Literal[
    "person", "date", "age", "zip", "phone", "email", "url", "id", "street", "place", "country", "organisation",
    "profession", "sex", "other",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)


class Labels(Root[dict[str, Kind]]):
    """The labels that a corpus's notes may carry, each with its kind of PII; empty for a corpus without tags."""

    at: ClassVar[str] = "catalog.{corpus}.labels"
