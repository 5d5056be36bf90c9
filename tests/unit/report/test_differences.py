from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alpha_dimt.report.differences import Span, differences

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12).map(" ".join)


def test_words_that_the_reference_lacks_are_told_apart() -> None:
    assert differences("the old cat sat there", "the cat sat") == [
        Span("the", same=True),
        Span("old", same=False),
        Span("cat sat", same=True),
        Span("there", same=False),
    ]
    assert differences("", "the cat") == []
    assert differences("the cat", "") == [Span("the cat", same=False)]


@given(WORDS, WORDS)
def test_spans_are_the_hypothesis_and_what_is_the_same_is_in_the_reference(
    hypothesis: str, reference: str
) -> None:
    spans = differences(hypothesis, reference)
    assert " ".join(span.text for span in spans) == hypothesis
    words = iter(reference.split())
    same = [word for span in spans if span.same for word in span.text.split()]
    assert all(word in words for word in same)  # in the same order
    assert all(a.same != b.same or a.same for a, b in pairwise(spans))
    if hypothesis == reference and hypothesis:
        assert spans == [Span(hypothesis, same=True)]
