import copy
from dataclasses import replace

import pytest
import torch

from benchmarks import lm_adaptation, ner_inference, rest_server, scoring
from stages.lm import models, packing
from stages.ner.tagger import Tagger
from stages.notes import note_table, tags
from stages.notes.note_table import Note, Span
from stages.runtime.errors import UserError
from tests import tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    from transformers import AutoConfig, AutoModelForTokenClassification

    tokenizer = tiny.tokenizer("encoder")
    names = dict(enumerate(tags.tag_names(["AGE", "PATIENT"])))
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "modernbert",
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        local_attention=16,
        id2label=names,
        label2id={name: number for number, name in names.items()},
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )
    model = AutoModelForTokenClassification.from_config(config)
    with torch.no_grad():
        model.classifier.weight.mul_(50)  # decided, and differently from word to word
    return Tagger(model.eval(), tokenizer, length=32, overlap=8)


@pytest.fixture(scope="module")
def gold() -> list[Note]:
    """Notes of one window and of several, each with a gold span."""
    texts = tiny.texts(6)
    texts = [*texts, " ".join(texts), "Eva Gil. " * 3]
    return [Note(f"n{i}", f"n{i}", text, (Span(0, 3, "PATIENT"),)) for i, text in enumerate(texts)]


def test_a_stock_pipeline_computes_the_same(tagger, gold):
    result = ner_inference.measure(tagger, tagger.model, gold, repeats=1)
    assert result["checks"]["largest_logit_difference"] <= 1e-4
    assert result["checks"]["notes_with_other_spans"] == 0
    assert result["checks"]["windows"] > len(gold)
    assert set(result["strict_f1"]) >= {"constrained decoding", "argmax of each word, repaired"}
    assert result["ratio_to_stock_default"]["stock fp32, batch 1"] == 1
    assert "| ours fp32 |" in ner_inference.table(result)


def test_another_model_is_found_out(tagger, gold):
    other = copy.deepcopy(tagger.model)
    with torch.no_grad():
        other.classifier.bias[1] += 0.001
    with pytest.raises(UserError, match="logits differ"):
        ner_inference.measure(tagger, other, gold, repeats=1)


def test_other_windows_are_found_out(tagger, gold):
    with ner_inference.captured(tagger.model) as ours:
        list(tagger.tag(gold))
    theirs = dict(list(ours.items())[1:])
    with pytest.raises(UserError, match="1 of"):
        ner_inference.check_logits(ours, theirs)


def test_spans_of_other_logits_are_found_out(tagger, gold):
    with ner_inference.captured(tagger.model) as logits:
        ours = list(tagger.tag(gold))
    assert any(note.spans for note in ours)
    ner_inference.check_spans(ours, list(ner_inference.replay(tagger, logits).tag(gold)))
    outside = {window: values * 0 + 10 * (values[:1] * 0 + [1, 0, 0, 0, 0]) for window, values in logits.items()}
    with pytest.raises(UserError, match="other spans"):
        ner_inference.check_spans(ours, list(ner_inference.replay(tagger, outside).tag(gold)))


def test_repair_begins_a_span_at_an_i_that_continues_nothing(tagger):
    class Scripted(Tagger):
        def log_probs(self, run):
            # Words: O I-AGE I-AGE I-PATIENT B-PATIENT I-PATIENT, in the order of tag_names.
            chosen = torch.tensor([[0, 2, 2, 4, 3, 4]])
            return [tags.word_offsets(run[0].text)], torch.nn.functional.one_hot(chosen, 5).float().numpy()

    scripted = Scripted(tagger.model, tagger.tokenizer, 32, 8)
    [note] = ner_inference.repaired(scripted, [Note("n", "n", "a b c d e f")])
    assert [(s.start, s.end, s.label) for s in note.spans] == [(2, 5, "AGE"), (6, 7, "PATIENT"), (8, 11, "PATIENT")]


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    folder = tiny.decoder(tmp_path_factory.mktemp("decoder"))
    model, tokenizer = models.load_decoder(folder), models.load_tokenizer(folder)
    texts = tiny.texts(24)
    return model, tokenizer, packing.tokenise(lambda: [*texts, " ".join(texts[:3])], tokenizer, folder)


