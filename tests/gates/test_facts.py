from stages.gates import facts
from stages.notes.note_table import Note, Span


def note(text: str, *spans: Span) -> Note:
    return Note(text, "g", text, spans)


def placed(*notes: Note, least: int = 1) -> list[tuple[str, str, bool]]:
    return facts.places(lambda: iter(notes), least).rows()


def test_places_are_whole_runs_of_words_outside_any_span() -> None:
    tagged = note("Ann Lee", Span(0, 7, "NAME"))
    assert placed(tagged, note("Ann Lee and Annie Lee, Ann  Lee")) == [
        ("Ann Lee", "NAME", True),
        ("Ann Lee and Annie Lee, Ann  Lee", "NAME", False),
        ("Ann Lee and Annie Lee, Ann  Lee", "NAME", False),
    ]
    # Case matters, another label counts as tagged, and a note may end within a surface.
    assert placed(tagged, note("ann lee"), note("Dr Ann Lee", Span(0, 10, "DOCTOR")), note("Ann")) == [
        ("Ann Lee", "NAME", True),
        ("Dr Ann Lee", "DOCTOR", True),
    ]
    assert placed(tagged, note("Lee"), note("Lee", Span(0, 3, "X")), least=4) == [("Ann Lee", "NAME", True)]


def test_a_surface_that_ends_where_another_note_ends_is_no_place() -> None:
    assert placed(note("Ann Lee", Span(0, 7, "A")), note("Ann", Span(0, 3, "B")), note("so Ann")) == [
        ("Ann Lee", "A", True),
        ("Ann", "B", True),
        ("so Ann", "B", False),
    ]


def test_flags_that_would_repeat_a_failure_are_null() -> None:
    _, spans = facts.tables(
        [note("ab 1 cd", Span(-1, 2, "X"), Span(0, 3, "X"), Span(3, 4, "X"), Span(5, 6, "X"), Span(4, 9, "X"))],
        {"X": r"\d"},
    )
    assert spans.select("inside", "apart", "tight", "whole_words", "well_formed").rows() == [
        (False, None, None, None, None),
        (True, True, False, None, None),
        (True, True, True, True, True),
        (False, None, None, None, None),
        (True, True, True, False, False),
    ]


def test_no_column_holds_text() -> None:
    rows, spans = facts.tables([note("Zzyxmarker", Span(0, 10, "NAME"))], {})
    assert set(rows.columns) == set(facts.NOTE) and set(spans.columns) == set(facts.SPAN)
    named = Note("id", "g", "Zzyxmarker", (Span(0, 10, "NAME"),))
    frames = [*facts.tables([named], {}), facts.places(lambda: iter([named]), 1)]
    assert all("Zzyxmarker" not in str(frame.rows()) for frame in frames)
