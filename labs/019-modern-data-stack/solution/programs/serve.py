"""Serve the table `daily` on port 8080: GET /daily (JSON), GET /health (200 if the storage answers, else 503)."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
from shop import connect

DAILY = "SELECT day::text, product, quantity::text, revenue::text FROM daily ORDER BY day, product"


def rows(statement):
    """All rows, over a connection of their own: one that is kept is dead when the storage has been restarted."""
    session = connect()
    try:
        with session.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()
    finally:
        session.close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self):
        """Answer."""
        try:
            known = {"/daily": DAILY, "/health": "SELECT 1"}
            status, told = (200, rows(known[self.path])) if self.path in known else (404, "there are /daily and /health")
        except (psycopg2.Error, OSError) as error:
            status, told = 503, str(error)
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", 8080), Handler).serve_forever()
