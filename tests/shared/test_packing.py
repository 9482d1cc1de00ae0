import numpy as np
import pytest

from stages.shared import packing
from tests import tiny


@pytest.fixture(scope="module")
def tokenizer():
    return tiny.tokenizer()


@pytest.fixture(scope="module")
def tokens(tokenizer):
    return packing.tokenise(tiny.texts(30), tokenizer)


def test_a_document_is_its_text_between_begin_and_end(tokenizer, tokens):
    for number, text in enumerate(tiny.texts(30)):
        ids = tokens.ids[tokens.starts[number] : tokens.starts[number + 1]]
        assert (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
        assert tokenizer.decode(ids[1:-1]) == text


def test_every_epoch_reads_every_document_once_whole_and_in_another_order(tokens):
    size, context = len(tokens.ids), 37
    stream = packing.Stream(tokens, context, 2 * size // context, seed=1)
    read = np.concatenate([stream[block]["input_ids"] for block in range(len(stream))])
    documents = sorted(
        tuple(tokens.ids[tokens.starts[i] : tokens.starts[i + 1]]) for i in range(tokens.documents)
    )
    orders = []
    for epoch in (read[:size], read[size : 2 * size]):
        ends = np.flatnonzero(epoch == tokens.ids[-1]) + 1
        found = [tuple(part) for part in np.split(epoch, ends)[:-1]]
        orders.append(found)
        # The second epoch's last document may be cut by the end of the stream.
        assert len(found) >= tokens.documents - 1
        assert set(found) <= set(documents)
    assert sorted(orders[0]) == documents
    assert orders[0][:10] != orders[1][:10]


def test_a_block_depends_on_the_seed_and_its_number_alone(tokens):
    stream = packing.Stream(tokens, 64, 40, seed=3)
    forwards = [stream[block]["input_ids"] for block in range(40)]
    backwards = [packing.Stream(tokens, 64, 40, seed=3)[block]["input_ids"] for block in reversed(range(40))]
    np.testing.assert_array_equal(forwards, backwards[::-1])
    assert not np.array_equal(
        forwards, [packing.Stream(tokens, 64, 40, seed=4)[b]["input_ids"] for b in range(40)]
    )


@pytest.mark.parametrize("context", [16, 64, 10_000])
def test_evaluation_predicts_every_token_once_without_padding(tokens, context):
    blocks = packing.Blocks(tokens, context)
    counted = np.concatenate(
        [block["labels"][block["labels"] != -100] for block in map(blocks.__getitem__, range(len(blocks)))]
    )
    np.testing.assert_array_equal(counted, tokens.ids)
    assert {len(blocks[block]["input_ids"]) for block in range(len(blocks))} == {
        min(context, len(tokens.ids))
    }


def test_masking_chooses_its_share_and_never_a_special_token(tokenizer):
    ids = np.tile(np.arange(2, len(tokenizer)), 200)
    special = tuple(tokenizer.all_special_ids)
    mask = 3
    noisy, labels = packing.Masking(0.3, mask, len(tokenizer), special).apply(ids, np.random.default_rng(0))
    chosen = labels != -100
    assert chosen.mean() == pytest.approx(0.3, abs=0.01)
    assert not np.isin(labels[chosen], special).any()
    np.testing.assert_array_equal(labels[chosen], ids[chosen])
    assert (noisy[~chosen] == ids[~chosen]).all()
    assert (noisy[chosen] == mask).mean() == pytest.approx(0.8, abs=0.01)
    assert (noisy[chosen] == ids[chosen]).mean() == pytest.approx(0.1, abs=0.01)


def test_a_tokenizer_without_begin_uses_its_end():
    tokenizer = tiny.tokenizer()
    tokenizer.bos_token = None
    assert packing.edges(tokenizer) == (tokenizer.eos_token_id, tokenizer.eos_token_id)


def test_steps_of_epochs(tokens):
    assert packing.steps(tokens, 32, 4, 2.0) == round(2 * len(tokens.ids) / 128)
    assert packing.steps(tokens, 10_000, 64, 1.0) == 1
