import numpy as np

from stages.notes import ngrams


def test_ngrams_tell_word_sequences_apart_whatever_their_case() -> None:
    one = ngrams.word_hashes("The cat sat on the mat")
    same = ngrams.word_hashes("the CAT  sat\non the mat")
    assert one.tolist() == same.tolist() and ngrams.whole(one) == ngrams.whole(same)
    assert ngrams.whole(one) != ngrams.whole(one[::-1])
    pairs = ngrams.ngrams(one, 2)
    assert len(pairs) == len(set(pairs.tolist())) == 5
    assert ngrams.ngrams(one[:2], 2)[0] != ngrams.ngrams(one[:2][::-1], 2)[0]
    assert ngrams.ngrams(one, 7).tolist() == []


def test_numbers_are_the_same_in_every_process() -> None:
    assert ngrams.word_hashes("cat").tolist() == [3429664268601861939]


def test_found_and_longest_run() -> None:
    known = ngrams.distinct([np.array([5, 3], dtype=np.uint64), np.array([5, 9], dtype=np.uint64)])
    hits = ngrams.found(np.array([3, 5, 4, 9, 10, 2], dtype=np.uint64), known)
    assert known.tolist() == [3, 5, 9] and hits.tolist() == [True, True, False, True, False, False]
    assert (ngrams.longest_run(hits), ngrams.longest_run(~hits), ngrams.longest_run(hits[:0])) == (2, 2, 0)
    assert ngrams.found(known, ngrams.distinct([])).tolist() == [False] * 3
