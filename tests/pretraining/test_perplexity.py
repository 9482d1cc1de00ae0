import json
from pathlib import Path

import polars as pl
import pytest
import torch

from stages.lm import models
from stages.notes import note_table
from stages.pretraining import perplexity
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests import tiny
from tests.runs import run, write_params


@pytest.fixture
def project(workdir: Path) -> Path:
    tiny.decoder(workdir / "model")
    tiny.table(workdir / "test", "test", tiny.texts(6))
    (workdir / "public/cases").mkdir(parents=True)
    rows = [json.dumps({"note_id": f"p{i}", "text": text}) for i, text in enumerate(tiny.texts(12)[6:])]
    (workdir / "public/cases/text.jsonl").write_text("\n".join(rows))
    return workdir


def measure(elsewhere=("cases",)) -> tuple[pl.DataFrame, dict]:
    rewriting = {"clinical_notes": True, "unseen": ["cases"], "elsewhere": list(elsewhere)}
    settings = {"pretraining": {"perplexity": {"context": 256}}, "catalog": {"demo": {"rewriting": rewriting}}}
    write_params(settings)
    cell = {"mixture": "m", "corpus": "demo", "fold": 0, "seed": 1}
    run(perplexity.measure, **cell, model="model", test="test", public="public", out="out", metrics="m.json")
    return pl.read_parquet("out/losses.parquet"), json.loads(Path("m.json").read_text())


def test_losses_are_the_models_own(project):
    losses, metrics = measure()
    assert losses["part"].to_list() == ["test"] * 6 + ["cases"] * 6
    assert "text" not in losses.columns
    model, tokenizer = models.load_decoder("model").eval(), models.load_tokenizer("model")
    for note, row in zip(note_table.read("test"), losses.iter_rows(named=True), strict=False):
        ids = [tokenizer.bos_token_id, *tokenizer(note.text)["input_ids"], tokenizer.eos_token_id]
        ids = torch.tensor([ids])
        with torch.inference_mode():
            loss = model(input_ids=ids, labels=ids).loss.item()
        assert row["note_id"] == note.note_id
        assert row["nats"] == pytest.approx(loss * (ids.shape[1] - 1), rel=1e-4)
        assert (row["tokens"], row["bytes"]) == (ids.shape[1] - 1, len(note.text.encode()))
    for part in ("test", "cases"):
        of = losses.filter(part=part)
        bits = of["nats"].sum() / of["bytes"].sum() / 0.6931471805599453
        assert metrics[part]["bits_per_byte"] == pytest.approx(bits, abs=1e-5)


def test_what_is_scored_is_read_but_not_trained_on(project):
    measure()
    assert {read.how for read in lineage.read("out")} == {"tags", "content"}
    assert Read("demo/0/test", "real", "content") in lineage.read("out")


def test_text_from_elsewhere_that_is_not_there(project):
    with pytest.raises(UserError, match=r"public/other/text\.jsonl: no such public text"):
        measure(elsewhere=("other",))
