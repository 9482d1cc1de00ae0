import numpy as np
import pytest

from stages.lm import models, packing
from stages.runtime.errors import UserError
from tests import tiny


@pytest.fixture(scope="module")
def tokenizer():
    return tiny.tokenizer()


@pytest.fixture(scope="module")
def documents(tokenizer, tmp_path_factory):
    return packing.tokenise(lambda: tiny.texts(30), tokenizer, tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
def ids(documents):
    """All tokens, end to end."""
    return documents.read(0, documents.tokens)


def document(documents, number):
    return documents.read(documents.starts[number], documents.starts[number + 1])


def test_a_document_is_its_text_between_begin_and_end(tokenizer, documents):
    assert len(documents) == 30
    for number, text in enumerate(tiny.texts(30)):
        ids = document(documents, number)
        assert (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
        assert tokenizer.decode(ids[1:-1]) == text


def read_through(stream):
    """The documents' tokens as the blocks predict them: all but a block's first token, and block 0's first."""
    first, *others = (stream[block]["input_ids"] for block in range(len(stream)))
    return np.concatenate([first, *(block[1:] for block in others)])


def test_every_epoch_reads_every_document_once_whole_and_in_another_order(documents, ids):
    size, context = len(ids), 37
    stream = packing.Stream(documents, context, 2 * size // (context - 1) + 1, seed=1)
    read = read_through(stream)
    expected = sorted(tuple(document(documents, number)) for number in range(len(documents)))
    orders = []
    for epoch in (read[:size], read[size : 2 * size]):
        ends = np.flatnonzero(epoch == ids[-1]) + 1
        orders.append([tuple(part) for part in np.split(epoch, ends)[:-1]])
    assert sorted(orders[0]) == sorted(orders[1]) == expected
    assert orders[0][:10] != orders[1][:10]


def test_a_block_depends_on_the_seed_and_its_number_alone(documents):
    stream = packing.Stream(documents, 64, 40, seed=3)
    forwards = [stream[block]["input_ids"] for block in range(40)]
    backwards = [packing.Stream(documents, 64, 40, seed=3)[block]["input_ids"] for block in reversed(range(40))]
    np.testing.assert_array_equal(forwards, backwards[::-1])
    assert not np.array_equal(
        forwards, [packing.Stream(documents, 64, 40, seed=4)[b]["input_ids"] for b in range(40)]
    )


def blocks_of(documents, context):
    """Evaluation and training blocks, at least two."""
    evaluation = packing.Blocks(documents, context)
    training = packing.Stream(documents, context, max(2, len(evaluation)), seed=1)
    return [part[block] for part in (evaluation, training) for block in range(len(part))]


@pytest.mark.parametrize("context", [16, 64, 10_000])
def test_every_block_begins_with_bos_and_predicts_nothing_from_bos_but_beginnings(documents, ids, context):
    bos = ids[0]
    begins = {int(document(documents, number)[1]) for number in range(len(documents))}
    assert len(begins) == 1 < len(set(ids))  # all texts begin with the same token
    for block in blocks_of(documents, context):
        read, labels = block["input_ids"], block["labels"]
        assert (read[0], labels[0]) == (bos, -100)
        assert len(read) == len(labels) == context
        after = np.flatnonzero(read[:-1] == bos) + 1
        assert set(labels[after]) <= begins | {-100}
        np.testing.assert_array_equal(labels[labels != -100], read[labels != -100])


@pytest.mark.parametrize("context", [16, 64, 10_000])
def test_evaluation_predicts_no_token_twice_and_leaves_out_one_for_each_bos_it_adds(documents, ids, context):
    blocks = packing.Blocks(documents, context)
    predicted, left_out = [], 0
    for number in range(len(blocks)):
        labels, start = blocks[number]["labels"], number * (context - 1)
        places = np.flatnonzero(labels != -100)
        predicted += (start + places).tolist()
        np.testing.assert_array_equal(labels[places], ids[start + places])
        left_out += start != 0 and ids[start] != ids[0]
    assert len(predicted) == len(set(predicted)) == len(ids) - 1 - left_out
    assert left_out == {16: 81, 64: 19, 10_000: 0}[context]


@pytest.fixture
def one_mark():
    """A tokenizer like GPT-2's and Qwen's, where one token ends a document and begins the next."""
    tokenizer = tiny.tokenizer()
    tokenizer.bos_token = None
    return tokenizer


def test_documents_are_joined_by_one_mark_where_begin_is_end(one_mark, tmp_path):
    texts = tiny.texts(9)
    documents = packing.tokenise(lambda: texts, one_mark, tmp_path)
    mark = one_mark.eos_token_id
    expected = [token for ids in one_mark(texts)["input_ids"] for token in (*ids, mark)]
    np.testing.assert_array_equal(documents.read(0, documents.tokens), expected)
    assert documents.text_tokens == len(expected) - 9
    one_mark.bos_token = one_mark.eos_token  # as GPT-2's tokenizer has it
    assert list(models.documents(texts[:1], one_mark)) == [[*one_mark(texts[0])["input_ids"], mark]]


@pytest.mark.parametrize("context", [16, 10_000])
def test_without_a_bos_every_token_is_predicted_once(one_mark, tmp_path, context):
    documents = packing.tokenise(lambda: tiny.texts(9), one_mark, tmp_path)
    blocks = packing.Blocks(documents, context)
    labels = np.concatenate([blocks[block]["labels"] for block in range(len(blocks))])
    np.testing.assert_array_equal(labels[labels != -100], documents.read(1, documents.tokens))
    stream = packing.Stream(documents, context, 40, seed=1)
    ends = [stream[block]["input_ids"][-1] for block in range(39)]
    assert [stream[block]["input_ids"][0] for block in range(1, 40)] == ends


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
    assert models.edges(tokenizer) == (tokenizer.eos_token_id, tokenizer.eos_token_id)


def test_a_training_reads_the_documents_as_if_they_lay_in_memory(tokenizer, tmp_path):
    """The numbers of all earlier runs rest on these draws; 600 documents are several parts of the file."""
    texts, seed, context = tiny.texts(600), 5, 41
    documents = packing.tokenise(lambda: texts, tokenizer, tmp_path)
    plain = [
        np.array([tokenizer.bos_token_id, *ids, tokenizer.eos_token_id])
        for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]
    ]
    orders = [np.random.default_rng([seed, 0, epoch]).permutation(600) for epoch in range(2)]
    expected = np.concatenate([plain[number] for order in orders for number in order])
    read = read_through(packing.Stream(documents, context, len(expected) // (context - 1) - 1, seed))
    np.testing.assert_array_equal(read, expected[: len(read)])
    np.testing.assert_array_equal(documents.read(0, documents.tokens), np.concatenate(plain))
    assert read.dtype == np.int64


def test_tokenised_texts_are_found_again(tokenizer, tmp_path):
    first = packing.tokenise(lambda: tiny.texts(3), tokenizer, tmp_path, "train")
    again = packing.tokenise(lambda: pytest.fail("tokenised once more"), tokenizer, tmp_path, "train")
    np.testing.assert_array_equal(first.read(0, first.tokens), again.read(0, again.tokens))
    empty = packing.tokenise(lambda: [], tokenizer, tmp_path, "empty")
    assert (len(empty), empty.tokens) == (0, 0)
    with pytest.raises(ValueError, match="no tokens"):
        packing.Stream(empty, 8, 1, seed=1)


def test_a_text_that_cannot_be_read_is_what_is_reported(tokenizer, tmp_path):
    def texts():
        yield "fiebre"
        raise UserError("line 2")

    with pytest.raises(UserError, match="line 2"):
        packing.tokenise(texts, tokenizer, tmp_path)
    assert len(packing.tokenise(lambda: ["fiebre", "tos"], tokenizer, tmp_path)) == 2
