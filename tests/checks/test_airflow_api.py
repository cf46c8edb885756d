"""What is read from Airflow's REST API."""

from delab.checks.airflow_api import readable


def test_the_error_of_a_task_is_in_its_log() -> None:
    line = {
        "event": "Task failed with exception",
        "error_detail": [{"exc_type": "ValueError", "exc_value": "too new", "frames": []}],
    }
    assert readable(line) == "Task failed with exception: ValueError: too new"


def test_other_lines_are_their_text() -> None:
    assert [readable(line) for line in ({"event": "found 7", "error_detail": None}, "plain", {"level": "info"})] == [
        "found 7",
        "plain",
        "{'level': 'info'}",
    ]
