import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from stages.ner import ceiling
from stages.notes import tags
from stages.notes.note_table import Note, Span
from tests import tiny

NAMES = tags.tag_names(["AGE", "NAME"])
TEXT = "Ana,33 y Eva 4"
NOTE = Note("n", "n", TEXT, (Span(0, 3, "NAME"), Span(4, 6, "AGE"), Span(9, 12, "NAME"), Span(13, 14, "AGE")))


@pytest.fixture(scope="module")
def merging():
    """A tokenizer whose tokens are what stands between blanks: Ana, the comma and 33 are one token."""
    words = ["Ana,33", "y", "Eva", "4", "<unk>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def test_words_that_share_a_subword_get_the_first_one_s_tag(merging):
    # Ana, the comma and 33 get B-NAME: three spans, one of them right, and the age is missed. Eva and 4 are right.
    assert ceiling.strict_f1([NOTE], merging, NAMES) == round(2 * 3 / (5 + 4), 6)
    # 33 gets the O of Ana, so the age can only begin with its second word.
    note = Note("n", "n", "Ana,33 y", (Span(4, 8, "AGE"),))
    assert ceiling.strict_f1([note], merging, NAMES) == 0


def test_a_span_that_ends_inside_a_word_is_out_of_reach():
    note = Note("n", "n", "Ana Ruiz", (Span(0, 3, "NAME"), Span(4, 6, "NAME")))
    assert ceiling.strict_f1([note], tiny.tokenizer("encoder"), NAMES) == 0.5


def test_our_tokenizers_cap_nothing():
    assert ceiling.strict_f1([NOTE] * 3, tiny.tokenizer("encoder"), NAMES) == 1.0
    assert ceiling.strict_f1([Note("n", "n", "")], tiny.tokenizer("encoder"), NAMES) is None
