"""Connections that are lost in the middle of a task: the first one to insert into some table is ended."""

import threading
from contextlib import ExitStack

PAUSE = 0.02  # seconds between two looks
BEGIN = """
CREATE FUNCTION outage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared(TG_RELID::bigint); RETURN NULL; END $$
"""
HOLD_UP = "CREATE TRIGGER outage BEFORE INSERT ON {0} EXECUTE FUNCTION outage(); SELECT pg_advisory_lock('{0}'::regclass::bigint)"
WAITING = (
    "SELECT pid, objid::regclass::text FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = ANY(%s::regclass[])"
)
LET_GO = "SELECT pg_terminate_backend(%s), pg_advisory_unlock(%s::regclass::bigint)"
END = "SELECT pg_advisory_unlock_all(); DROP FUNCTION outage CASCADE"


class Outage(threading.Thread):
    """While it lasts, who inserts into one of the tables is thrown out, once for each; then something is changed meanwhile."""

    def __init__(self, shop, statements):
        super().__init__(daemon=True)
        self.shop, self.left, self.over = shop, dict(statements), threading.Event()
        self.open, self.trouble = ExitStack(), None

    def __enter__(self):
        self.cursor = self.open.enter_context(self.shop.session()).cursor()
        self.cursor.execute(BEGIN)
        for table in self.left:
            self.cursor.execute(HOLD_UP.format(table))
        self.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.join()
        self.open.close()
        if self.trouble:
            raise self.trouble

    def run(self):
        try:
            while self.left and not self.over.wait(PAUSE):
                self.cursor.execute(WAITING, [list(self.left)])
                for process, table in self.cursor.fetchall():
                    self.lose(process, table)
            self.over.wait()
            self.cursor.execute(END)
        except BaseException as error:
            self.trouble = error
            self.open.close()

    def lose(self, process, table):
        """Change what the task reads, end its connection, and let the next attempt insert."""
        if table in self.left:
            for statement in self.left.pop(table):
                self.cursor.execute(statement)
            self.cursor.execute(LET_GO, [process, table])
