import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from stages.ner.compare import compare
from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.release import report_content
from stages.release.report import report
from stages.runtime import lineage, params
from stages.runtime.lineage import Read
from stages.runtime.outputs import read_json, write_json
from tests.ner import test_compare
from tests.ner.test_compare import ARMS
from tests.runs import run, write_params

FOLDERS = {"corpus": "demo"} | {name: name for name in ("train", "evaluate", "predictions", "split", "annotator")}
FINDING = {
    "table": "spans", "expectation": "x", "meaning": "dates look like dates", "column": "well_formed",
    "severity": "warning", "success": False, "observed": 0.8, "bound": "share >= 0.9", "unexpected_count": 3,
    "notes": 2, "labels": ["DATE"],
}  # fmt: skip


@pytest.fixture
def project(workdir: Path) -> Path:
    """What ner_compare has left of two folds and seeds, with what the report reads beside."""
    for arm in ARMS:
        for fold in (0, 1):
            for seed in (1, 2):
                test_compare.fill(arm, fold, seed)
                path = f"evaluate/{arm}/demo/{fold}/{seed}.json"
                bins = [{"from": 0.3, "spans": 10 * seed, "score": 0.35, "right": 0.5 * (seed == 1)}]
                write_json(path, read_json(path) | {"calibration": {"error": 0.1 * seed, "bins": bins}})
                lineage.write(f"predictions/{arm}/demo/{fold}/{seed}", [Read("demo/0/train", "real", "gradient")])
                lineage.write(f"split/demo/{fold}/test", [Read(f"demo/{fold}/test", "real", "content")])
    for fold in (0, 1):
        for seed in (1, 2):
            write_json(f"synthesis/adapt/demo/{fold}/{seed}.json", {"steps": 1200, "tokens": 34567})
            sampled = {"sampled_tokens": 9876, "kept": 40, "sampled": 50}
            write_json(f"synthesis/generate/demo/{fold}/{seed}.json", sampled)
            gate = {"passed": True, "expectations": 7, "findings": [FINDING]}
            write_json(f"synthesis/check/demo/{fold}/{seed}.json", gate)
    tagged = Note("n1", "n1", "Paciente: Ana Ruiz.", (Span(10, 18, "NAME"),))
    note_table.write("annotated/0/1", [tagged, Note("n2", "n2", "Otra nota.")])
    lineage.write("annotated/0/1", [Read("demo/0/train", "real", "generator")])
    note_table.write("unadapted/0/1", [Note("n1", "n1", "Paciente: el lugar <b>")])
    write_json("gate.json", {"passed": True, "expectations": 5, "findings": [FINDING | {"success": True}]})
    Path("ablations/p/volume").mkdir(parents=True)
    Path("ablations/p/volume/curve.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    parameters(texts=True, ablations="p")
    run(compare, **FOLDERS, out="compare")
    return workdir


def run_report() -> None:
    more = {"compare": "compare", "synthesis": "synthesis", "gate": "gate.json", "ablations": "ablations"}
    more |= {"annotated": "annotated", "unadapted": "unadapted"}
    run(report, **FOLDERS, **more, out="out", errors="errors")


def parameters(**section) -> None:
    corpus = {"labels": {"NAME": "person", "CITY": "place", "DATE": "date"}}
    write_params(test_compare.settings() | {"release": {"report": section}, "catalog": {"demo": corpus}})


def words(page: str) -> str:
    """What a reader sees, white space apart."""
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_data = found.append
    parser.feed(re.sub(r"(?s)<(style|script)\b.*?</\1>", "", page))
    return " ".join(" ".join(found).split())


def test_the_report_answers_in_numbers_and_quotes_no_note(project):
    run_report()
    page = Path("out/index.html").read_text()
    text = words(page)
    # Synthetic finds 2 of 4 spans with one seed and 1 of 4 with the other: recalls 2/4 and 1/4 of words.
    assert "trained on invented notes alone hides 37.5% (37.5% to 37.5%) of the words" in text
    assert "6 real notes that it has never seen; a model trained on the real notes hides 100.0%" in text
    assert "The strict span F1 of the former is 0.533, 0.467 lower (-0.467 to -0.467) than that of the latter" in text
    assert "this rests on 2 models per arm and says nothing about training noise, so it is no verdict" in text
    assert "not worse by 0.1" in text and text.count("not testable: 2 models") == 3
    assert "no identifier remains visible in 0% of the notes, and on average 2.50 identifiers" in text
    assert "Ana" not in page and "Lugo" not in page
    assert lineage.read("out") == set()


@pytest.mark.parametrize(
    ("replicates", "p", "verdict"),
    [
        (1, None, "this rests on 1 model per arm and says nothing about training noise, so it is no verdict"),
        (3, 0.04, "that it is not worse by 0.05 is held"),
        (3, 0.06, "that it is not worse by 0.05 is not held"),
    ],
)
def test_few_replicates_allow_no_verdict(replicates, p, verdict):
    numbers = {"strict_f1": 0.8, "difference": -0.02, "difference_low": -0.03, "difference_high": -0.01}
    numbers |= {"replicates": replicates, "margin": 0.05, "margin_p": p}
    shares = {"blind_recall": 0.9, "blind_recall_low": 0.8, "blind_recall_high": 1.0, "clean_notes": 0.5}
    arm = numbers | shares | {"leaks_per_note": 1.0, "test_notes": 10}
    text = report_content.answer([arm | {"arm": "real"}, arm | {"arm": "synthetic"}], "real")
    assert f"than that of the latter; {verdict}. With" in text


def test_the_report_has_what_it_rests_on(project):
    run_report()
    page = Path("out/index.html").read_text()
    text = words(page)
    for anchor in re.findall(r'<a href="#(\w+)"', page):
        assert page.count(f'id="{anchor}"') == 1
    # Two seeds and folds: 20 spans of which half are right, 40 of which none is.
    assert text.count("0.3 to 0.4 0.167 60 0.167 60 0.167 60 0.167 60") == 1
    assert "gold tags 5 0 all met" in text
    assert "invented notes, fold 1 seed 2 7 1 warning: dates look like dates (spans.well_formed): 0.8" in text
    assert "adapting the generator, fold 0 seed 1 1,200 steps on 34,567 tokens –" in text
    assert "training synthetic fold 1 seed 2 20 steps, 2,000 words –" in text
    assert len(re.findall(r"\d/test [0-9a-f]{16} ", text)) == 2
    assert 'src="data:image/svg+xml;base64,' in page
    # Cities are found by real, annotator and mixed alone.
    # Of 12 names synthetic leaves 6 with seed 2: a mean of 500 per 1,000 notes. None left is at most 3 in 6 notes.
    assert "person 12 0 500 0 500 500 500 0 500" in text
    assert "place 6 0 500 0 500 1,000 1,000 0 500" in text
    city = re.search(r"CITY 6 1\.000 1\.000 0\.000 1\.000", text)
    assert city


def test_invented_notes_are_shown_where_the_corpus_is_invented_too(project):
    run_report()
    assert "Invented notes" not in Path("out/index.html").read_text()
    content = params.read("params.yaml")
    content["grid"]["demos"] = ["demo"]
    write_params(content)
    run_report()
    page = Path("out/index.html").read_text()
    assert "Paciente: <mark>Ana Ruiz<small>NAME</small></mark>." in page
    assert "<td>Paciente: el lugar &lt;b&gt;</td>" in page
    assert "Otra nota" not in page
    assert lineage.read("out") == {Read("demo/0/train", "real", "generator")}


def test_without_ablations_there_is_no_such_part(project):
    parameters(texts=True, ablations=None)
    run_report()
    assert "ablations" not in re.sub(r"(?s)<pre>.*?</pre>", "", Path("out/index.html").read_text()).lower()


def test_the_error_page_lists_every_wrong_place_and_no_other(project):
    run_report()
    text = words(Path("errors/index.html").read_text())
    # Fold 0 and seed 1: three notes, in each of which annotator lacks the date and synthetic city and date.
    assert "6 of 6 places where at least one arm is wrong" in text
    assert text.count("CITY correct correct missed correct Ana y Eva en Lugo el 3") == 3
    assert text.count("DATE correct missed missed correct Ana y Eva en Lugo el 3") == 3
    assert Read("demo/0/test", "real", "content") in lineage.read("errors")


def test_the_error_page_without_texts(project):
    parameters(texts=False, ablations=None)
    run_report()
    page = Path("errors/index.html").read_text()
    assert "Lugo" not in page and "Eva" not in page
    assert words(page).count("CITY correct correct missed correct 4 characters") == 3


@pytest.mark.parametrize("page", ["out", "errors"])
def test_pages_load_nothing(project, page):
    run_report()
    text = Path(page, "index.html").read_text()
    assert "default-src 'none'" in text
    assert re.findall(r'(?:src|href)="(?!data:|#)', text) == []
    assert "url(" not in text and "@import" not in text
    assert len(text) < 2_000_000


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Runs after the page's own script, and leaves what it saw in the document's title.
PROBE = """<script>
const seen = {wide: document.documentElement.scrollWidth, view: document.documentElement.clientWidth};
const sort = [...document.querySelectorAll("th button")].find(button => button.textContent === "gold");
if (sort) {
  const gold = () => [...document.querySelectorAll("tbody tr:not([hidden])")].map(row => row.cells[1].textContent);
  sort.focus(); seen.focused = document.activeElement === sort;
  sort.click(); seen.up = gold().join(); sort.click(); seen.down = gold().join();
  const label = document.getElementById("label");
  label.value = "CITY"; label.dispatchEvent(new Event("change")); seen.city = gold().join();
}
document.title = JSON.stringify(seen);
</script>"""


def browse(page: Path, profile: Path) -> dict:
    """What the probe saw in headless Chromium, 1280 pixels wide; the policy of the page lets inline scripts run."""
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text().replace("</body>", f"{PROBE}</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    done = subprocess.run(
        [CHROMIUM, *options, f"--user-data-dir={profile}", "--window-size=1280,900", "--dump-dom", probed.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return yaml.safe_load(re.search(r"<title>(.*?)</title>", done.stdout)[1])


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_in_a_browser_pages_fit_and_errors_can_be_sorted_and_chosen(project):
    run_report()
    for page in ("out", "errors"):
        seen = browse(project / page / "index.html", project / "chromium")
        assert seen["wide"] <= seen["view"] <= 1280
    assert seen["focused"] is True
    assert seen["up"] == "CITY,CITY,CITY,DATE,DATE,DATE"
    assert seen["down"] == "DATE,DATE,DATE,CITY,CITY,CITY"
    assert seen["city"] == "CITY,CITY,CITY"


def test_minutes_are_those_of_mlflow(store, workdir):
    from stages.runtime.mlflow_store import minutes
    from stages.runtime.tracking import track

    tags = {"corpus": "c", "fold": "0", "seed": "1"}
    assert minutes("synthesis/adapt", tags) is None
    with track("synthesis/adapt", "c-0-1", {}, tags):
        pass
    assert 0 <= minutes("synthesis/adapt", tags) < 1
    assert minutes("synthesis/adapt", tags | {"seed": "2"}) is None
