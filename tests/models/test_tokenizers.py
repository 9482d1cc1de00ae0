import pytest

from stages.models import tokenizers
from tests import tiny


@pytest.mark.parametrize(
    "text",
    ["  dos  espacios ", "a\r\nb\n\n\tc", "Ñandú e\u0301 😀 \ufeff", "28036-Madrid", "", "\n", "Œ\u00a0\u2003fin"],
)
@pytest.mark.parametrize("role", ["encoder", "decoder"])
def test_text_comes_back_unchanged(role, text):
    tokenizer = tiny.tokenizer(role)
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_digits_stand_alone_and_offsets_cover_the_text():
    tokenizer = tiny.tokenizer()
    encoded = tokenizer("Edad: 1987 años", return_offsets_mapping=True)
    pieces = ["Edad: 1987 años"[start:end] for start, end in encoded["offset_mapping"]]
    assert "".join(pieces) == "Edad: 1987 años"
    assert [piece for piece in pieces if any(map(str.isdigit, piece))] == list("1987")


def test_edges_are_added_for_an_encoder_only(tmp_path):
    from transformers import AutoTokenizer

    for role, edges in (("encoder", 2), ("decoder", 0)):
        tiny.tokenizer(role).save_pretrained(tmp_path / role)
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / role)
        with_edges, without = (
            tokenizer("fiebre")["input_ids"],
            tokenizer("fiebre", add_special_tokens=False)["input_ids"],
        )
        assert len(with_edges) == len(without) + edges
        assert None not in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token} == {"<s>", "</s>", "<pad>"}


def test_the_same_text_gives_the_same_tokenizer():
    first, second = (tokenizers.train(tiny.texts(50), 350, "decoder", 128).backend_tokenizer.to_str() for _ in "ab")
    assert first == second
