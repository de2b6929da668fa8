"""What a worker found out under which idempotency key. A task may come twice (after a crash, a time-out, a lost
answer); the second time its result is answered from here and the handler is not called. Any thread."""
from __future__ import annotations

import sqlite3
import threading
import time
from typing import Dict, Optional, Protocol


class Memory(Protocol):
    """Values are the JSON texts of results. Your own may keep them where the work is done, in one transaction."""

    def get(self, key: str) -> Optional[bytes]: ...

    def put(self, key: str, result: bytes) -> None: ...


class NoMemory:
    def get(self, key: str) -> Optional[bytes]:
        return None

    def put(self, key: str, result: bytes) -> None:
        pass


class ProcessMemory:
    """The newest results, at most `limit` with together `bytes_max`; forgotten with the process."""

    def __init__(self, limit: int = 10_000, bytes_max: int = 64 * 1024 * 1024) -> None:
        self.limit, self.bytes_max, self._bytes, self._lock = limit, bytes_max, 0, threading.Lock()
        self._results: Dict[str, bytes] = {}  # in the order in which they came

    def get(self, key: str) -> Optional[bytes]:
        with self._lock:
            return self._results.get(key)

    def put(self, key: str, result: bytes) -> None:
        with self._lock:
            self._bytes += len(result) - len(self._results.pop(key, b""))
            self._results[key] = result
            while len(self._results) > self.limit or self._bytes > self.bytes_max:
                self._bytes -= len(self._results.pop(next(iter(self._results))))


class SqliteMemory:
    """A file that outlives the process, and that workers on one machine may share. Results are kept `keep` seconds."""

    def __init__(self, path: str, keep: float = 30 * 86400) -> None:
        self.keep, self._lock, self._next_clean = keep, threading.Lock(), 0.0
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS result (key TEXT PRIMARY KEY, at REAL NOT NULL, body BLOB NOT NULL) WITHOUT ROWID")
        self._db.execute("CREATE INDEX IF NOT EXISTS result_at ON result (at)")

    def get(self, key: str) -> Optional[bytes]:
        with self._lock:
            row = self._db.execute("SELECT body FROM result WHERE key = ? AND at > ?", (key, time.time() - self.keep)).fetchone()
        return bytes(row[0]) if row else None

    def put(self, key: str, result: bytes) -> None:
        now = time.time()
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO result VALUES (?, ?, ?)", (key, now, result))
            if now > self._next_clean:
                self._db.execute("DELETE FROM result WHERE at < ?", (now - self.keep,))
                self._next_clean = now + 3600

    def close(self) -> None:
        with self._lock:
            self._db.close()
