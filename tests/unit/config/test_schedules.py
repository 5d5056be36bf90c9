from alpha_dimt.config.schedules import Increase, Linear, Moment, OnDecay, value_at


def test_values_that_move() -> None:
    linear = Linear(kind="linear", start=0.0, end=0.8, epochs=5)
    on_decay = OnDecay(kind="on_decay", start=0.1, step=0.2, end=0.6)
    falling = Increase(kind="increase", start=1.0, step=-0.25, end=0.5)

    def at(schedule: float | Linear | OnDecay | Increase, decays: int = 0) -> list[float]:
        return [round(value_at(schedule, Moment(e, decays)), 9) for e in range(1, 8)]

    assert at(0.5) == [0.5] * 7
    assert at(linear) == [0, 0.2, 0.4, 0.6, 0.8, 0.8, 0.8]
    assert at(falling) == [1.0, 0.75, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert [at(on_decay, decays)[0] for decays in range(4)] == [0.1, 0.3, 0.5, 0.6]
