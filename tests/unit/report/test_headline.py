import pytest

from alpha_dimt.report.headline import leader, listed, verdict

ML = {1: 30.0, 2: 30.4, 3: 29.9}
RAML = {1: 35.0, 2: 35.5, 3: 34.8}  # 5.0, 5.1 and 4.9 more
WILD = {1: 22.0, 2: 39.0, 3: 31.0}


def test_one_system_is_better_than_every_other() -> None:
    assert verdict({"ml": ML, "raml": RAML}) == [
        "raml is significantly better than every other system over 3 seeds."
    ]


def test_what_is_shown_and_what_is_not() -> None:
    assert verdict({"ml": ML, "raml": RAML, "wild": WILD}) == [
        "No system is significantly better than every other one over 3 seeds.",
        "Shown: raml is better than ml.",
        "Not shown: a difference in the other 2 of 3 pairs of systems; they may still differ.",
    ]


def test_nothing_is_shown() -> None:
    assert verdict({"ml": ML, "wild": WILD}) == [
        "No system is significantly better than every other one over 3 seeds.",
        "Not shown: a difference between the two; they may still differ.",
    ]


def test_pairs_without_a_test_are_counted() -> None:
    shifted = {seed: score + 1 for seed, score in ML.items()}
    assert verdict({"ml": ML, "shifted": shifted, "other": {7: 40.0, 8: 41.0}})[2:] == [
        "Pairs without a test: 3 of 3 (too few seeds in common, or differences that do not "
        "scatter)."
    ]


def test_pairs_that_share_other_seeds() -> None:
    fewer = {seed: RAML[seed] for seed in (1, 2)}
    [first, *_] = verdict({"ml": ML, "raml": fewer, "wild": WILD})
    assert first.endswith("every other one over the seeds that a pair shares.")


def test_one_system_has_no_comparison() -> None:
    assert verdict({"ml": ML}) == ["One system: there is nothing to compare it with."]


def test_the_leader_has_the_highest_mean() -> None:
    found = leader({"ml": ML, "raml": RAML, "wild": WILD}, "beam 10", tested=True)
    assert (found.systems, found.has, found.bleu) == ("raml", "has", "35.10")
    assert found.runner_up == "wild, 30.67"
    # t with two degrees of freedom is 4.303, the deviation 0.361.
    assert found.over == "mean over 3 seeds, 95 % interval 34.20 to 36.00"


def test_equal_means_share_the_lead() -> None:
    found = leader({"ml": {1: 30.0}, "raml": {1: 30.0}}, "beam 10", tested=False)
    assert (found.systems, found.has, found.over) == ("ml and raml", "share", "one seed")
    assert (found.runner_up, found.verdict) == ("", [])


@pytest.mark.parametrize(("names", "said"), [("a", "a"), ("ab", "a and b"), ("abc", "a, b and c")])
def test_names_in_a_sentence(names: str, said: str) -> None:
    assert listed(list(names)) == said
