import pytest
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from stages.lm import round_trip
from stages.lm.round_trip import Kept
from stages.runtime.errors import UserError
from tests import tiny

TEXTS = ["Nombre: Ana.\nEdad:  3 años.\n", "Alta"]


@pytest.fixture(scope="module")
def lossy():
    """Like XLM-R's tokenizer: words without the white space between them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace("\n", " "), normalizers.Replace("  ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator([], trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def test_what_a_tokenizer_loses_is_counted(lossy):
    # Two line breaks become blanks, which make up for the one of two blanks in a row that goes.
    kept = round_trip.measure(lossy, TEXTS)
    assert kept == Kept(texts=2, exact=1, characters=32, characters_kept=30, line_breaks=2, line_breaks_kept=0)
    assert kept.share == 0


def test_our_tokenizers_lose_nothing():
    kept = round_trip.measure(tiny.tokenizer(), [*tiny.texts(9), "\t a\r\n  ñ😀\n"])
    assert (kept.texts, kept.exact, kept.share) == (10, 10, 1)
    assert round_trip.measure(tiny.tokenizer(), []).share == 1


def test_a_loss_is_a_warning_or_an_error(lossy, capsys):
    loss = "the tokenizer gives back 1 of 2 texts exactly, 30 of 32 characters and 0 of 2 line breaks"
    round_trip.check(lossy, TEXTS, 0.0, "a.key")
    assert capsys.readouterr().out == f"warning: {loss}\n"
    with pytest.raises(UserError, match=f"{loss}: .*lower a.key in params.yaml, which is 0.99"):
        round_trip.check(lossy, TEXTS, 0.99, "a.key")
    # Without line breaks, the characters decide.
    blanks = ["a  b" + "c" * 96]
    assert round_trip.check(lossy, blanks, 0.99, "a.key").share == 0.99
    with pytest.raises(UserError, match="99 of 100 characters and 0 of 0 line breaks"):
        round_trip.check(lossy, blanks, 0.991, "a.key")


def test_nothing_is_said_where_nothing_is_lost(capsys):
    round_trip.check(tiny.tokenizer(), TEXTS, 1.0, "a.key")
    assert capsys.readouterr().out == ""
