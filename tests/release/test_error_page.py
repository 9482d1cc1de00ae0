from stages.notes.note_table import Note, Span
from stages.release import error_page, pages
from stages.release.report import FRAME
from tests.ner.test_compare import SPANS, TEXT


def test_what_is_wrong_with_a_place():
    name, wide, date = Span(0, 3, "NAME"), Span(0, 9, "NAME"), Span(0, 3, "DATE")
    assert error_page.kind([name], [name]) == "correct"
    assert error_page.kind([], []) == "correct"
    assert error_page.kind([name], []) == "missed"
    assert error_page.kind([], [name]) == "false alarm"
    assert error_page.kind([name], [date]) == "wrong label"
    assert error_page.kind([name], [wide]) == "wrong boundaries"
    assert error_page.kind([name], [name, Span(6, 9, "NAME")]) == "wrong boundaries"


def test_overlapping_spans_are_one_place_and_touching_ones_are_not():
    gold = Note("n", "g", TEXT, SPANS)
    long = Note("n", "g", TEXT, (Span(0, 9, "NAME", 0.4), SPANS[2], Span(18, 20, "DATE", 0.9), SPANS[3]))
    found = list(error_page.places(gold, [long], texts=True))
    assert [(place["gold"], place["inside"], place["arms"]) for place in found] == [
        ("NAME, NAME", "Ana y Eva", [{"kind": "wrong boundaries", "labels": "NAME", "score": 0.4}]),
        ("", "el", [{"kind": "false alarm", "labels": "DATE", "score": 0.9}]),
    ]
    beside = Note("n", "g", "AB", (Span(0, 1, "X"), Span(1, 2, "X")))
    (place,) = error_page.places(beside, [Note("n", "g", "AB", (Span(0, 1, "X", 1.0),))], texts=True)
    assert (place["inside"], place["before"]) == ("B", "A")


def test_what_a_note_says_cannot_become_markup():
    evil = "</td><script>alert(1)</script>"
    gold = Note("<b>n", "g", evil, (Span(0, len(evil), "NAME"),))
    (place,) = error_page.places(gold, [Note("<b>n", "g", evil)], texts=True)
    values = {"title": "t", "corpus": "c", "fold": 0, "seed": 1, "texts": True, "arms": ["real"],
              "kinds": error_page.KINDS, "labels": ["NAME"], "places": [place], "total": 1}  # fmt: skip
    page = pages.render("templates/errors.html.j2", frame=FRAME, **values)
    assert page.count("<script>") == 1 and "alert(1)&lt;/script&gt;" in page and "<b>" not in page
