"""Checks the guide's way to act once, on a real database.

usage: check_once.py SNIPPET DATABASE

SNIPPET is the guide's code; DATABASE is a file that is not there yet.
"""

import runpy
import sqlite3
import sys
import threading
import unittest
from typing import Any

SNIPPET, DATABASE = sys.argv.pop(1), sys.argv.pop(1)
once = runpy.run_path(SNIPPET)["once"]


def connect() -> sqlite3.Connection:
    return sqlite3.connect(DATABASE, timeout=60)


def charge(database: sqlite3.Connection, args: dict[str, Any]) -> str:
    """The effect, in the same transaction."""
    made = database.execute("INSERT INTO charges (amount) VALUES (?)", (args["amount"],))
    return f"charge-{made.lastrowid}"


def envelope(lease: str, **args: Any) -> dict[str, Any]:
    return {"lease_id": lease, "args": {"amount": 7, **args}}


class Once(unittest.TestCase):
    def setUp(self) -> None:
        self.database = connect()
        self.addCleanup(self.database.close)
        self.database.executescript(
            """
            DROP TABLE IF EXISTS answers;
            DROP TABLE IF EXISTS charges;
            CREATE TABLE answers (tool, key, answer, PRIMARY KEY (tool, key));
            CREATE TABLE charges (id INTEGER PRIMARY KEY, amount);
            """
        )

    def charges(self) -> int:
        return self.database.execute("SELECT count(*) FROM charges").fetchone()[0]

    def test_a_key_is_the_arguments_own_or_the_lease(self) -> None:
        first = once(self.database, "charge", envelope("lease_1"), charge)
        self.assertEqual(once(self.database, "charge", envelope("lease_1"), charge), first)
        self.assertNotEqual(once(self.database, "charge", envelope("lease_2"), charge), first)
        self.assertNotEqual(once(self.database, "refund", envelope("lease_1"), charge), first)
        self.assertEqual(self.charges(), 3)
        named = [
            once(self.database, "charge", envelope(lease, idempotency_key="k"), charge)
            for lease in ("lease_3", "lease_4")
        ]
        self.assertEqual((named[0], self.charges()), (named[1], 4))

    def test_requests_at_the_same_time_are_one(self) -> None:
        answers: list[str] = []

        def request() -> None:
            database = connect()
            answers.append(once(database, "charge", envelope("lease_1"), charge))
            database.close()

        threads = [threading.Thread(target=request) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((answers, self.charges()), (["charge-1"] * 16, 1))

    def test_what_fails_in_the_middle_has_not_happened(self) -> None:
        def fail(database: sqlite3.Connection, args: dict[str, Any]) -> str:
            charge(database, args)
            raise OSError("no answer")

        with self.assertRaises(OSError):
            once(self.database, "charge", envelope("lease_1"), fail)
        self.assertEqual(self.charges(), 0)
        self.assertEqual(once(self.database, "charge", envelope("lease_1"), charge), "charge-1")


if __name__ == "__main__":
    unittest.main()
