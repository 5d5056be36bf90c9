from pathlib import Path

from alpha_dimt.report.links import address


def test_addresses_are_as_seen_from_the_page() -> None:
    page = Path("results/toy/report")
    assert address(Path("results/toy/tables/table1.csv"), page) == "../tables/table1.csv"
    assert address(Path("elsewhere/run.json"), page) == "../../../elsewhere/run.json"


def test_odd_characters_do_not_end_an_address() -> None:
    assert address(Path("a#1/50 %/b?c:d.json"), Path()) == "a%231/50%20%25/b%3Fc%3Ad.json"
