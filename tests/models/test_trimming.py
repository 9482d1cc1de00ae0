"""Vocabularies trimmed to what public texts need: the model stays the same, up to the tokens that are gone."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, Unigram, WordPiece
from tokenizers.trainers import BpeTrainer, UnigramTrainer
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedTokenizerFast

from stages.lm import models
from stages.models import trimming
from stages.models.base import provide
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from tests import tiny
from tests.runs import run, write_params

PUBLIC = ["Edad: 31 años.\nAcude por fiebre alta desde hace 2 días.", "Se pauta reposo."]
# Words and letters that the public texts lack.
UNSEEN = "Zacarías Wöllner-Quijano, vacunado el 3/7"


def trimmed(folder: Path, out: Path, texts: list[str] = PUBLIC) -> tuple[int, int]:
    out.mkdir()
    return trimming.trim(folder, iter(texts), out)


def logits(folder: Path, load, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return load(folder).eval()(input_ids=torch.tensor([ids])).logits[0]


def encoder(folder: Path, tokenizer: Tokenizer) -> Path:
    """A random-weight encoder with a tokenizer whose special tokens are those of XLM-R."""
    names = dict(bos="<s>", eos="</s>", pad="<pad>", unk="<unk>", mask="<mask>", cls="<s>", sep="</s>")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{role}_token": token for role, token in names.items()}
    )
    config = AutoConfig.for_model(
        "bert", vocab_size=len(fast), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, pad_token_id=fast.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = UnigramTrainer(
        vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], unk_token="<unk>",
        initial_alphabet=sorted(set(UNSEEN) - {" "}), show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(tiny.texts(60), trainer)
    edges = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=edges)
    return tokenizer


def with_byte_fallback() -> Tokenizer:
    """Characters, merges over blanks written as ▁, and bytes for unknown characters, as Gemma's."""
    tokenizer = Tokenizer(BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *(f"<0x{number:02X}>" for number in range(256))]
    trainer = BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(tiny.texts(60), trainer)
    content = json.loads(tokenizer.to_str())
    # Bytes are ordinary tokens, not special ones.
    content["added_tokens"] = [token for token in content["added_tokens"] if not token["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(content))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_decoder_predicts_the_same_from_the_tokens_that_are_kept(workdir, kind):
    source = tiny.decoder(workdir / "source", kind)
    before, after = trimmed(source, workdir / "out")
    old, new = models.load_tokenizer(source), models.load_tokenizer(workdir / "out")
    # Two thirds of the alphabet of bytes are in no text; they are kept to spell anything.
    assert (before, len(new)) == (len(old), after) and 256 < after < before
    for text in PUBLIC:
        ids = old(text)["input_ids"], new(text)["input_ids"]
        assert [tokens.convert_ids_to_tokens(part) for tokens, part in zip((old, new), ids, strict=True)] == [
            old.convert_ids_to_tokens(ids[0])
        ] * 2
        kept = old.convert_tokens_to_ids(new.convert_ids_to_tokens(list(range(after))))
        expected = logits(source, models.load_decoder, ids[0])[:, kept]
        assert torch.allclose(logits(workdir / "out", models.load_decoder, ids[1]), expected, atol=1e-6)
    assert new.decode(new(UNSEEN)["input_ids"]) == UNSEEN
    config = models.load_decoder(workdir / "out").config
    assert (config.vocab_size, config.eos_token_id) == (after, new.eos_token_id)
    assert (new.eos_token, new.pad_token) == (old.eos_token, old.pad_token)


@pytest.mark.parametrize("made", [unigram, with_byte_fallback])
def test_other_tokenizers_keep_what_spells_any_text(workdir, made):
    source = encoder(workdir / "source", made())
    before, after = trimmed(source, workdir / "out")
    assert after < before
    old, new = models.load_tokenizer(source), models.load_tokenizer(workdir / "out")
    for text in PUBLIC:
        tokens = old.tokenize(text, add_special_tokens=True)
        assert new.tokenize(text, add_special_tokens=True) == tokens
        kept = old.convert_tokens_to_ids(new.convert_ids_to_tokens(list(range(after))))
        expected = logits(source, models.load_masked, old(text)["input_ids"])[:, kept]
        found = logits(workdir / "out", models.load_masked, new(text)["input_ids"])
        assert torch.allclose(found, expected, atol=1e-6)
    assert new.unk_token_id not in new(UNSEEN)["input_ids"]
    assert new.decode(new(UNSEEN)["input_ids"], skip_special_tokens=True) == UNSEEN


def test_the_whole_stage_trims_and_says_what_it_read(workdir):
    source = tiny.decoder(workdir / "hub/m")
    (workdir / "public/story").mkdir(parents=True)
    lines = (json.dumps({"note_id": str(number), "text": text}) for number, text in enumerate(PUBLIC))
    (workdir / "public/story/text.jsonl").write_text("\n".join(lines), encoding="utf-8")
    write_params({"catalog": {"c": {"decoder": {"source": "folder", "path": "m", "trim": {"text": ["story"]}}}}})
    run(provide, corpus="c", role="decoder", public="public", hub="hub", out="placed")
    assert len(models.load_tokenizer("placed")) < len(models.load_tokenizer(source))
    assert lineage.read(Path("placed")) == lineage.read(source) | {Read("story", "public", "vocabulary")}


def test_what_cannot_be_trimmed_is_said_and_nothing_is_left(workdir):
    tokens = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "a")
    vocabulary = {token: number for number, token in enumerate(tokens)}
    encoder(workdir / "hub/m", Tokenizer(WordPiece(vocabulary, unk_token="<unk>")))
    (workdir / "public/story").mkdir(parents=True)
    (workdir / "public/story/text.jsonl").write_text('{"note_id": "1", "text": "a"}\n', encoding="utf-8")
    spec = {"source": "folder", "path": "m", "public": True, "trim": {"text": ["story"]}}
    write_params({"catalog": {"c": {"encoder": spec}}})
    arguments = {"corpus": "c", "role": "encoder", "public": "public", "hub": "hub", "out": "placed"}
    with pytest.raises(UserError, match="a tokenizer of the kind WordPiece cannot be trimmed"):
        run(provide, **arguments)
    Path("hub/m/tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"no fast tokenizer \(tokenizer.json\)"):
        run(provide, **arguments)
    assert not Path("placed").exists()
