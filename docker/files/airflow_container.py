"""Airflow in docker-compose.yml: `airflow_container.py migrate` or `run`, with the settings of delab/services/airflow.py.

All components share one secret for their tokens, so that each believes the others.
"""

import json
import os
import sys
from pathlib import Path

from delab.services.airflow import METADATA, SETTINGS, USER

HOST, DATA = "0.0.0.0", Path("/data")  # noqa: S104 - in the container; the published port is on loopback


def secret(name: str) -> str:
    """A generated secret."""
    return (Path("/run/secrets") / name).read_text().strip()


def settings() -> dict[str, dict[str, str]]:
    """What is set beside the settings of every runtime."""
    kind, server = "airflow.dag_processing.bundles.local.LocalDagBundle", os.environ["DATABASE"]
    return {
        "core": {
            "fernet_key": secret("airflow_fernet"),
            "simple_auth_manager_passwords_file": "/tmp/passwords.json",  # noqa: S108 - in the container's memory
            "execution_api_server_url": "http://127.0.0.1:8080/execution/",
            "dags_folder": "/dags",
        },
        "api": {"host": HOST, "port": "8080", "base_url": os.environ["OUTSIDE"], "secret_key": secret("airflow_session")},
        "api_auth": {"jwt_secret": secret("airflow_jwt")},
        "database": {"sql_alchemy_conn": f"postgresql+psycopg2://postgres:{secret('postgres')}@{server}:5432/{METADATA}"},
        "logging": {"base_log_folder": str(DATA / "logs")},
        "dag_processor": {"dag_bundle_config_list": json.dumps([{"name": "dags", "classpath": kind, "kwargs": {"path": "/dags"}}])},
    }


def configure() -> None:
    """All of Airflow's configuration as variables."""
    for table in (SETTINGS, settings()):
        for section, part in table.items():
            for key, value in part.items():
                os.environ[f"AIRFLOW__{section.upper()}__{key.upper()}"] = value
    server = os.environ["DATABASE"]
    os.environ["AIRFLOW_HOME"] = str(DATA)
    os.environ[f"AIRFLOW_CONN_{server.upper()}"] = f"postgres://postgres:{secret('postgres')}@{server}:5432/postgres"
    passwords = Path("/tmp/passwords.json")  # noqa: S108
    passwords.write_text(json.dumps({USER: secret("airflow")}))
    passwords.chmod(0o600)


def make_database() -> None:
    """Make the metadata's database if it is not there."""
    import psycopg2

    session = psycopg2.connect(host=os.environ["DATABASE"], user="postgres", password=secret("postgres"), dbname="postgres")
    session.autocommit = True
    with session.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (METADATA,))
        if not cursor.fetchone():
            cursor.execute(f"CREATE DATABASE {METADATA}")


def main() -> None:
    """Configure, then become Airflow."""
    configure()
    if sys.argv[1] == "migrate":
        make_database()
        os.execvp("python", ["python", "-m", "airflow", "db", "migrate"])  # noqa: S606
    os.execvp("python", ["python", "-m", "delab.airflow_main"])  # noqa: S606


if __name__ == "__main__":
    main()
