from alpha_dimt.data.unicode import compose


def test_letters_and_marks_become_one_character() -> None:
    assert compose(["u\u0308ber", "Ma\u0308dchen", "\u1112\u1161\u11ab"]) == [
        *("über", "Mädchen", "한")
    ]


def test_zero_width_spaces_and_stray_marks_of_byte_order() -> None:
    assert compose(["eins\u200bzwei", "\ufeffdrei"]) == ["eins zwei", "drei"]


def test_left_as_it_is() -> None:
    odd = ["u\u0308ber\u200b", "\ufeffx"]
    assert compose(odd, "as_is") == odd
