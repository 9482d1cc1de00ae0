"""What the second branch has to know of a corpus."""

from stages.shared.params import Section

# Beside the answers that were accepted: how many were, and how faithful all are.
SUMMARY = "summary.json"


class Rewriting(Section):
    """Section corpora.<corpus>.rewriting."""

    clinical_notes: bool
    unseen: list[str]
    elsewhere: list[str]
    servers_permitted: bool
