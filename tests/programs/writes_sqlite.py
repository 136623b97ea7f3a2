"""Writes to a database until it is ended: in each transaction one row more, and its sum."""

import sqlite3
import sys

base = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
base.execute(f"PRAGMA journal_mode = {sys.argv[2]}")
base.execute("PRAGMA synchronous = OFF")
base.execute("CREATE TABLE IF NOT EXISTS numbers (value INTEGER, filler TEXT)")
base.execute("CREATE TABLE IF NOT EXISTS total (rows INTEGER, value INTEGER)")
base.execute("INSERT INTO total VALUES (0, 0)")
number = 0
while True:
    number += 1
    base.execute("BEGIN IMMEDIATE")
    base.execute("INSERT INTO numbers VALUES (?, ?)", (number, "x" * 500))
    base.execute("UPDATE total SET rows = rows + 1, value = value + ?", (number,))
    base.execute("COMMIT")
