import json
from pathlib import Path

import pytest

from stages.lm import models
from stages.models.base import Base, provide
from stages.runtime import lineage, params
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests import graph, tiny
from tests.runs import run, write_params

TRAINING = {
    "steps": 8, "batch": 4, "context": 32, "optimizer": "adamw", "learning_rate": 0.005, "schedule": "linear",
    "warmup": 0.0, "weight_decay": 0.0, "precision": "fp32",
}  # fmt: skip
SCRATCH = {
    "decoder": {"source": "scratch", "architecture": "llama", "config": tiny.DECODERS["llama"], "text": ["story"],
                "vocab_size": 400, "seed": 1, "pretrain": TRAINING},
    "encoder": {"source": "scratch", "architecture": "modernbert",
                "config": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
                           "num_attention_heads": 4, "max_position_embeddings": 128, "sparse_prediction": True},
                "text": ["story"], "vocab_size": 400, "seed": 1, "pretrain": TRAINING | {"mask": 0.3}},
}  # fmt: skip


@pytest.fixture
def project(workdir):
    """A project with one public text."""
    folder = workdir / "data/public/story"
    folder.mkdir(parents=True)
    rows = [{"note_id": str(number), "text": text} for number, text in enumerate(tiny.texts(60))]
    (folder / "text.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return workdir


def put(role, spec, out="data/models/base/c/x"):
    write_params({"catalog": {"c": {role: spec}}})
    run(provide, corpus="c", role=role, public="data/public", hub=".", out=out)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("role", ["encoder", "decoder"])
def test_a_scratch_model_learns_its_public_text(project, role):
    import torch

    from stages.lm import packing

    load = models.load_masked if role == "encoder" else models.load_decoder
    untrained = put(role, SCRATCH[role] | {"pretrain": None}, "untrained")
    trained = put(role, SCRATCH[role] | {"pretrain": TRAINING | {"steps": 40, "mask": 0.3}}, "trained")
    again = put(role, SCRATCH[role] | {"pretrain": TRAINING | {"steps": 40, "mask": 0.3}}, "again")
    tokenizer = models.load_tokenizer(trained)
    masking = packing.Masking(0.3, 3, len(tokenizer), (0, 1, 2, 3)) if role == "encoder" else None
    blocks = packing.Blocks(packing.tokenise(lambda: tiny.texts(20), tokenizer, project), 32, masking)
    loss = {}
    for folder in (untrained, trained):
        batch = {key: torch.stack([torch.from_numpy(blocks[b][key]) for b in range(8)]) for key in blocks[0]}
        with torch.inference_mode():
            loss[folder] = load(folder).eval()(**batch).loss.item()
    assert loss["trained"] < loss["untrained"] - 1
    assert models.digest(trained) == models.digest(again)
    assert not list(project.glob("data/.scratch/models/base/*"))
    assert lineage.read(untrained) == {Read("story", "public", "vocabulary")}
    assert lineage.read(trained) == {Read("story", "public", "vocabulary"), Read("story", "public", "gradient")}
    assert (tokenizer.mask_token is not None) == (role == "encoder")
    config = load(trained).config
    assert (config.vocab_size, config.pad_token_id) == (len(tokenizer), tokenizer.pad_token_id)


@pytest.mark.slow
def test_the_origin_of_a_public_text_is_taken_over(project):
    lineage.write(project / "data/public/story", [Read("demo/public-text", "invented", "content")])
    out = put("decoder", SCRATCH["decoder"] | {"pretrain": None})
    assert lineage.read(out) == {Read("demo/public-text", "invented", "vocabulary")}


def test_a_folder_is_copied_with_its_lineage(project, capsys):
    source = tiny.decoder(project / "elsewhere")
    (source / "pytorch_model.bin").write_bytes(b"pickled")
    out = put("decoder", {"source": "folder", "path": "elsewhere"})
    assert models.hashes(out) == models.hashes(source)
    assert not (project / out / "pytorch_model.bin").exists()
    assert lineage.read(out) == lineage.read(source)
    assert "warning" not in capsys.readouterr().out


def test_a_folder_of_unknown_origin_counts_as_real_until_somebody_declares_it_public(project, capsys):
    source = tiny.decoder(project / "elsewhere")
    (source / "lineage.json").unlink()
    out = put("decoder", {"source": "folder", "path": "elsewhere"})
    assert lineage.read(out) == {
        Read("folder:elsewhere", "real", "gradient"),
        Read("folder:elsewhere", "real", "vocabulary"),
    }
    assert "set `public: true` beside it in params.yaml" in capsys.readouterr().out
    put("decoder", {"source": "folder", "path": "elsewhere", "public": True})
    assert {read.origin for read in lineage.read(out)} == {"public"}
    assert "warning" not in capsys.readouterr().out
    # A declaration does not overrule the record of a model that was made here.
    lineage.write(source, [Read("c/0/train", "real", "gradient")])
    put("decoder", {"source": "folder", "path": "elsewhere", "public": True})
    assert lineage.read(out) == {Read("c/0/train", "real", "gradient")}


def test_a_hub_model_leaves_name_commit_and_hashes(project, monkeypatch):
    source = tiny.decoder(project / "cache")
    monkeypatch.setattr(models, "download", lambda name, revision: str(source))
    out = put("decoder", {"source": "hub", "name": "a/b", "revision": "c" * 40})
    pointer = json.loads((project / out / models.POINTER).read_text())
    assert pointer == {"name": "a/b", "revision": "c" * 40, "files": models.hashes(source)}
    assert {file.name for file in (project / out).iterdir()} == {models.POINTER, lineage.FILE}
    assert models.load_tokenizer(out).eos_token == "</s>"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"source": "folder", "path": "nowhere"}, "no model here"),
        ({"source": "hub", "name": "a/b", "revision": "main"}, "full commit hash"),
        ({"source": "hub", "name": "a/b"}, r"revision: Field required"),
        ({"source": "hub", "name": "a/b", "revision": "d" * 40}, "is not in the local cache and could not"),
        (SCRATCH["decoder"] | {"text": ["missing"]}, "missing/text.jsonl: no such public text"),
        (SCRATCH["decoder"] | {"architecture": "lama"}, "architecture lama"),
        (SCRATCH["decoder"] | {"vocab": 3}, "vocab is not a known key"),
        ({"source": "disk"}, "source"),
    ],
)
def test_an_error_the_user_can_fix_is_explained_and_nothing_is_left(project, spec, message):
    with pytest.raises(UserError, match=message):
        put("decoder", spec)
    assert not list(project.glob("data/models/base/c/*"))


def test_an_encoder_needs_a_mask_share(project):
    with pytest.raises(UserError, match=r"catalog\.c\.encoder\.pretrain\.mask is missing"):
        put("encoder", SCRATCH["encoder"] | {"pretrain": TRAINING})


def test_a_broken_line_is_named_without_its_text(project):
    with (project / "data/public/story/text.jsonl").open("a") as file:
        file.write('{"note_id": "x", "txt": "marca secreta"}\n')
    with pytest.raises(UserError, match=r"text.jsonl:61") as error:
        put("decoder", SCRATCH["decoder"])
    assert "marca" not in str(error.value)


@pytest.mark.parametrize("role", ["encoder", "decoder"])
def test_the_demo_has_both_models(role):
    content = params.read(Path(graph.ROOT) / "params.yaml")
    assert params.parse(Base, f"catalog.demo-es.{role}", content).root.source == "scratch"
