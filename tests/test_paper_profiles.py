"""The papers' protocols as profiles/ hold them, run with random models of the classes that they name."""

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml

from scripts.study import merged
from stages.shared import lineage, models, notes
from stages.shared.lineage import Read
from stages.shared.notes import Note, Span
from tests import tiny
from tests.graph import ROOT

pytest.importorskip("bitsandbytes", reason="paper1 needs the extra qlora")
pytestmark = pytest.mark.slow

# What random models of 32 numbers a token cannot do with; nothing else of the protocol is changed.
SMALLER = {
    "ner": {
        "train": {"length": 128, "learning_rate": 0.01, "probes": 1},
        "evaluate": {"bootstrap": {"samples": 100}},
    },
    "synthesis": {
        "adapt": {"context": 64, "epochs": 1, "learning_rate": 0.02, "evaluations": 1},
        "generate": {
            "max_new_tokens": 12,
            # Of what little the decoder knows the surest: rare bytes would make broken characters.
            "temperature": 0.5,
            "chunk": 64,
            "volume": 0.1,
            "attempts": 20,
            "drop": {"unfinished": False, "min_words": 1, "repetition": 1.0, "near_duplicate": 1.0},
        },
    },
}
CORPUS = "meddocan"


def encoder(folder: Path) -> None:
    """roberta-base-bne's classes."""
    from transformers import RobertaConfig, RobertaForMaskedLM

    tokenizer = tiny.tokenizer("encoder")
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
    )
    RobertaForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def table(folder: Path, role: str, texts: list[str]) -> None:
    """Notes of a role, the name at their head tagged."""
    tagged = []
    for number, text in enumerate(texts):
        name = Span(len("Nombre: "), text.index("."), "NOMBRE_SUJETO_ASISTENCIA")
        tagged.append(Note(f"{role}-{number}", f"{role}-{number}", text, (name,)))
    notes.write(folder, tagged)
    lineage.write(folder, [Read(f"{CORPUS}/0/{role}", "real", "content")])


@pytest.fixture
def protocol(workdir: Path) -> dict:
    """params.yaml of the profile, smaller; base models in data/hub; the roles' notes."""
    base = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    profile = yaml.safe_load((ROOT / "profiles/paper1.yaml").read_text(encoding="utf-8"))
    settings = merged(merged(base, profile), SMALLER)
    Path("params.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    named = settings["corpora"][CORPUS]
    encoder(workdir / "data/hub" / named["encoder"]["path"])
    bloom = tiny.decoder(workdir / "data/hub" / named["decoder"]["path"], "bloom")
    (bloom / lineage.FILE).unlink()
    texts = tiny.texts(80)
    table(workdir / "train", "train", texts[:50])
    table(workdir / "prompts", "prompts", texts[50:60])
    table(workdir / "select", "select", texts[60:65])
    table(workdir / "test", "test", texts[65:])
    return settings


def stage(monkeypatch: pytest.MonkeyPatch, name: str, arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments.split()])
    import_module(f"stages.{name}").main()


def test_paper_1_from_base_models_to_a_score(protocol, monkeypatch):
    cell = f"{CORPUS}/0/1"
    for role in ("encoder", "decoder"):
        place = f"--public data/public --hub data/hub --out base/{role}"
        stage(monkeypatch, "models.base", f"--corpus {CORPUS} --role {role} {place}")
    assert type(models.load_decoder("base/decoder")).__name__ == "BloomForCausalLM"
    assert type(models.load_masked("base/encoder")).__name__ == "RobertaForMaskedLM"

    adapt = f"--base base/decoder --notes train --select select --seed 1 --out generator/{cell}"
    stage(monkeypatch, "synthesis.adapt", f"{adapt} --metrics adapt.json")
    assert json.loads(Path("adapt.json").read_text())["method"] == "qlora"
    adapter = json.loads(Path(f"generator/{cell}/adapter_config.json").read_text())
    assert (adapter["r"], adapter["lora_alpha"], adapter["modules_to_save"]) == (8, 32, None)

    sample = f"--base base/decoder --model generator/{cell} --prompts prompts --train train --seed 1"
    stage(monkeypatch, "synthesis.generate", f"{sample} --out generated/{cell} --metrics generate.json")
    invented = list(notes.read(f"generated/{cell}"))
    openings = tuple(" ".join(note.text.split()[:3]) for note in notes.read("prompts"))
    assert all(note.text.startswith(openings) for note in invented)

    learn = "--base base/encoder --select select --seed 1"
    stage(monkeypatch, "ner.train", f"{learn} --notes train --out ner/real/{cell} --metrics real.json")
    tag = f"--annotator ner/real/{cell} --notes generated/{cell} --out annotated/{cell}"
    stage(monkeypatch, "synthesis.annotate", tag)
    assert [note.text for note in notes.read(f"annotated/{cell}")] == [note.text for note in invented]
    learn += f" --notes annotated/{cell} --out ner/synthetic/{cell} --metrics synthetic.json"
    stage(monkeypatch, "ner.train", learn)
    # Six passes over pieces, sixteen windows a step.
    trained = json.loads(Path("synthetic.json").read_text())
    assert trained["steps"] == max(1, round(6 * trained["windows"] / 16))

    score = f"--model ner/synthetic/{cell} --test test --train train --out predicted/synthetic/{cell}"
    stage(monkeypatch, "ner.evaluate", f"{score} --metrics score.json")
    assert json.loads(Path("score.json").read_text())["counts"]["notes"] == 15
