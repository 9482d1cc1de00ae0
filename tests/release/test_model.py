import json
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pandas
import pytest
import torch

from benchmarks import rest_server
from benchmarks.served import served_by_mlflow
from stages.lm import models
from stages.ner.tagger import Tagger
from stages.notes import tags
from stages.notes.note_table import Note
from stages.release import served
from stages.release.model import package
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.outputs import write_json
from tests import tiny
from tests.graph import ROOT, environment
from tests.ner.conftest import make_encoder
from tests.runs import run, write_params

POLICIES = {"masks": {"age": "mask", "person": "mask"}, "invents": {"age": "keep", "person": "surrogate"}}
MARKER = "Zzyxmarker"
OUT = "data/release/model/synthetic/demo/0/1"
TEXTS = [*tiny.texts(2), "", " ".join(tiny.texts(6)), "\ufeffJose\u0301 👩🏽‍⚕️\u00a0Gil\r\n28036", " \n"]


@pytest.fixture
def project(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A synthetic arm's tagger that finds names and ages everywhere, and its params."""
    folder = Path("ner/synthetic/demo/0/1")
    torch.manual_seed(0)
    base = make_encoder(workdir / "base", "modernbert")
    network = models.load_encoder(base, tags.tag_names(["AGE", "NAME"]))
    torch.nn.init.normal_(network.classifier.weight, std=1.0)
    network.save_pretrained(folder)
    models.load_tokenizer(base).save_pretrained(folder)
    write_json(folder / "tagger.json", {"length": 32, "overlap": 8, "adjacent": 0.0})
    lineage.write(folder, [Read("story", "public", "gradient"), Read("demo/0/train", "real", "tags")])
    monkeypatch.setenv("DEIDSYNTH_DEVICE", "cpu")
    return workdir


def run_stage(labels: dict | None = None, **changes) -> None:
    section = {"policy": "masks", "policies": POLICIES, "real_weights": False} | changes
    demo = {"language": "es", "labels": labels or {"AGE": "age", "NAME": "person"}}
    write_params({"catalog": {"demo": demo}, "release": {"model": section}})
    run(package, corpus="demo", arm="synthetic", fold=0, seed=1, model="ner/synthetic/demo/0/1", out=OUT)


def asking(split: dict, **params) -> bytes:
    return json.dumps({"dataframe_split": split} | ({"params": params} if params else {})).encode()


def expected() -> list[Note]:
    notes = [Note(str(number), str(number), text) for number, text in enumerate(TEXTS)]
    return list(Tagger.load("ner/synthetic/demo/0/1").tag(notes))


def masked(note: Note, mark: str = "[{}]") -> str:
    pieces, at = [], 0
    for span in note.spans:
        pieces += [note.text[at : span.start], mark.format(span.label)]
        at = span.end
    return "".join([*pieces, note.text[at:]])


@pytest.mark.slow
def test_the_packaged_model_finds_what_the_tagger_finds_and_replaces_it(project):
    import mlflow

    run_stage()
    loaded = mlflow.pyfunc.load_model(OUT)
    found = loaded.predict(pandas.DataFrame({"text": TEXTS}))
    tagged = expected()
    assert [[tuple(row.values()) for row in json.loads(spans)] for spans in found["spans"]] == [
        [(s.start, s.end, s.label, round(s.score, 6)) for s in note.spans] for note in tagged
    ]
    assert found["text"].to_list() == [masked(note) for note in tagged]
    assert sum(len(note.spans) for note in tagged) > 20
    invented = loaded.predict(pandas.DataFrame({"text": TEXTS}), params={"policy": "invents"})
    assert invented["spans"].to_list() == found["spans"].to_list()
    assert invented["text"].to_list() != found["text"].to_list()
    # What is no name, though it was found as one, is masked.
    assert "".join(invented["text"]).count("[") < "".join(found["text"]).count("[") / 2
    with pytest.raises(UserError, match="no such policy; there are invents, masks"):
        loaded.predict(pandas.DataFrame({"text": ["a"]}), params={"policy": "other"})
    with pytest.raises(UserError, match="the only parameter is policy"):
        loaded.predict(pandas.DataFrame({"text": ["a"]}), params={"polciy": "masks"})
    # Two requests for one patient agree.
    again = loaded.predict(pandas.DataFrame({"text": TEXTS}), params={"policy": "invents"})
    assert again["text"].to_list() == invented["text"].to_list()
    record = lineage.read(OUT)
    assert record == lineage.read("ner/synthetic/demo/0/1")


@pytest.mark.slow
def test_the_package_holds_no_path_of_the_machine_that_made_it(project):
    run_stage()
    files = [path for path in Path(OUT).rglob("*") if path.is_file() and path.suffix not in (".safetensors", ".pkl")]
    assert len(files) > 20
    places = [f"{place}/".encode() for place in (project, "/tmp", Path.home(), ROOT)]
    assert [path for path in files if any(place in path.read_bytes() for place in places)] == []
    # What the model has read travels with the weights as well: somebody may copy them out of the package.
    assert lineage.read(next(Path(OUT).glob("artifacts/model"))) == lineage.read("ner/synthetic/demo/0/1")


@pytest.mark.slow
def test_mlflow_s_command_runs_it_without_this_project(project, tmp_path):
    """From another folder, on the code that travels with it."""
    run_stage()
    moved = tmp_path / "elsewhere"
    shutil.move(OUT, moved / "model")
    (moved / "notes.json").write_text(
        json.dumps({"dataframe_split": {"columns": ["text"], "data": [[t] for t in TEXTS]}})
    )
    code = moved / "model/code/stages"
    assert (code / "release/served.py").is_file() and not (code / "demo").exists()
    # Its own code and no other: a change in it must show.
    own = code / "release/deidentify.py"
    own.write_text(own.read_text().replace('f"[{label}]"', 'f"<{label}>"'))
    files = "-m model -t json -i notes.json -o found.json"
    command = [sys.executable, "-m", "mlflow", "models", "predict", "--env-manager", "local", *files.split()]
    done = subprocess.run(command, cwd=moved, env=environment(DEIDSYNTH_DEVICE="cpu"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads((moved / "found.json").read_text())["predictions"]
    assert [row["text"] for row in rows] == [masked(note, "<{}>") for note in expected()]
    assert all(text not in done.stdout + done.stderr for text in TEXTS if len(text) > 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "rows", "problem"),
    [
        ("text,patient", [f"{MARKER},007", f"{MARKER},7", "NA,", "null,NA"], None),
        ("note,patient", [f"{MARKER},007"], "UserError: the input needs a column text"),
        ("text", [f'"{MARKER}'], "UserError: the input is not a CSV table"),
    ],
)
def test_a_table_is_read_as_strings_and_no_error_shows_one(project, header, rows, problem):
    run_stage()
    Path("notes.csv").write_text("\n".join([header, *rows]) + "\n")
    files = f"-m {OUT} -t csv -i notes.csv -o found.json"
    command = [sys.executable, "-m", "mlflow", "models", "predict", "--env-manager", "local", *files.split()]
    done = subprocess.run(command, env=environment(DEIDSYNTH_DEVICE="cpu"), capture_output=True, text=True)
    assert MARKER not in done.stdout + done.stderr
    if problem:
        assert done.returncode and problem in done.stderr
    else:
        assert done.returncode == 0, done.stderr[-2000:]
        texts = [row["text"] for row in json.loads(Path("found.json").read_text())["predictions"]]
        tagged = Tagger.load("ner/synthetic/demo/0/1").tag([Note("", "", row.split(",")[0]) for row in rows])
        assert texts == [masked(note) for note in tagged]


def test_a_patient_is_a_string_and_who_has_none_is_alone():
    missing = [None, "", float("nan"), None, " ", pandas.NA]
    table = pandas.DataFrame({"text": ["a", None, "c", *"defghi"], "patient": ["007", "7", 7, *missing]})
    notes = served._notes(table)
    assert [note.text for note in notes] == ["a", "", "c", *"defghi"]
    groups = [note.group_id for note in notes]
    assert groups[:3] == ["007", "7", "7"]
    assert len(set(groups)) == 2 + len(missing)
    assert len({note.note_id for note in notes}) == len(notes)
    named = served._notes(pandas.DataFrame({"text": ["a", "b"], "note_id": ["n", None]}))
    assert named[0].note_id == "n" and len({note.group_id for note in named}) == 2
    for wrong in (pandas.DataFrame({"note": ["a"]}), ["a"], pandas.DataFrame({"text": ["a"], "patient": [1.5]})):
        with pytest.raises(UserError):
            served._notes(wrong)


def test_releases_of_a_site_share_its_key(workdir, monkeypatch):
    assert served._key() is None
    (workdir / "dvc.yaml").touch()
    (workdir / "data").mkdir()
    assert served._key() == served._key() == Path("data/.site-key").read_bytes()
    monkeypatch.setenv("DEIDSYNTH_SITE_KEY", str(workdir / "elsewhere"))
    assert served._key() == Path("elsewhere").read_bytes() != Path("data/.site-key").read_bytes()
    monkeypatch.setenv("DEIDSYNTH_SITE_KEY", "")
    assert served._key() is None


@pytest.mark.slow
def test_behind_rest_wrong_requests_get_4xx_and_the_server_lives_on(project, loopback):
    """Long notes, odd ones and none, then everything a client can get wrong, then a right request again."""
    run_stage()
    whole = " ".join(TEXTS[:2]) * 4000
    assert len(whole) > 1_000_000
    with served_by_mlflow(OUT, "log") as address:
        rows = rest_server.ask(address, TEXTS)
        assert [row["text"] for row in rows] == [masked(note) for note in expected()]
        (long,) = rest_server.ask(address, [whole])
        assert len(json.loads(long["spans"])) > 10_000
        wrong = {
            "no JSON": b"{",
            "no known format": b'{"texts": ["a"]}',
            "no column text": asking({"columns": ["note"], "data": [[MARKER]]}),
            "a list for a text": asking({"columns": ["text"], "data": [[[MARKER]]]}),
            "a table for a patient": asking({"columns": ["text", "patient"], "data": [[MARKER, {MARKER: 1}]]}),
            "an unknown policy": asking({"columns": ["text"], "data": [[MARKER]]}, policy="other"),
            "an unknown parameter": asking({"columns": ["text"], "data": [[MARKER]]}, polciy="masks"),
            "a policy that is no text": asking({"columns": ["text"], "data": [[MARKER]]}, policy=[MARKER]),
        }
        for mistake, body in wrong.items():
            request = Request(address, body, {"Content-Type": "application/json"})
            with pytest.raises(HTTPError) as refused:
                build_opener(ProxyHandler({})).open(request, timeout=60)
            assert 400 <= refused.value.code < 500, mistake
            assert MARKER not in refused.value.read().decode(), mistake
        assert rest_server.ask(address, TEXTS[:1]) == rows[:1]
    assert not any(text in Path("log").read_text() for text in (MARKER, *TEXTS) if len(text) > 3)


def test_a_model_that_has_read_real_notes_is_refused(project):
    folder = "ner/synthetic/demo/0/1"
    lineage.write(folder, [Read("demo/0/train", "real", "gradient")])
    with pytest.raises(UserError, match=r"have read real notes \(demo/0/train\).*must not leave"):
        run_stage()
    assert not Path(OUT).exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": "none"}, r"release\.model\.policy: no policy none; there are invents, masks"),
        ({"labels": {"AGE": "age"}}, "NAME has no kind"),
        (
            {"policies": {"masks": {"age": "shift", "person": "mask"}}},
            r"release\.model\.policies\.masks\.age: shift is defined for",
        ),
        (
            {"policies": {"masks": {"age": "hide", "person": "mask"}}},
            r"release\.model\.policies\.masks\.age: Input should be",
        ),
    ],
)
def test_settings_that_leave_something_open(project, changes, message):
    with pytest.raises(UserError, match=message):
        run_stage(**changes)
    assert not Path(OUT).exists()
