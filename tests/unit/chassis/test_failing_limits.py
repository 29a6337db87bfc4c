"""What fails is tried one job at a time, at most every other second, until it works."""

from hypothesis import given
from hypothesis import strategies as st

from services.chassis.failing_limits import FORGOTTEN_AFTER, REST, FailingLimits


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_limit_rests_after_each_failure_longer_and_longer_up_to_a_bound() -> None:
    time = Time()
    limits, rests = FailingLimits(time), []
    for _ in range(8):
        limits.failed("x")
        began = time.now
        while "x" in limits.resting():
            time.now += 0.001
        assert limits.trying() == ["x"]
        rests.append(time.now - began)
    assert rests == sorted(rests)
    assert 0.05 < rests[0] < 0.2
    assert rests[-1] < REST.max_seconds + 0.01


def test_one_success_gives_a_limit_all_its_places_back_and_anothers_changes_nothing() -> None:
    time = Time()
    limits = FailingLimits(time)
    limits.failed("x")
    limits.succeeded("y")
    assert limits.resting() == ["x"]
    limits.succeeded("x")
    assert limits.resting() == limits.trying() == []


def test_what_has_long_not_failed_is_forgotten() -> None:
    time = Time()
    limits = FailingLimits(time)
    limits.failed("x")
    time.now += FORGOTTEN_AFTER / 2
    assert limits.trying() == ["x"]
    time.now += FORGOTTEN_AFTER
    assert limits.trying() == []


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.booleans(), st.floats(0, 5)), max_size=40))
def test_a_limit_is_known_exactly_while_its_last_job_failed_and_in_one_state(
    story: list[tuple[str, bool, float]],
) -> None:
    time = Time()
    limits, last = FailingLimits(time), dict[str, bool]()
    for limit, works, passes in story:
        (limits.succeeded if works else limits.failed)(limit)
        last[limit] = works
        time.now += passes
        trying, resting = limits.trying(), limits.resting()
        assert sorted(trying + resting) == sorted(
            limit for limit, works in last.items() if not works
        )
