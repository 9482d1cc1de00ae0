import json
import shutil

import pytest
import torch
import transformers

from stages.lm import models
from stages.runtime.errors import UserError
from tests import tiny


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.decoder(tmp_path_factory.mktemp("base"))


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(UserError, match=r"no model here \(no config.json\)"):
        models.load_decoder(tmp_path / "nothing")


def test_pickled_weights_are_refused(base, tmp_path):
    (tmp_path / "config.json").write_text((base / "config.json").read_text())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors"):
        models.load_decoder(tmp_path)


def test_a_hub_model_without_network(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / models.POINTER).write_text(json.dumps({"name": "someone/model", "revision": "a" * 40}))
    with pytest.raises(UserError, match="someone/model at aaaaaaaaaaaa is not in the local cache"):
        models.load_tokenizer(tmp_path / "m")


def test_a_hub_model_is_loaded_from_the_cache_by_its_commit(base, tmp_path, monkeypatch):
    import huggingface_hub.constants

    commit = "b" * 40
    snapshot = tmp_path / "models--someone--model" / "snapshots" / commit
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(base)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "m").mkdir()
    pointer = {"name": "someone/model", "revision": commit, "files": models.hashes(base)}
    (tmp_path / "m" / models.POINTER).write_text(json.dumps(pointer))
    assert models.resolve(tmp_path / "m") == str(snapshot)
    assert models.load_decoder(tmp_path / "m").config.model_type == "llama"
    pointer["files"]["config.json"] = "0" * 64
    (tmp_path / "m" / models.POINTER).write_text(json.dumps(pointer))
    with pytest.raises(UserError, match=r"not the files of someone/model that .*hub\.json names; delete"):
        models.resolve(tmp_path / "m")


def test_a_cached_snapshot_without_weights_is_no_model(base, tmp_path, monkeypatch):
    import huggingface_hub

    cached = tmp_path / "snapshot"
    cached.mkdir()
    (cached / "config.json").write_text("{}")

    def snapshot(name, local_files_only=False, **_):
        if local_files_only:
            return str(cached)
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(UserError, match="someone/model at bbbbbbbbbbbb is not in the local cache"):
        models.download("someone/model", "b" * 40)


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        ("llama", {"max_position_embeddings": 256}, 256),
        ("bloom", {}, 10**9),
        # As published: 514 positions, of which the padding token's number plus one are never used.
        ("roberta", {"max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ("gemma3", {"text_config": {"max_position_embeddings": 4096}}, 4096),
    ],
)
def test_the_context_of_a_model(kind, config, expected):
    assert models.context(transformers.AutoConfig.for_model(kind, **config)) == expected


def test_roberta_reads_its_context_and_not_a_token_more():
    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    positions = {"max_position_embeddings": 34, "pad_token_id": 1}
    config = transformers.AutoConfig.for_model("roberta", vocab_size=9, **size, **positions)
    model = transformers.AutoModel.from_config(config).eval()
    most = models.context(config)
    assert model(torch.full((1, most), 5)).last_hidden_state.shape == (1, 32, 8)
    with pytest.raises((IndexError, RuntimeError)):
        model(torch.full((1, most + 1), 5))


def test_precision_is_that_of_the_weights(base):
    assert models.load_decoder(base, "bf16").dtype == torch.bfloat16
    assert models.load_decoder(base).dtype == torch.float32


def test_a_fingerprint_names_the_content(base, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in base.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert models.digest(copy) == models.digest(base)
    (copy / "lineage.json").write_text("[]\n")
    assert models.digest(copy) == models.digest(base)
    (copy / "model.safetensors").write_bytes(b"other")
    assert models.digest(copy) != models.digest(base)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("modernbert", {"intermediate_size": 48, "max_position_embeddings": 64, "global_attn_every_n_layers": 2}),
        # The classes of roberta-base-bne and SweDeClin-BERT.
        ("roberta", {"intermediate_size": 64, "max_position_embeddings": 66}),
        ("bert", {"intermediate_size": 64, "max_position_embeddings": 64}),
    ],
)
def test_an_encoder_gets_a_head_with_the_labels_in_order(tmp_path, kind, config):
    from transformers import AutoConfig, AutoModelForMaskedLM

    tokenizer = tiny.tokenizer("encoder")
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad", "cls", "sep")}
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": len(tokenizer)}
    AutoModelForMaskedLM.from_config(AutoConfig.for_model(kind, **sizes, **ids, **config)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = models.load_encoder(tmp_path, ["O", "B-DATE", "I-DATE"])
    assert [model.config.id2label[number] for number in range(3)] == ["O", "B-DATE", "I-DATE"]
    model.save_pretrained(tmp_path / "tagger")
    tokenizer.save_pretrained(tmp_path / "tagger")
    tagger, loaded = models.load_tagger(tmp_path / "tagger")
    encoded = loaded("Edad: 37 años", return_tensors="pt")
    with torch.inference_mode():
        assert tagger(**encoded).logits.shape == (1, encoded["input_ids"].shape[1], 3)
    assert models.load_masked(tmp_path).config.model_type == kind


def test_the_device_is_what_the_environment_says(monkeypatch):
    monkeypatch.setenv("DEIDSYNTH_DEVICE", "cpu")
    assert models.device() == "cpu"
    monkeypatch.setenv("DEIDSYNTH_DEVICE", "cuda")
    assert models.device() == "cuda"
    monkeypatch.setenv("LOCAL_RANK", "1")  # the second process of torchrun
    assert models.device() == "cuda:1"


@pytest.fixture
def slow(base, tmp_path):
    """A decoder with a tokenizer in Python, as GPT-SW3 has one: each byte is a token, and there are no offsets."""
    shutil.copytree(base, tmp_path / "slow")
    (tmp_path / "slow" / "tokenizer.json").unlink()
    transformers.ByT5Tokenizer(extra_ids=0).save_pretrained(tmp_path / "slow")
    return tmp_path / "slow"


def test_a_slow_tokenizer_serves_where_no_offsets_are_needed(slow):
    tokenizer = models.load_tokenizer(slow)
    assert (type(tokenizer).__name__, tokenizer.is_fast) == ("ByT5Tokenizer", False)
    assert models.bos(tokenizer) == []
    assert list(models.documents(["aé"], tokenizer)) == [[100, 198, 172, 1]]
    assert len(models.load_counter(slow, offsets=False).encode_batch_fast(["aé"], add_special_tokens=False)[0]) == 3
    for load in (models.load_counter, lambda folder: models.load_tokenizer(folder, offsets=True)):
        with pytest.raises(UserError, match="slow: no fast tokenizer"):
            load(slow)


def test_a_counter_cuts_texts_into_the_tokenizer_s_tokens(tmp_path):
    """Whole texts, also where the tokenizer's file says to cut them, and from the files of an older model."""
    folder = tiny.decoder(tmp_path / "model", "gpt2")
    texts = [" ".join(tiny.texts(8)), "á\n\t  2,5 mg"]
    whole = models.load_tokenizer(folder)(texts, add_special_tokens=False)["input_ids"]
    file = folder / "tokenizer.json"
    short = {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"truncation": short}))
    counter = models.load_counter(folder)
    assert [encoded.ids for encoded in counter.encode_batch(texts, add_special_tokens=False)] == whole

    counter.model.save(str(folder))
    file.unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer"}))
    older = models.load_counter(folder)
    assert older.decode(older.encode(texts[1], add_special_tokens=False).ids) == texts[1]
