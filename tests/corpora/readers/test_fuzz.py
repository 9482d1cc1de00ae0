"""Damaged files are read or refused with one message that quotes nothing: 100,000 of a format by hand, some here."""

import pytest

from tests.corpora.fuzz import FORMATS, fuzz


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_corpus_is_read_or_refused_and_never_quoted(format: str) -> None:
    found = fuzz(format, 300, seed=7)
    assert found["read"] + found["refused"] == found.total() == 300, found
    assert found["refused"] > 30
