import pytest

from stages.runtime import markdown


def test_a_table_has_a_head_a_rule_and_a_line_per_row():
    assert markdown.table(["arm", "F1", "notes"], [["real", "0.9", 12], ["mixed", "0.8", 34]], "lr") == [
        "| arm | F1 | notes |",
        "| --- | ---: | ---: |",
        "| real | 0.9 | 12 |",
        "| mixed | 0.8 | 34 |",
    ]
    assert markdown.table(["a", "b"], []) == ["| a | b |", "| --- | --- |"]


def test_cells_cannot_break_the_table():
    assert markdown.table(["a|b"], [["c | d\ne"]])[::2] == [r"| a\|b |", r"| c \| d e |"]


def test_a_row_with_another_number_of_cells_is_refused():
    with pytest.raises(ValueError, match="1 cells in a table of 2 columns"):
        markdown.table(["a", "b"], [["c"]])
