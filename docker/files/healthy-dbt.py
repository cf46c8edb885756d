"""Healthy: the warehouse answers with the connection that dbt uses."""

import psycopg2

with psycopg2.connect(dbname="postgres", connect_timeout=5) as session, session.cursor() as cursor:
    cursor.execute("SELECT 1")
