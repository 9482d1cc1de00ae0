from pathlib import Path

from scripts import tables
from stages.shared.outputs import write_json

RECORD = {
    "commit": "0123456789abcdef",
    "machine": {"cores": 2, "cpu": "Abacus"},
    "seconds": {"ner_train@real": 90.0, "ner_compare": 30.0},
}


def test_a_block_becomes_the_study_s_table_and_nothing_else_changes(workdir):
    folder = Path("results/small/metrics/ner/compare/own")
    folder.mkdir(parents=True)
    (folder / "table.md").write_text("| arm |\n|---|\n| real |\n")
    write_json("results/small/study.json", RECORD)
    blocks = ("<!-- study small -->\nold\n<!-- /study -->", "<!-- study other -->\n<!-- /study -->")
    text = "before\n{}\nbetween\n{}\nafter\n".format(*blocks)
    filled = tables.filled(text)
    assert filled.splitlines() == [
        "before",
        "<!-- study small -->",
        "",
        "| arm |",
        "|---|",
        "| real |",
        "",
        "`make study PROFILE=small` at commit 0123456789: 2 minutes of stages on 2 cores (Abacus), no GPU. Settings, "
        "times per stage and all metrics: [results/small](results/small).",
        "",
        "<!-- /study -->",
        "between",
        "<!-- study other -->",
        "",
        "Not recorded yet: `make study PROFILE=other`.",
        "",
        "<!-- /study -->",
        "after",
    ]
    assert tables.filled(filled) == filled


def test_the_second_branch_has_a_block_of_its_own(workdir):
    folder = Path("results/small/metrics/pretraining/compare/c")
    folder.mkdir(parents=True)
    (folder / "table.md").write_text("| row |\n")
    write_json("results/small/study.json", RECORD)
    filled = tables.filled("<!-- rewriting small -->\nold\n<!-- /rewriting -->")
    assert filled.splitlines()[:4] == ["<!-- rewriting small -->", "", "| row |", ""]
    assert "at commit 0123456789" in filled
    assert filled.endswith("<!-- /rewriting -->")
    assert "Not recorded yet" in tables.filled("<!-- study small -->\n<!-- /study -->")


def test_pages_show_what_results_record():
    for page in tables.pages():
        text = page.read_text(encoding="utf-8")
        assert tables.filled(text) == text, f"{page}: run `make tables`"
