"""What `lab watch` computes of streams: windows of a topic, lag, Spark's progress, plots, and the frame that they make."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from delab.frames import (
    History,
    Sample,
    Windows,
    at_ms,
    decoded,
    lag,
    measured,
    moment,
    names,
    reader_rows,
    short,
    slowest,
    spark_progress,
    topic_rows,
    window_plot,
)

TEN = datetime(2025, 3, 1, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def value(minute: int, views: float | None, page: int = 1) -> bytes:
    """A row of a window as a job writes it."""
    told = {"window_start": (TEN + minute * MINUTE).isoformat(), "window_end": "…", "page_id": page, "views": views}
    return json.dumps(told).encode()


def test_the_last_row_of_a_window_and_key_counts_and_keys_are_summed() -> None:
    windows = Windows()
    for message in (value(1, 3), value(0, 5), value(1, 4), value(1, 10, page=2)):
        assert windows.add(None, message)
    assert windows.totals() == [(TEN, 5.0), (TEN + MINUTE, 14.0)]
    assert windows.column == "views"


def test_a_tombstone_removes_the_row_of_its_key() -> None:
    windows = Windows()
    windows.add(b"a", value(0, 5))
    assert windows.add(b"a", None)
    assert not windows.add(b"a", None)
    assert not windows.add(None, None)
    assert windows.totals() == []


def test_a_row_whose_number_was_missing_is_replaced_and_not_added() -> None:
    windows = Windows()
    windows.add(None, value(0, 5))
    windows.add(None, value(0, None))
    assert len(windows.rows) == 1


@pytest.mark.parametrize("other", [b"\xff", b"[1]", b"7", b'{"event_id": 1}', b'{"window_start": 5}', b'{"window_start": "soon"}'])
def test_messages_that_are_no_windows_are_told_apart(other: bytes) -> None:
    assert not Windows().add(None, other)


def test_decoded_and_moment_take_what_they_know_only() -> None:
    assert decoded(b'{"a": 1}') == {"a": 1}
    assert decoded(b"null") is None
    assert moment("2025-03-01 10:00:00") == moment("2025-03-01T11:00:00+01:00") == TEN
    assert moment("0001-01-01T00:00:00+14:00") is None
    assert moment(None) is None


def test_numbers_of_things_are_names_and_counts_are_not() -> None:
    assert measured("views", 3)
    assert not measured("page_id", 3)
    assert not measured("ok", True)
    assert not measured("rate", float("nan"))
    assert names({"window_start": "x", "page_id": 3, "kind": "a", "views": 7, "none": None}) == ["kind=a", "page_id=3"]


def test_lag_counts_partitions_that_were_never_read_and_leaves_out_topics_that_are_gone() -> None:
    ends = {"clicks": {0: 10, 1: 5}}
    assert lag(ends, {"clicks": {0: 7}, "gone": {0: 1}}) == {"clicks": 8}
    assert lag(ends, {"clicks": {0: 12, 1: 5}}) == {"clicks": 0}
    assert lag(ends, {}) == {}


def test_sparks_progress_is_read_from_its_offset_log() -> None:
    text = 'v1\n{"batchWatermarkMs":1740823200000,"batchTimestampMs":5,"conf":{"a.b":"2"}}\n{"clicks":{"2":7,"0":3}}\n-'
    assert spark_progress(text) == (1740823200000, {"clicks": {0: 3, 2: 7}})
    assert spark_progress('v1\n{"batchWatermarkMs":0,"conf":{}}\n') == (None, {})
    assert spark_progress("") == (None, {})


def test_history_forgets_and_draws_the_lag() -> None:
    history = History(most=3)
    assert history.lag_plot() is None
    for second in range(5):
        history.add(Sample(float(second), {"clicks": 10 * second}, {("group", "clicks"): second} if second != 3 else {}))
    assert len(history.samples) == 3
    plot = history.lag_plot()
    assert plot is not None
    assert plot.series == {"group": [(2.0, 2.0), (4.0, 4.0)]}
    assert history.rate("clicks") == 10.0
    assert history.rate("other") == 0.0


def test_readers_of_several_topics_are_told_apart() -> None:
    history = History()
    history.add(Sample(0.0, {}, {("group", "clicks"): 1, ("group", "orders"): 2}))
    plot = history.lag_plot()
    assert plot is not None
    assert list(plot.series) == ["group of clicks", "group of orders"]


def test_a_topic_that_was_made_again_has_no_negative_rate() -> None:
    history = History()
    for at, end in ((0.0, 100), (1.0, 3)):
        history.add(Sample(at, {"clicks": end}))
    assert history.rate("clicks") == 0.0


def test_windows_are_drawn_with_the_watermark_if_it_is_near() -> None:
    windows = Windows()
    assert window_plot("page_views", windows, None) is None
    for minute in range(3):
        windows.add(None, value(minute, minute + 1))
    near, far = int((TEN + 2 * MINUTE).timestamp() * 1000), 0
    drawn, alone = window_plot("page_views", windows, near), window_plot("page_views", windows, far)
    assert drawn is not None
    assert alone is not None
    assert drawn.series == {"views": [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)], "watermark": [(2.0, 0.0), (2.0, 3.0)]}
    assert "watermark" not in alone.series
    assert "2025-03-01 10:00 UTC" in drawn.x


def test_the_tables_name_what_is_seen_and_the_slowest_watermark_counts() -> None:
    history = History()
    assert topic_rows(history) == reader_rows(history) == []
    sample = Sample(0.0, {"clicks": 7}, {("g", "clicks"): 2}, {("s", "clicks"): 1740823200000, ("t", "clicks"): 1740823140000})
    history.add(sample)
    assert topic_rows(history) == [("clicks", "7", "0")]
    assert reader_rows(history) == [
        ("g", "clicks", "2", ""),
        ("s", "clicks", "", "2025-03-01 10:00:00"),
        ("t", "clicks", "", "2025-03-01 09:59:00"),
    ]
    assert slowest(sample) == 1740823140000
    assert slowest(Sample(0.0)) is None


def test_a_flink_jobs_name_is_shortened_to_what_differs() -> None:
    assert short("insert-into_default_catalog.default_database.page_views") == "page_views"
    assert short("my job") == "my job"


def test_no_watermark_is_beyond_the_calendar() -> None:
    assert at_ms(1 << 62).year == 9999
    assert at_ms(-(1 << 62)).year == 1
