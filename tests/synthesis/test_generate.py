import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
import yaml

from stages.shared import lineage, models, notes, packing
from stages.shared.errors import UserError
from stages.shared.lineage import Read
from stages.shared.notes import Note, Span
from stages.shared.outputs import write_json
from stages.synthesis import generate
from tests import tiny

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "prompt": "first_words", "prompt_words": 3, "keep_prompt": True, "temperature": 1.0, "top_p": 0.95,
    "max_new_tokens": 40, "volume": 2.0, "chunk": 8, "attempts": 6, "precision": "fp32",
    "drop": {"unfinished": False, "min_words": 3, "repetition": 0.9, "near_duplicate": 0.9},
}  # fmt: skip
OUT = "data/generated/demo/0/1"


def settings(**changes):
    return generate.Generate.model_validate(SETTINGS | changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A base that has learned to write something like tiny.texts."""
    base = tiny.decoder(tmp_path_factory.mktemp("trained"))
    model, tokenizer = models.load_decoder(base), models.load_tokenizer(base)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01)
    tokens = packing.tokenise(tiny.texts(60), tokenizer)
    stream = packing.Stream(tokens, 64, 8 * 60, seed=1)
    for step in range(60):
        ids = torch.stack([torch.from_numpy(stream[8 * step + row]["input_ids"]) for row in range(8)])
        model(input_ids=ids, labels=ids).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(base)
    return base


@pytest.fixture
def project(workdir, trained):
    """A base, an unadapted generator, prompts and training notes."""
    base = Path(shutil.copytree(trained, workdir / "base"))
    (workdir / "generator").mkdir()
    adaptation = {"method": "none", "unit": "note", "piece_words": 128, "base": models.fingerprint(base)}
    write_json(workdir / "generator/adaptation.json", adaptation)
    lineage.write(workdir / "generator", [*lineage.read(base), Read("demo/0/train", "real", "gradient")])
    tiny.table(workdir / "prompts", "prompts", tiny.texts(50)[40:])
    tiny.table(workdir / "train", "train", tiny.texts(20))
    return workdir


def arguments(**changes):
    with open("params.yaml", "w") as file:
        yaml.safe_dump({"synthesis": {"generate": SETTINGS | changes}}, file)
    folders = ["--base", "base", "--model", "generator", "--prompts", "prompts", "--train", "train"]
    return [*folders, "--seed", "1", "--out", OUT, "--metrics", "metrics.json"]


def run(monkeypatch, **changes):
    monkeypatch.setattr(sys, "argv", ["generate", *arguments(**changes)])
    generate.main()
    with open("metrics.json") as file:
        return list(notes.read(OUT)), json.load(file)


def test_texts_start_from_prompts_and_reach_the_volume(project, monkeypatch):
    found, metrics = run(monkeypatch)
    asked = 2 * sum(notes.words(text) for text in tiny.texts(20))
    assert metrics["asked_words"] == asked
    assert metrics["volume_reached"]
    words = [notes.words(note.text) for note in found]
    assert metrics["words"] == sum(words)
    assert sum(words) - words[-1] < asked <= sum(words)
    assert (metrics["kept"], metrics["kept"] + sum(metrics["dropped"].values())) == (
        len(found),
        metrics["sampled"],
    )
    starts = {note.note_id: note.text.split()[:2] for note in notes.read("prompts")}
    for note in found:
        source = note.provenance
        assert note.text.split()[:2] == starts[source["prompt"]]
        assert source["seed"][1] == source["chunk"] * 8 + source["position"]
        assert source["model"] == models.fingerprint("base")
    # Every prompt is used once before one is used again.
    used = Counter(note.provenance["prompt"] for note in found if note.provenance["seed"][1] < len(starts))
    assert max(used.values()) == 1
    assert len({note.note_id for note in found}) == len(found)


def test_the_same_seed_gives_the_same_texts_and_lineage_has_model_and_prompts(project, monkeypatch):
    first, numbers = run(monkeypatch)
    content = Path("metrics.json").read_bytes(), Path(OUT, "notes.parquet").read_bytes()
    assert run(monkeypatch) == (first, numbers)
    assert (Path("metrics.json").read_bytes(), Path(OUT, "notes.parquet").read_bytes()) == content
    assert lineage.read(OUT) == {
        Read("demo/0/prompts", "real", "prompts"),
        Read("demo/0/train", "real", "generator"),
        Read("story", "public", "generator"),
    }
    run(monkeypatch, prompt="begin_of_note")
    assert Read("demo/0/prompts", "real", "prompts") not in lineage.read(OUT)


def test_the_prompt_can_be_taken_off(project, monkeypatch):
    kept, _ = run(monkeypatch)
    bare, _ = run(monkeypatch, keep_prompt=False)
    by_name = {note.note_id: note.text for note in bare}
    common = [(note.text, by_name[note.note_id]) for note in kept if note.note_id in by_name]
    assert len(common) > 5
    assert all(whole.endswith(text) and whole != text for whole, text in common)


# Kills itself by SIGKILL, as the system does when memory runs out, while the third chunk is sampled.
KILLED = """
import os, signal, sys
from stages.synthesis import generate
chunk = generate.Sampler.chunk
def dying(self, number, on_tokens):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return chunk(self, number, on_tokens)
generate.Sampler.chunk = dying
generate.main()
"""


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_texts(project, monkeypatch):
    given = arguments()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(project)}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *given], env=environment, capture_output=True, timeout=300
    )
    assert killed.returncode == -signal.SIGKILL
    assert not Path(OUT).exists()
    chunks = sorted(project.glob("data/.scratch/synthesis/generate/*/*.jsonl"))
    assert [path.name for path in chunks] == ["000000.jsonl", "000001.jsonl"]
    sampled = []
    chunk = generate.Sampler.chunk
    monkeypatch.setattr(
        generate.Sampler, "chunk", lambda self, number, on: sampled.append(number) or chunk(self, number, on)
    )
    resumed = run(monkeypatch)
    assert sampled[0] == 2
    assert not list(project.glob("data/.scratch/synthesis/generate/*"))
    sampled.clear()
    assert run(monkeypatch) == resumed
    assert sampled[0] == 0


def note(text, *spans):
    return Note("p", "p", text, tuple(Span(*span) for span in spans))


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
    notes.write("prompts", found)
    prompts = generate.make_prompts("prompts", settings(prompt=policy), {"unit": "note", "piece_words": 128})
    assert [prompt.text for prompt in prompts] == expected


def test_a_word_that_pii_begins_in_is_not_in_the_prompt(workdir):
    notes.write("prompts", [note("Firma:Ana y Luis", (6, 9, "N"))])
    adaptation = {"unit": "note", "piece_words": 128}
    (prompt,) = generate.make_prompts("prompts", settings(prompt="first_words_no_pii"), adaptation)
    assert prompt.text == ""


def test_prompts_of_pieces(workdir):
    notes.write("prompts", [note("uno dos tres cuatro cinco seis siete")])
    prompts = generate.make_prompts("prompts", settings(prompt_words=2), {"unit": "piece", "piece_words": 3})
    assert [prompt.text for prompt in prompts] == ["uno dos", "cuatro cinco", "siete"]


DROP = generate.Drop(unfinished=True, min_words=5, repetition=0.4, near_duplicate=0.8)
GOOD = "uno dos tres cuatro cinco seis siete ocho nueve diez once doce"


@pytest.mark.parametrize(
    ("text", "ended", "reason"),
    [
        (GOOD, True, None),
        (GOOD, False, "unfinished"),
        ("uno dos tres", True, "too_short"),
        ("", True, "too_short"),
        (GOOD + " \ufffd", True, "broken_characters"),
        ("fiebre alta y tos " * 8, True, "repetitive"),
    ],
)
def test_faults(text, ended, reason):
    assert generate.fault(text, ended, DROP) == reason


def rows(*texts):
    return iter(
        {"text": text, "tokens": 10, "ended": True, "provenance": {"seed": [1, number]}}
        for number, text in enumerate(texts)
    )


def test_every_sampled_text_is_kept_or_counted_under_one_reason():
    other = " ".join(f"palabra{i}" for i in range(60))
    near = other.replace("palabra30", "otra")
    counts = Counter()
    kept = list(
        generate.accepted(
            rows(GOOD, "uno", other, "  " + GOOD.replace(" ", "\n"), near, GOOD[::-1]),
            settings(drop=DROP.model_dump()), 10_000, counts,
        )
    )  # fmt: skip
    assert [note.text for note in kept] == [GOOD, other, GOOD[::-1]]
    assert {key: count for key, count in counts.items() if key.startswith("dropped")} == {
        "dropped_too_short": 1, "dropped_exact_duplicate": 1, "dropped_near_duplicate": 1
    }  # fmt: skip
    assert (counts["sampled"], counts["kept"], counts["words"]) == (6, 3, 12 + 60 + 12)


def test_sampling_ends_at_the_volume_and_asks_for_no_further_text():
    def endless():
        number = 0
        while True:
            words = " ".join(f"w{number}x{i}" for i in range(10))
            yield {"text": words, "tokens": 1, "ended": True, "provenance": {"seed": [1, number]}}
            number += 1
            assert number <= 5

    counts = Counter()
    assert len(list(generate.accepted(endless(), settings(), 45, counts))) == 5
    assert counts["words"] == 50


def test_a_generator_that_writes_nothing_useful_ends_and_says_so(project, monkeypatch):
    with pytest.raises(UserError, match=r"none of the sampled texts could be kept \(dropped_too_short"):
        run(monkeypatch, drop=SETTINGS["drop"] | {"min_words": 1000}, attempts=1)
    assert not Path(OUT).exists()
    assert not Path("metrics.json").exists()


def test_an_adaptation_without_effect_is_an_error(project):
    base = models.load_decoder("base")
    base.save_pretrained("copy")
    with pytest.raises(UserError, match="adaptation had no effect"):
        generate.adapted("base", "copy", "full", "fp32")
    other = tiny.decoder(project / "other", seed=1)
    assert generate.adapted("base", other, "full", "bf16").dtype.itemsize == 2


def test_a_model_adapted_from_another_base(project, monkeypatch):
    tiny.decoder(project / "base", seed=5)
    with pytest.raises(UserError, match="adapted from another base"):
        run(monkeypatch)


def test_a_missing_generator_and_missing_prompts(project, monkeypatch):
    tiny.table(project / "prompts", "prompts", [])
    with pytest.raises(UserError, match="no notes to take prompts from"):
        run(monkeypatch)
    (project / "generator/adaptation.json").unlink()
    with pytest.raises(UserError, match="no adapted model here"):
        run(monkeypatch)
