import json
from pathlib import Path

import pytest

from stages.generation.engines import template_of
from stages.lm import models
from stages.models.rephraser import provide
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests import tiny
from tests.models.test_instruct import settings
from tests.runs import run, write_params

SETTINGS = settings()


def put(spec: dict) -> Path:
    prompts = {"rephrase": {"prompts": {"plain": "Otra vez: {text}"}}}
    write_params({"models": {"rephraser": {"r": spec}}, "pretraining": prompts})
    for folder in ("hub", "base", "pairs"):
        Path(folder).mkdir(exist_ok=True)
    run(provide, rephraser="r", hub="hub", base="base", pairs="pairs", out="placed")
    return Path("placed")


def test_a_rephraser_from_a_folder_is_copied_with_its_lineage(workdir):
    tiny.decoder(workdir / "hub/x")
    placed = put({"source": "folder", "path": "x"})
    assert models.hashes(placed) == models.hashes("hub/x")
    assert lineage.read(placed) == lineage.read("hub/x")


def test_a_served_rephraser_is_a_name(workdir):
    placed = put({"source": "server", "name": "llama-3.1-8b", "version": "Q4_K_M", "public": True})
    assert json.loads((placed / models.SERVED).read_text()) == {"model": "llama-3.1-8b", "version": "Q4_K_M"}
    assert {(read.notes, read.origin) for read in lineage.read(placed)} == {("server:llama-3.1-8b", "public")}
    placed = put({"source": "server", "name": "llama-3.1-8b"})
    assert {read.origin for read in lineage.read(placed)} == {"real"}
    with pytest.raises(UserError, match=r"models\.rephraser\.r"):
        put({"source": "server"})


@pytest.mark.parametrize("spec", [{"source": "folder", "path": "x"}, {"source": "server", "name": "m"}])
def test_arguments_of_the_chat_template_lie_beside_the_model(workdir, spec):
    tiny.decoder(workdir / "hub/x")
    assert template_of(put(spec)) == {}
    placed = put(spec | {"template": {"enable_thinking": False}})
    assert template_of(placed) == {"enable_thinking": False}


def test_a_hub_rephraser_is_pinned_like_any_model(workdir):
    with pytest.raises(UserError, match="full commit hash"):
        put({"source": "hub", "name": "some/instruct", "revision": "main"})
    assert not Path("placed").exists()


@pytest.mark.slow
def test_a_rephraser_trained_here_starts_with_a_base_models_tokenizer(workdir):
    tiny.decoder(workdir / "base/c")
    (workdir / "pairs/p").mkdir(parents=True)
    pair = {"prompt": "plain", "text": "tos seca", "answer": "seca tos"}
    (workdir / "pairs/p/pairs.jsonl").write_text(json.dumps(pair))
    spec = SETTINGS.model_dump() | {"steps": 2, "batch": 1}
    placed = put(spec)
    assert models.load_tokenizer(placed).chat_template
    assert models.load_decoder(placed).config.model_type == "llama"
    assert Read("pairs:p", "real", "gradient") in lineage.read(placed)
    with pytest.raises(UserError, match=r"other/pairs\.jsonl: not there"):
        put(spec | {"pairs": ["other"]})
    with pytest.raises(UserError, match=r"base/nobody: no model here"):
        put(spec | {"corpus": "nobody"})
