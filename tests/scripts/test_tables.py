from pathlib import Path

from scripts import tables
from stages.runtime.outputs import write_json

RECORD = {
    "commit": "0123456789abcdef",
    "machine": {"cores": 2, "cpu": "Abacus"},
    "seconds": {"ner_train@real": 90.0, "ner_compare": 30.0},
}


def filled(text, page="README.md"):
    Path(page).parent.mkdir(exist_ok=True)
    Path(page).write_text(text)
    return tables.filled(Path(page))


def test_a_block_becomes_the_study_s_table_and_nothing_else_changes(workdir):
    folder = Path("results/small/metrics/ner/compare/own")
    folder.mkdir(parents=True)
    (folder / "table.md").write_text("| arm |\n|---|\n| real |\n")
    write_json("results/small/study.json", RECORD)
    blocks = ("<!-- study small -->\nold\n<!-- /study -->", "<!-- study other -->\n<!-- /study -->")
    text = "before\n{}\nbetween\n{}\nafter\n".format(*blocks)
    content = filled(text)
    assert content.splitlines() == [
        "before",
        "<!-- study small -->",
        "",
        "| arm |",
        "|---|",
        "| real |",
        "",
        "`make study PROFILE=small` at commit 0123456789: 2 minutes of stages on 2 cores (Abacus), no GPU. Settings, "
        "times and scores: [results/small](results/small).",
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
    assert filled(content) == content
    assert "times and scores: [results/small](../results/small)." in filled(text, "docs/page.md")


def test_the_second_branch_has_a_block_of_its_own(workdir):
    folder = Path("results/small/metrics/pretraining/compare/c")
    folder.mkdir(parents=True)
    (folder / "table.md").write_text("| row |\n")
    write_json("results/small/study.json", RECORD)
    content = filled("<!-- rewriting small -->\nold\n<!-- /rewriting -->")
    assert content.splitlines()[:4] == ["<!-- rewriting small -->", "", "| row |", ""]
    assert "at commit 0123456789" in content
    assert content.endswith("<!-- /rewriting -->")
    assert "Not recorded yet" in filled("<!-- study small -->\n<!-- /study -->")


def test_a_summary_has_the_main_columns_by_arm(workdir):
    folder = Path("results/small/metrics/ner/compare/own")
    folder.mkdir(parents=True)
    (folder / "arms.csv").write_text(
        "corpus,arm,strict_f1,strict_f1_low,strict_f1_high,blind_recall,leaks_per_note,difference,difference_low,"
        "difference_high,replicates\n"
        "own,real,0.9,0.8,0.95,0.96,1.324,0,0,0,1\nown,mixed,0.91,0.85,0.97,0.5,2,0.01,-0.0054,0.02,1\n"
    )
    blocks = "<!-- summary small -->\nold\n<!-- /summary -->\n<!-- summary other -->\n<!-- /summary -->"
    assert filled(blocks).splitlines() == [
        "<!-- summary small -->",
        "",
        "| trained on | strict F1 (95 %) | PII words hidden | leaks per note | F1 minus real (95 %) |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| real | **0.900** (0.800–0.950) | 0.960 | 1.324 | — |",
        "| mixed | **0.910** (0.850–0.970) | 0.500 | 2.000 | +0.010 (-0.005 to +0.020) |",
        "",
        "1 model: says nothing about training noise.",
        "",
        "<!-- /summary -->",
        "<!-- summary other -->",
        "",
        "Not recorded yet: `make study PROFILE=other`.",
        "",
        "<!-- /summary -->",
    ]


def test_ablations_show_their_points_and_the_missing_ones(workdir):
    folder = Path("results/ablations/small/volume")
    folder.mkdir(parents=True)
    (folder / "points.csv").write_text(
        "budget,x,experiment,status,corpus,arm,strict_f1,strict_f1_low,strict_f1_high,token_f1,blind_recall,words,steps,runs\n"
        "equal steps,100.0,b,missing,,,,,,,,,,\n"
        "equal steps,5.0,a,done,c,synthetic,0.5,0.41,0.59,0.625,0.75,1234.0,200.0,1.0\n"
    )
    write_json(folder / "study.json", {"commit": "0123456789abcdef"})
    lines = filled("<!-- ablations small -->\n<!-- /ablations -->", "docs/ablations.md").splitlines()
    assert "| 5 | equal steps | synthetic | **0.500** (0.410–0.590) | 0.625 | 0.750 | 1,234 | 200 |" in lines
    assert "| 100 | equal steps | – | missing | – | – | – | – |" in lines
    assert lines.index("### volume") == 2
    assert "![volume](../results/ablations/small/volume/curve.svg)" in lines


def test_pages_show_what_results_record():
    for page in tables.pages():
        assert tables.filled(page) == page.read_text(encoding="utf-8"), f"{page}: run `make tables`"


def test_a_record_made_on_a_gpu_names_it(workdir):
    Path("results/small/metrics/ner/compare/own").mkdir(parents=True)
    Path("results/small/metrics/ner/compare/own/table.md").write_text("| arm |\n")
    write_json("results/small/study.json", {**RECORD, "machine": {**RECORD["machine"], "gpu": "Slide Rule 2"}})
    content = filled("<!-- study small -->\n<!-- /study -->")
    assert "on 2 cores (Abacus), one Slide Rule 2. Settings" in content
