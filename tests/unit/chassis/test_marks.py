"""What was in a partition at an instant has been read once our offset is past the end that Kafka told then."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import SIGNALS
from services.chassis.engine.marks import MARKS_MAX, Marks
from services.chassis.engine.read_up import partition_of
from services.gateway.inbound.pulse import subjects

START = datetime(2026, 12, 3, tzinfo=UTC)
steps = st.lists(
    st.tuples(st.sampled_from(["write", "read", "ask"]), st.integers(1, 40)), min_size=1, max_size=300
)  # fmt: skip


@given(steps, st.integers(0, 300))
def test_an_instant_counts_as_read_only_when_all_that_was_written_by_then_is_read(
    story: list[tuple[str, int]], wanted: int
) -> None:
    marks, written, read = Marks(), 0, 0
    end_at: list[int] = []
    for n, (what, count) in enumerate(story):
        now = START + timedelta(seconds=n)
        if what == "write":
            written += count
        elif what == "read":
            read = min(written, read + count)
            assert marks.advance(read)
        else:
            marks.add(now, written)
        end_at.append(written)
        if wanted <= n and marks.is_read(START + timedelta(seconds=wanted)):
            assert read >= end_at[wanted]


@given(st.integers(1, 4 * MARKS_MAX))
def test_a_log_that_grows_all_the_time_is_read_up_to_each_instant_in_the_end(backlog: int) -> None:
    """Each second a record comes and a record is read, and Kafka is asked: the backlog never shrinks."""
    marks = Marks()
    for second in range(2 * backlog + 2 * MARKS_MAX + 2):
        now = START + timedelta(seconds=second)
        marks.add(now, backlog + second)
        marks.advance(second)
        assert len(marks._open) <= MARKS_MAX + 1
    assert marks.is_read(START)


def test_an_offset_that_goes_back_ends_what_was_known() -> None:
    marks = Marks()
    marks.add(START, 10)
    assert marks.advance(10)
    assert marks.is_read(START)
    assert not marks.advance(9)


@given(st.integers(1, 64))
def test_pulses_have_a_name_for_each_partition(partitions: int) -> None:
    assert [partition_of(name, partitions) for name in subjects(partitions)] == list(
        range(partitions)
    )


def test_keys_are_placed_as_producers_place_them() -> None:
    """Values of Kafka's own murmur2 partitioner: topics keep their keys whatever client writes them."""
    assert [partition_of(key, 1_000) for key in ("21", "foobar", "a-little-bit-long-string")] == [
        -973932308 % 2**31 % 1_000, -790332482 % 2**31 % 1_000, -985981536 % 2**31 % 1_000,
    ]  # fmt: skip
    assert SIGNALS.partitions > 1
