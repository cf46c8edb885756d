"""The answer key: windows, their bounds, and what is late for whom."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delab.checks.event_time import NEVER, complete, floor, judged, portions, slowest, starts, windowed

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))
WIDTHS = st.timedeltas(timedelta(milliseconds=1), timedelta(hours=1))


def event(seconds, partition=0, **more):
    return {"event_time": NOON + timedelta(seconds=seconds), "partition": partition, **more}


def test_an_event_on_the_boundary_is_in_the_window_that_begins_there() -> None:
    assert starts(NOON, MINUTE) == [NOON]
    assert starts(NOON - timedelta(microseconds=1), MINUTE) == [NOON - MINUTE]


def test_sliding_windows_overlap_and_are_aligned() -> None:
    assert starts(NOON, 5 * MINUTE, MINUTE) == [NOON - number * MINUTE for number in (4, 3, 2, 1, 0)]
    assert starts(NOON + 30 * MINUTE / 60, 5 * MINUTE, 2 * MINUTE) == [NOON - 4 * MINUTE, NOON - 2 * MINUTE, NOON]
    assert starts(NOON + MINUTE, 5 * MINUTE, 2 * MINUTE) == [NOON - 2 * MINUTE, NOON]
    assert starts(NOON + 3 * MINUTE, 2 * MINUTE, 5 * MINUTE) == []  # windows with gaps


@given(TIMES, WIDTHS, WIDTHS)
def test_windows_are_those_that_hold_the_time(at: datetime, size: timedelta, slide: timedelta) -> None:
    slide = max(slide, size / 50)
    found = starts(at, size, slide)
    assert all(start <= at < start + size and floor(start, slide) == start for start in found)
    assert found == sorted(set(found))
    assert size // slide <= len(found) <= size // slide + 1


def test_windows_without_events_have_no_entry_and_another_column_gives_other_windows() -> None:
    events = [event(10, seen=NOON + 9 * MINUTE), event(70, seen=NOON)]
    assert {start: len(inside) for start, inside in windowed(events, MINUTE).items()} == {NOON: 1, NOON + MINUTE: 1}
    assert list(windowed(events, MINUTE, time="seen")) == [NOON, NOON + 9 * MINUTE]


def test_watermarks_of_all_and_of_the_slowest() -> None:
    events = [event(100, 0), event(40, 1)]
    assert complete(events, MINUTE) == NOON + timedelta(seconds=40)
    assert slowest(events, [0, 1], MINUTE) == NOON - timedelta(seconds=20)
    assert slowest(events, [0, 1, 2], MINUTE) == NEVER
    assert complete([], MINUTE) == NEVER


def test_late_is_what_comes_after_its_window_was_complete_for_every_engine() -> None:
    first = [event(30, 0), event(120, 0), event(120, 1)]  # complete up to 12:01
    after = [event(59, 0), event(60, 1)]
    found = judged([first, after], size=MINUTE, delay=MINUTE, partitions=2)
    assert [(late["event_time"], start) for late, start in found.late] == [(NOON + timedelta(seconds=59), NOON)]
    assert {start: len(inside) for start, inside in found.counted.items()} == {NOON: 1, NOON + MINUTE: 1, NOON + 2 * MINUTE: 2}


def test_an_event_can_be_late_for_some_of_its_sliding_windows() -> None:
    found = judged([[event(180)], [event(30)]], size=2 * MINUTE, slide=MINUTE, delay=MINUTE)
    assert [start for _, start in found.late] == [NOON - MINUTE, NOON]
    found = judged([[event(179)], [event(30)]], size=2 * MINUTE, slide=MINUTE, delay=MINUTE)
    assert [start for _, start in found.late] == [NOON - MINUTE]
    assert len(found.counted[NOON]) == 1


@pytest.mark.parametrize(
    "phases",
    [
        [[event(120), event(30)]],  # Spark may have both in one batch
        [[event(120, 0)], [event(30, 0)]],  # partition 1 holds Flink's watermark up, Spark's goes on
        [[event(119, 0), event(119, 1)], [event(120, 0), event(30, 1)]],
    ],
)
def test_what_is_left_to_chance_is_refused(phases) -> None:
    judged(phases, size=MINUTE, delay=2 * MINUTE, partitions=2)  # nobody can call that late
    with pytest.raises(AssertionError, match="left to chance"):
        judged(phases, size=MINUTE, delay=MINUTE, partitions=2)


def test_an_idle_partition_holds_nothing_up_and_lateness_is_allowed() -> None:
    phases = [[event(120, 0)], [event(30, 0)]]
    assert len(judged(phases, size=MINUTE, delay=MINUTE, partitions=2, idle={1}).late) == 1
    assert judged(phases, size=MINUTE, delay=MINUTE, partitions=2, idle={1}, lateness=timedelta(seconds=1)).late == []


def test_portions_hold_nothing_that_could_make_another_late() -> None:
    times = [0, 30, 59, 60, 61, 1, 90, 300]
    cut = [[int((one["event_time"] - NOON).total_seconds()) for one in part] for part in portions(map(event, times), MINUTE)]
    assert cut == [[0, 30, 59], [60, 61], [1], [90], [300]]
    assert list(portions([], MINUTE)) == []
