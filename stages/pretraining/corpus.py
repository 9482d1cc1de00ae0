"""What the second branch has to know of a corpus."""

from pydantic import Field

from stages.shared.params import Section


class Rewriting(Section):
    """Section corpora.<corpus>.rewriting."""

    unseen: list[str] = Field(min_length=1)
    elsewhere: list[str]
    servers_permitted: bool
