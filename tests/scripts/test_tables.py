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


def test_ablations_show_their_points_and_the_missing_ones(workdir):
    folder = Path("results/ablations/small/volume")
    folder.mkdir(parents=True)
    (folder / "points.csv").write_text(
        "budget,x,experiment,status,corpus,arm,strict_f1,strict_f1_low,strict_f1_high,token_f1,blind_recall,words,steps,runs\n"
        "equal steps,100.0,b,missing,,,,,,,,,,\n"
        "equal steps,5.0,a,done,c,synthetic,0.5,0.41,0.59,0.625,0.75,1234.0,200.0,1.0\n"
    )
    write_json(folder / "study.json", {"commit": "0123456789abcdef"})
    lines = tables.filled("<!-- ablations small -->\n<!-- /ablations -->").splitlines()
    assert "| 5 | equal steps | synthetic | **0.500** (0.410–0.590) | 0.625 | 0.750 | 1,234 | 200 |" in lines
    assert "| 100 | equal steps | – | missing | – | – | – | – |" in lines
    assert lines.index("### volume") == 2
    assert "![volume](../results/ablations/small/volume/curve.svg)" in lines


def test_pages_show_what_results_record():
    for page in tables.pages():
        text = page.read_text(encoding="utf-8")
        assert tables.filled(text) == text, f"{page}: run `make tables`"
