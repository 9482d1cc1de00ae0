import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import torch

from stages.generation import sampling
from stages.lm import models
from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.synthesis import adaptation
from stages.synthesis.adaptation import Adaptation
from stages.synthesis.generate import Generate, generate, in_turn, read_prompts
from tests import runs, tiny
from tests.graph import ROOT

SETTINGS = {
    "prompt": "first_words", "prompt_words": 3, "keep_prompt": True, "temperature": 1.0, "top_p": 0.95,
    "max_new_tokens": 40, "volume": 2.0, "chunk": 8, "attempts": 6, "precision": "fp32",
    "drop": {"unfinished": False, "min_words": 3, "repetition": 0.9, "near_duplicate": 0.9},
}  # fmt: skip
OUT, UNADAPTED = "data/generated/demo/0/1", "data/unadapted/demo/0/1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A base that has learned to write something like tiny.texts."""
    base = tiny.decoder(tmp_path_factory.mktemp("trained"))
    model, tokenizer = models.load_decoder(base), models.load_tokenizer(base)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    ids = [[tokenizer.bos_token_id, *tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in tiny.texts(60)]
    blocks = torch.tensor([token for text in ids for token in text][: 64 * 39]).view(39, 64)
    torch.manual_seed(1)
    for _ in range(60):
        block = blocks[torch.randperm(39)[:8]]
        model(input_ids=block, labels=block).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(base)
    return base


@pytest.fixture
def project(workdir, trained):
    """A base, an unadapted generator, prompts and training notes."""
    base = Path(shutil.copytree(trained, workdir / "base"))
    (workdir / "generator").mkdir()
    adaptation.write(workdir / "generator", Adaptation("none", "note", 128, models.digest(base)))
    lineage.write(workdir / "generator", [*lineage.read(base), Read("demo/0/train", "real", "gradient")])
    tiny.table(workdir / "prompts", "prompts", tiny.texts(50)[40:])
    tiny.table(workdir / "train", "train", tiny.texts(20))
    return workdir


ARGUMENTS = {
    "corpus": "demo", "fold": 0, "seed": 1, "base": "base", "model": "generator", "prompts": "prompts",
    "train": "train", "out": OUT, "unadapted": UNADAPTED, "metrics": "metrics.json",
}  # fmt: skip


def write_params(**changes):
    section = {"synthesis": {"generate": SETTINGS | changes}}
    runs.write_params(section | {"catalog": {"demo": {"servers_permitted": False}}})


def run(**changes):
    write_params(**changes)
    runs.run(generate, **ARGUMENTS)
    return list(note_table.read(OUT)), json.loads(Path("metrics.json").read_text())


def test_texts_start_from_prompts_and_reach_the_volume(project):
    found, metrics = run()
    asked = 2 * sum(note_table.count_words(text) for text in tiny.texts(20))
    assert metrics["asked_words"] == asked
    assert metrics["volume_reached"]
    words = [note_table.count_words(note.text) for note in found]
    assert metrics["words"] == sum(words)
    assert sum(words) - words[-1] < asked <= sum(words)
    assert (metrics["kept"], metrics["kept"] + sum(metrics["dropped"].values())) == (len(found), metrics["sampled"])
    starts = {note.note_id: note.text.split()[:2] for note in note_table.read("prompts")}
    for note in found:
        source = note.provenance
        assert note.text.split()[:2] == starts[source["prompt"]]
        assert source["seed"][1] == source["chunk"] * 8 + source["position"]
        assert source["model"] == models.digest("base")
    # Every prompt is used once before one is used again.
    used = Counter(note.provenance["prompt"] for note in found if note.provenance["seed"][1] < len(starts))
    assert max(used.values()) == 1
    assert len({note.note_id for note in found}) == len(found)


def test_the_same_seed_gives_the_same_texts_and_lineage_has_model_and_prompts(project):
    first, numbers = run()
    content = Path("metrics.json").read_bytes(), Path(OUT, "notes.parquet").read_bytes()
    assert run() == (first, numbers)
    assert (Path("metrics.json").read_bytes(), Path(OUT, "notes.parquet").read_bytes()) == content
    assert lineage.read(OUT) == {
        Read("demo/0/prompts", "real", "quoted"),
        Read("demo/0/train", "real", "generator"),
        Read("story", "public", "generator"),
    }
    run(prompt="begin_of_note")
    assert not any(read.notes == "demo/0/prompts" for read in lineage.read(OUT))
    # Kept first words are words of a real note, unless they end before its first tag, or are cut off again.
    for changes in ({"prompt": "first_words_no_pii"}, {"keep_prompt": False}):
        run(**changes)
        assert Read("demo/0/prompts", "real", "prompts") in lineage.read(OUT)


def test_the_base_decoder_writes_from_the_same_prompts(project):
    """Here the generator is the base decoder, so that it writes the same notes."""
    run()
    assert list(note_table.read(UNADAPTED)) == []
    found, _ = run(unadapted=3)
    pairs = [(note.note_id, note.text) for note in found[:3]]
    assert [(note.note_id, note.text) for note in note_table.read(UNADAPTED)] == pairs
    assert lineage.read(UNADAPTED) == lineage.read(OUT)
    # Another generator writes other notes, the base decoder still writes these.
    tiny.decoder(project / "generator", seed=5)
    adaptation.write(project / "generator", Adaptation("full", "note", 128, models.digest(project / "base")))
    run(unadapted=3, drop=SETTINGS["drop"] | {"min_words": 1})
    texts = {note.text for note in note_table.read(UNADAPTED)}
    assert len(texts) == 3
    assert not texts & {note.text for note in note_table.read(OUT)}
    assert all(text.startswith(("Nombre: ", "Edad: ")) for text in texts)


def test_the_prompt_can_be_taken_off(project):
    kept, _ = run()
    bare, _ = run(keep_prompt=False)
    by_name = {note.note_id: note.text for note in bare}
    common = [(note.text, by_name[note.note_id]) for note in kept if note.note_id in by_name]
    assert len(common) > 5
    assert all(whole.endswith(text) and whole != text for whole, text in common)


# Kills itself by SIGKILL, as the system does when memory runs out, before the third batch is sampled.
KILLED = """
import os, signal
from stages.generation import sampling
from stages.synthesis.generate import generate
sample, calls = sampling.sample, []
def dying(*arguments, **options):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return sample(*arguments, **options)
sampling.sample = dying
generate.main()
"""


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_texts(project, monkeypatch):
    write_params()
    given = [word for name, value in ARGUMENTS.items() for word in (f"--{name}", str(value))]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(project)}
    killed = subprocess.run([sys.executable, "-c", KILLED, *given], env=environment, capture_output=True, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    assert not Path(OUT).exists()
    (kept,) = project.glob("data/.scratch/synthesis/generate/*/answers.jsonl")
    assert kept.read_bytes().count(b"\n") == 16
    numbers = []
    sample = sampling.sample

    def recorded(model, prompts, seeds, **options):
        numbers.extend(number for _, number in seeds)
        return sample(model, prompts, seeds, **options)

    monkeypatch.setattr(sampling, "sample", recorded)
    resumed = run()
    assert numbers[:8] == list(range(16, 24))
    assert not list(project.glob("data/.scratch/synthesis/generate/*"))
    numbers.clear()
    assert run() == resumed
    assert numbers[:8] == list(range(8))


def test_a_server_samples_by_the_same_prompts(project, started):
    in_process, _ = run()
    fake = started()
    found, metrics = run(server="adapted")
    assert metrics["volume_reached"] and metrics["kept"] == len(found)
    starts = {note.provenance["seed"][1]: (note.provenance["prompt"], note.text.split()[:2]) for note in in_process}
    common = [note for note in found if note.provenance["seed"][1] in starts]
    assert len(common) > 5
    assert all(starts[n.provenance["seed"][1]] == (n.provenance["prompt"], n.text.split()[:2]) for n in common)
    assert {note.provenance["model"] for note in found} == {"adapted"}
    assert {request["model"] for request in fake.served} == {"adapted"}
    assert len({request["seed"] for request in fake.served}) == len(fake.served)
    bare, _ = run(server="adapted", keep_prompt=False)
    assert all(note.text.startswith("w") for note in bare)
    assert Read("demo/0/prompts", "real", "prompts") in lineage.read(OUT)


def test_a_stopped_run_asks_a_server_only_for_what_is_missing(project, started, monkeypatch):
    from stages.generation import server as client

    monkeypatch.setattr(client, "_ATTEMPTS", 1)
    fake = started(faults=[None] * 11 + [500], concurrency=1)
    with pytest.raises(UserError, match="answered 500; earlier answers are kept"):
        run(server="adapted")
    assert len(fake.served) == 11
    found, _ = run(server="adapted")
    assert len({request["seed"] for request in fake.served}) == len(fake.served)
    assert [note.provenance["seed"][1] for note in found] == list(range(len(found)))


@pytest.mark.parametrize("prompt", ["first_words", "first_words_no_pii", "begin_of_note"])
def test_prompts_and_texts_of_real_notes_go_to_no_other_machine(project, monkeypatch, prompt):
    monkeypatch.setenv("DEIDSYNTH_SERVER", "https://api.example.org/v1")
    with pytest.raises(UserError, match="notes stay on this one, unless the corpus's agreement permits"):
        run(server="adapted", prompt=prompt)
    assert not Path(OUT).exists()


def test_a_generator_that_writes_nothing_useful_ends_and_says_so(project):
    with pytest.raises(UserError, match=r"none of the sampled texts could be kept \(too_short"):
        run(drop=SETTINGS["drop"] | {"min_words": 1000}, attempts=1)
    assert not Path(OUT).exists()
    assert not Path("metrics.json").exists()


def test_a_model_adapted_from_another_base(project):
    tiny.decoder(project / "base", seed=5)
    with pytest.raises(UserError, match="adapted from another base"):
        run()


def test_a_missing_generator_and_missing_prompts(project):
    tiny.table(project / "prompts", "prompts", [])
    with pytest.raises(UserError, match="no notes to take prompts from"):
        run()
    (project / "generator/adaptation.json").unlink()
    with pytest.raises(UserError, match="no adapted model here"):
        run()


def note(text, *spans):
    return Note("p", "p", text, tuple(Span(*span) for span in spans))


def prompts_of(policy, words, unit="note", piece_words=128):
    settings = Generate.model_validate(SETTINGS | {"prompt": policy, "prompt_words": words})
    adapted = Adaptation("none", unit, piece_words, "base")
    return [start.text for _, start in read_prompts("prompts", settings, adapted, tiny.tokenizer())]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("first_words", ["Datos del paciente.", "Ana Ruiz Gil", "\nEdad: 37 años."]),
        ("first_words_no_pii", ["Datos del paciente.", "", "\nEdad:"]),
        ("begin_of_note", [""]),
    ],
)
def test_prompt_policies(workdir, policy, expected):
    found = [
        note("Datos del paciente. Nombre: Ana", (28, 31, "N")),
        note("Ana Ruiz Gil vino", (0, 12, "N")),
        note("\nEdad: 37 años.", (7, 14, "E")),
    ]
    note_table.write("prompts", found)
    assert prompts_of(policy, 3) == expected


def test_a_word_that_pii_begins_in_is_not_in_the_prompt(workdir):
    note_table.write("prompts", [note("Firma:Ana y Luis", (6, 9, "N"))])
    assert prompts_of("first_words_no_pii", 3) == [""]


def test_prompts_of_pieces(workdir):
    note_table.write("prompts", [note("uno dos tres cuatro cinco seis siete")])
    assert prompts_of("first_words", 2, "piece", 3) == ["uno dos", "cuatro cinco", "siete"]


def test_all_prompts_are_used_before_one_is_used_again():
    prompts = [(str(number), "") for number in range(7)]
    turns = list(islice(in_turn(prompts, 1), 21))
    assert [sorted(turns[start : start + 7]) for start in (0, 7, 14)] == [prompts] * 3
    assert turns[:7] != turns[7:14]
    assert turns[:7] != list(islice(in_turn(prompts, 2), 7))
