"""Telling people that something failed: a JSON message to the HTTP connection `alerts`; without one, to the log."""

import json
import logging
import urllib.request
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException

SECONDS = 10
log = logging.getLogger(__name__)


def task_failed(context: dict[str, Any]) -> None:
    """For `on_failure_callback`: which task of which run failed, why, and where its log is. Never fails itself."""
    instance = context["ti"]
    message = {
        "dag": instance.dag_id,
        "task": instance.task_id,
        "run": instance.run_id,
        "attempt": instance.try_number,
        "error": str(context.get("exception", ""))[:500],
        "log": getattr(instance, "log_url", ""),
    }
    send(message)


def send(message: dict[str, Any]) -> None:
    """Post the message; an alert that can't be sent is logged, and does not hide the failure that it speaks of."""
    log.error("alert: %s", json.dumps(message))
    try:
        target = BaseHook.get_connection("alerts").get_uri()
    except AirflowException:
        return
    request = urllib.request.Request(target, json.dumps(message).encode(), {"Content-Type": "application/json"})  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=SECONDS).close()  # noqa: S310 - the address is the operator's own
    except OSError as error:
        log.error("the alert could not be sent to %s: %s", target, error)
