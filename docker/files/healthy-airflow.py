"""Healthy: the API server says over HTTP that all components are (Airflow's own command would import all of Airflow each time)."""

import json
import sys
import urllib.request

with urllib.request.urlopen("http://127.0.0.1:8080/api/v2/monitor/health", timeout=8) as answer:
    told = json.load(answer)
wanted = ("metadatabase", "scheduler", "dag_processor", "triggerer")
sys.exit(any(told.get(name, {}).get("status") != "healthy" for name in wanted))
