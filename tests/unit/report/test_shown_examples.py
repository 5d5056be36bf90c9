from alpha_dimt.report.examples import by_difference, compared, disagreement
from alpha_dimt.runs.translations import Example, Translation


def example(line: int, *texts: str) -> Example:
    return Example(
        line=line,
        source=["ein", "hund"],
        source_text="ein hund",
        reference="a dog",
        translations=[
            Translation(f"system{place}", 1, text, text.split(), [])
            for place, text in enumerate(texts)
        ],
    )


def test_sentences_come_first_on_which_systems_differ_most() -> None:
    alike = example(1, "a dog", "a dog", "a dog")
    close = example(2, "a dog", "a dog", "a cat")
    also_alike = example(3, "a cat", "a cat", "a cat")
    apart = example(4, "a dog", "one cow", "the cat")
    found = by_difference([also_alike, alike, close, apart])
    assert [one.example.line for one in found] == [4, 2, 1, 3]
    assert [one.alike for one in found] == [False, False, True, True]


def test_the_share_of_words_that_two_systems_do_not_have_in_common() -> None:
    # Pairs: 0, 1/2 and 1/2.
    assert disagreement(example(1, "a dog", "a dog", "a cat")) == (0 + 0.5 + 0.5) / 3
    assert disagreement(example(1, "", "")) == 0
    assert disagreement(example(1, "", "a dog")) == 1


def test_the_same_translation_stands_once() -> None:
    found = compared(example(1, "a dog", "a cat", "a dog"))
    assert [version.systems for version in found.versions] == [["system0", "system2"], ["system1"]]
    assert [[span.same for span in version.spans] for version in found.versions] == [
        [True],
        [True, False],
    ]


def test_one_system_is_not_folded() -> None:
    assert not compared(example(1, "a dog")).alike
