import pytest

from stages.notes.note_table import Note, Span
from stages.notes.units import pieces, units


def note(text, *spans):
    return Note("n", "g", text, tuple(Span(*span) for span in spans))


def test_pieces_have_so_many_words_and_keep_their_text():
    text = "  uno dos\ttres\n\ncuatro cinco  seis siete "
    assert [piece.text for piece in pieces(note(text), 3)] == ["uno dos\ttres", "cuatro cinco  seis", "siete"]
    assert [piece.note_id for piece in pieces(note(text), 3)] == ["n#0", "n#1", "n#2"]
    assert all(text[p.provenance["start"] :].startswith(p.text) for p in pieces(note(text), 3))
    assert pieces(note(" \n"), 3) == []


def test_spans_move_with_their_piece():
    text = "Ana Ruiz vino el 3 mayo con Eva"
    spans = [(0, 8, "N"), (17, 23, "D"), (28, 31, "N")]
    result = pieces(note(text, *spans), 4)
    found = [(span.label, piece.surface(span)) for piece in result for span in piece.spans]
    assert found == [("N", "Ana Ruiz"), ("D", "3 mayo"), ("N", "Eva")]


def test_a_cut_inside_a_span_is_made_before_it():
    text = "uno dos Ana Ruiz tres cuatro"
    assert [piece.text for piece in pieces(note(text, (8, 16, "N")), 3)] == ["uno dos", "Ana Ruiz tres", "cuatro"]


def test_a_span_longer_than_a_piece_stays_whole():
    text = "Ana Maria Ruiz Gil tres cuatro"
    result = pieces(note(text, (0, 18, "N")), 2)
    assert [piece.text for piece in result] == ["Ana Maria Ruiz Gil", "tres cuatro"]
    assert result[0].spans == (Span(0, 18, "N"),)


def test_spans_that_share_a_word_are_kept_together():
    text = "uno dos a/b c d"
    result = pieces(note(text, (4, 9, "X"), (10, 13, "Y")), 3)
    assert sum(len(piece.spans) for piece in result) == 2
    assert "".join(piece.text for piece in result).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("size", range(1, 9))
def test_no_word_and_no_span_is_lost(size):
    words = [f"w{i}" for i in range(23)]
    text = " ".join(words)
    starts = [text.index(word) for word in words]
    spans = [(starts[i], starts[i + length] - 1, "X") for i, length in ((0, 2), (2, 5), (9, 1), (11, 3), (19, 2))]
    result = pieces(note(text, *spans), size)
    assert " ".join(piece.text for piece in result) == text
    assert [piece.surface(span) for piece in result for span in piece.spans] == [text[a:b] for a, b, _ in spans]


def test_unit_note_leaves_notes_alone():
    whole = note("uno dos tres")
    assert list(units([whole], "note", 1)) == [whole]
    assert len(list(units([whole], "piece", 1))) == 3
