import random

import pytest
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast, XLMRobertaTokenizer

from stages.ner import ceiling, words
from stages.notes import tags
from stages.notes.note_table import Note, Span
from tests import tiny

NAMES = tags.tag_names(["DATE", "ID"])
TEXT = "Alta 3/12/2005,7 fin"
NOTE = Note("n", "n", TEXT, (Span(5, 14, "DATE"), Span(15, 16, "ID")))
SPECIAL = ("<s>", "</s>", "<unk>", "<pad>", "<mask>")


def crossed(text, tokenizer):
    """The subwords that cover characters of two words."""
    edges = tags.word_offsets(text)
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    covered = [sum(first < end and start < last for first, last in edges) for start, end in offsets]
    return [text[start:end] for (start, end), words in zip(offsets, covered, strict=True) if words > 1]


@pytest.fixture
def sentencepiece():
    """A Unigram tokenizer with pieces that join words, of a class that builds its own pre-tokenizer when loaded."""
    single = sorted({*TEXT, "\u2581"} - {" "})
    joined = ["\u2581Alta", "\u2581fin", "/12/", "05,7", "20"]
    pieces = (
        [(piece, 0.0) for piece in SPECIAL]
        + [(piece, -9.0) for piece in single]
        + [(piece, -1.0) for piece in joined]
    )
    return XLMRobertaTokenizer(vocab=pieces)


def test_subwords_that_join_words_are_taken_apart(sentencepiece):
    before = sentencepiece.tokenize(TEXT)
    assert before == ["\u2581Alta", "\u2581", "3", "/12/", "20", "05,7", "\u2581fin"]
    assert crossed(TEXT, sentencepiece) == ["/12/", "05,7"]
    # 2005, the comma and 7 share a subword: both spans are wrong.
    assert ceiling.strict_f1([NOTE], sentencepiece, NAMES) < 1
    made = words.apart(sentencepiece)
    assert made.tokenize(TEXT) == "\u2581Alta \u2581 3 / 1 2 / 20 0 5 , 7 \u2581fin".split(" ")
    assert crossed(TEXT, made) == []
    assert ceiling.strict_f1([NOTE], made, NAMES) == 1.0


def test_it_stays_so_when_it_is_saved_and_loaded(sentencepiece, tmp_path):
    made = words.apart(sentencepiece)
    expected = made(TEXT)
    made.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert dict(loaded(TEXT)) == dict(expected)
    assert loaded.special_tokens_map == sentencepiece.special_tokens_map
    assert loaded.model_max_length == sentencepiece.model_max_length


def test_words_are_those_of_the_tags(sentencepiece):
    draw = random.Random(1)
    made = words.apart(sentencepiece)
    letters = "aÑe\u0301\u0327ß7٣ _-/.,(\n\u2581中½²º"
    for _ in range(2000):
        text = "".join(draw.choices(letters, k=12))
        assert crossed(text, made) == []


@pytest.mark.parametrize("kind", ["encoder", "none"])
def test_other_tokenizers_are_left_as_they_are(kind):
    plain = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>")))
    tokenizer = tiny.tokenizer("encoder") if kind == "encoder" else plain
    before = tokenizer.backend_tokenizer.to_str()
    assert words.apart(tokenizer) is tokenizer
    assert tokenizer.backend_tokenizer.to_str() == before
