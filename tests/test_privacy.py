"""Private by construction: only the vault gets notes, only their owner can read them, and nothing goes online."""

import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests import graph
from tests.toy import MARKER, Toy


def test_every_private_output_goes_to_the_vault(tmp_path):
    """By DVC's own index. A pointer made by `dvc add` names no remote and goes to the default one, also the vault."""
    from dvc.repo import Repo

    project = graph.clone(tmp_path)
    (project / "data/raw/own").mkdir(parents=True)
    (project / "data/raw/own/note.txt").write_text("invented")
    graph.run(project, "dvc", "add", "--quiet", "data/raw/own")
    repo = Repo(str(project))
    remotes = {
        Path(out.fs_path).relative_to(project).as_posix(): out.remote or repo.config["core"]["remote"]
        for out in repo.index.outs
        if Path(out.fs_path).is_relative_to(project / "data")
    }
    assert set(remotes.values()) == {"vault"}
    assert len(remotes) > 20
    assert "data/raw/own" in remotes
    url = Path(repo.config["remote"]["vault"]["url"])
    assert (project / ".dvc" / url).resolve() == project / "data/.vault"
    repo.close()


def test_outputs_outside_data_are_metrics():
    for stage in graph.pipeline()["stages"].values():
        for path in (path for key in graph.OUTS for path in graph.paths(stage.get(key, []))):
            assert path.startswith(("data/", "metrics/"))


@pytest.mark.parametrize(
    "path",
    [
        "data/raw/own/note.txt",
        "data/raw/own/deep/note.ann",
        "data/public/own/text.jsonl",
        "data/synthesis/generated/own/0/1/notes.parquet",
        "data/.vault/files/md5/ab/cd",
        "data/.studies/x/params.yaml",
        "elsewhere/notes.parquet",
        "mlflow.db",
        "mlartifacts/1/report.json",
        ".dvc/cache/files/md5/ab/cd",
        ".dvc/config.local",
        ".env",
    ],
)
def test_git_ignores(path):
    assert graph.run(graph.ROOT, "git", "check-ignore", "-q", path, check=False).returncode == 0


@pytest.mark.parametrize(
    "path", ["data/raw/own.dvc", "data/public/own.dvc", "data/tasks/own.dvc", "metrics/ner/train/real.json"]
)
def test_git_keeps(path):
    assert graph.run(graph.ROOT, "git", "check-ignore", "-q", path, check=False).returncode == 1


def test_git_holds_pointers_and_nothing_else_of_data():
    tracked = graph.run(graph.ROOT, "git", "ls-files", "data").stdout.split()
    assert [path for path in tracked if not path.endswith((".dvc", ".gitignore"))] == []


def test_committed_files_name_no_machine(tmp_path):
    """No absolute home of this checkout, and pins without an index's address."""
    tracked = graph.run(graph.ROOT, "git", "ls-files", "-z").stdout.split("\0")
    for name in filter(None, tracked):
        file = graph.ROOT / name
        if file.is_file():
            content = file.read_bytes()
            assert str(graph.ROOT).encode() not in content, name
    for line in (graph.ROOT / "constraints.txt").read_text().splitlines():
        assert all(mark not in line for mark in ("/", "@", "+", "-e ")), line


# --- After a run


@pytest.mark.slow
def test_private_places_are_the_owners(toy: Toy):
    for name in ("data", ".dvc"):
        assert (toy.project / name).stat().st_mode & 0o777 == 0o700
    for name in ("mlflow.db", "mlartifacts", "reports"):
        assert (toy.project / name).stat().st_mode & 0o077 == 0, name


@pytest.mark.slow
def test_the_marker_is_in_the_private_places_only(toy: Toy):
    raw = next((toy.project / "data/raw/toy/train").glob("*.txt"))
    assert MARKER in raw.read_text()
    private = (toy.project / "data", toy.project / ".dvc")
    marks = {MARKER.encode(), MARKER.lower().encode(), MARKER.encode("utf-16-le")}
    found = []
    searched = 0
    for place in (toy.project, toy.home):
        for path in place.rglob("*"):
            if path.is_file() and not any(folder in path.parents for folder in private):
                searched += 1
                content = path.read_bytes()
                found += [str(path)] if any(mark in content for mark in marks) else []
    assert found == []
    assert searched > 100
    assert MARKER.lower() not in toy.output.lower()
    # Git keeps its objects compressed.
    for commit in graph.run(toy.project, "git", "rev-list", "--all").stdout.split():
        done = graph.run(toy.project, "git", "grep", "-il", MARKER, commit, check=False)
        assert done.stdout == ""
    assert sqlite_text(toy.project / "mlflow.db").count(MARKER.lower()) == 0


@pytest.mark.slow
def test_the_report_quotes_no_note_and_the_error_page_does(toy: Toy):
    report, errors = (toy.project / f"data/release/{name}/toy/index.html" for name in ("report", "errors"))
    assert MARKER.lower() not in report.read_text().lower()
    assert MARKER in errors.read_text()


@pytest.mark.slow
def test_the_search_would_find_it(toy: Toy):
    """The marker did reach the note tables: the searches above would find it."""
    from stages.notes import note_table

    read = list(note_table.read(toy.project / "data/corpora/notes/toy"))
    assert all(MARKER in note.text for note in read)
    assert all(MARKER in map(note.surface, note.spans) for note in read)


@pytest.mark.slow
def test_a_failing_stage_prints_no_note(toy: Toy):
    """A broken tag stops the reader with a message that names file and line, and does not quote the text."""
    raw = toy.project / "data/raw/toy"
    broken = toy.project / "data/raw/broken"
    subprocess.run(["cp", "-rL", raw, broken], check=True)
    tags = sorted(broken.rglob("*.ann"))[0]
    tags.chmod(0o600)
    lines = tags.read_text().splitlines(keepends=True)
    number = next(i for i, line in enumerate(lines) if MARKER in line)
    lines[number] = lines[number].replace(f"\t{MARKER}", f"\tother {MARKER}")
    tags.write_text("".join(lines))
    command = "python -m stages.corpora.prepare --corpus toy --raw data/raw/broken --out data/x --report x.json"
    done = toy.run(*command.split(), check=False)
    assert done.returncode == 1
    assert f"{tags.relative_to(toy.project)}:{number + 1}" in done.stderr
    assert MARKER not in done.stdout + done.stderr
    assert not (toy.project / "data/x").exists()


@pytest.mark.slow
def test_nothing_opened_a_connection(toy: Toy):
    assert not toy.connections.exists() or toy.connections.read_text() == ""


@pytest.mark.slow
def test_a_connection_would_be_noticed(toy: Toy, tmp_path):
    seen = tmp_path / "connections"
    code = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    toy.run("python", "-c", code, CONNECTIONS=str(seen))
    assert "127.0.0.1" in seen.read_text()


def sqlite_text(database: Path) -> str:
    with sqlite3.connect(database) as connection:
        return "\n".join(connection.iterdump()).lower()