def test_packed_and_padded_training_read_the_same(decoder, monkeypatch):
    monkeypatch.setenv("DEIDSYNTH_MICRO_BATCH", "8")
    monkeypatch.setenv("DEIDSYNTH_DEVICE", "cpu")
    model, tokenizer, tokens = decoder
    before = copy.deepcopy(model.state_dict())
    result = lm_adaptation.measure(model, tokenizer, tokens, context=64, batch=4, steps=2, repeats=2)
    assert result["useful_share"]["ours, packed"] == 1
    assert 0.3 < result["useful_share"]["stock, padded"] < 1
    assert result["checks"]["largest_logit_difference"] <= 1e-4
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert "| stock, padded |" in lm_adaptation.table(result)


def test_a_lost_piece_is_found_out(decoder):
    _, _, tokens = decoder
    chunks = lm_adaptation.cut(tokens, 32)
    assert max(len(chunk["input_ids"]) for chunk in chunks) == 32
    lm_adaptation.check_tokens(tokens, chunks, 32)
    with pytest.raises(UserError, match="not the same tokens"):
        lm_adaptation.check_tokens(tokens, chunks[1:], 32)


def test_padding_that_is_read_is_found_out(tmp_path):
    """A model of absolute positions is misled by padding before the text."""
    folder = tiny.decoder(tmp_path, "gpt2")
    model, tokenizer = models.load_decoder(folder), models.load_tokenizer(folder)
    chunks = lm_adaptation.cut(packing.tokenise(lambda: tiny.texts(3), tokenizer, tmp_path), 32)
    lm_adaptation.check_logits(model, lm_adaptation.collator(tokenizer), chunks)
    tokenizer.padding_side = "left"
    with pytest.raises(UserError, match="padding changes"):
        lm_adaptation.check_logits(model, lm_adaptation.collator(tokenizer), chunks)


def test_scores_are_those_of_seqeval_and_nervaluate(gold, monkeypatch):
    halves = [replace(note, spans=note.spans[: number % 2]) for number, note in enumerate(gold)]
    found = scoring.measure(gold, {"all": gold, "half": halves}, samples=100)
    hit = sum(len(note.spans) for note in halves) / len(gold)
    expected = {"precision": 1.0, "recall": pytest.approx(hit), "f1": pytest.approx(2 * hit / (1 + hit))}
    assert found["scores"]["half"] == dict.fromkeys(("ours", "seqeval", "nervaluate"), expected)
    assert found["scores"]["all"]["seqeval"]["f1"] == 1

    ours = scoring.scores.all_scores
    monkeypatch.setattr(scoring.scores, "all_scores", lambda totals: ours(totals) | {"strict_recall": hit + 0.0001})
    with pytest.raises(UserError, match=r"half: strict recall 0\.\d+ by us, 0\.\d+ by seqeval"):
        scoring.measure(gold, {"half": halves}, samples=100)


def test_texts_for_the_server_are_cut_from_all_notes_in_order(tmp_path):
    words = [f"w{number}" for number in range(250)]
    note_table.write(tmp_path / "notes", [Note(str(i), "g", " ".join(words[i::2])) for i in range(2)])
    first, second, third = rest_server.texts(str(tmp_path / "notes"), 3)
    order = [*words[::2], *words[1::2]] * 4
    assert [first.split(), second.split(), third.split()] == [order[:200], order[200:400], order[400:600]]
    note_table.write(tmp_path / "empty", [])
    with pytest.raises(UserError, match="empty: no notes"):
        rest_server.texts(str(tmp_path / "empty"), 1)
