"""Who may do what: API keys for programs, accounts and logins for people.

Of a key and of a login only a hash is stored; passwords are hashed with argon2id. A key is bound to one project and may
either write (send calls and feedback) or read.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Literal

from sqlalchemy import delete, func, select, update

from monitor import tables
from monitor.clock import from_microseconds, to_microseconds
from monitor.errors import Busy, InputError, NotFound
from monitor.store import Store, table_of

if TYPE_CHECKING:
    from argon2 import PasswordHasher

Scope = Literal["write", "read"]

LOGIN_LASTS = timedelta(days=7)
SHORTEST_PASSWORD = 10
_LONGEST_PASSWORD = 1000

# A revoked key stops working at the latest after this; "last used" is written no more often.
_REMEMBERED = timedelta(seconds=10)
_USE_NOTED = timedelta(minutes=5)
_MOST_REMEMBERED = 10_000

# Attempts to log in: so many in so long, from one address and for one account.
_ATTEMPTS = 10
_WINDOW = timedelta(minutes=5)

_KEY = re.compile(r"lm_([0-9a-f]{12})_([A-Za-z0-9_-]{32,64})\Z")
_NAME = re.compile(r"[\w.@+-]{1,100}\Z")

_keys = table_of(tables.ApiKey)
_accounts = table_of(tables.Account)
_logins = table_of(tables.Login)


@dataclass(frozen=True)
class Key:
    """An API key, without its secret."""

    prefix: str
    project: str
    scope: str
    note: str
    created: datetime
    last_used: datetime | None
    revoked: datetime | None


@dataclass(frozen=True)
class Account:
    """A person who may log in."""

    name: str
    created: datetime
    disabled: datetime | None


def create_key(store: Store, project: str, scope: Scope, now: datetime, note: str = "") -> str:
    """Makes a key and answers it whole: it is shown this once, afterwards only its hash is known."""
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = {
        "prefix": prefix,
        "digest": _digest(secret),
        "project": project,
        "scope": scope,
        "note": note,
        "created": to_microseconds(now),
        "last_used": None,
        "revoked": None,
    }
    with store.write() as connection:
        store.insert(connection, tables.ApiKey, [row])
    return f"lm_{prefix}_{secret}"


def keys(store: Store) -> list[Key]:
    """All keys, the oldest first."""
    with store.read() as connection:
        rows = connection.execute(select(_keys).order_by(_keys.c.created)).all()
    return [
        Key(
            row.prefix,
            row.project,
            row.scope,
            row.note,
            from_microseconds(row.created),
            _moment(row.last_used),
            _moment(row.revoked),
        )
        for row in rows
    ]


def revoke_key(store: Store, prefix: str, now: datetime) -> None:
    """Ends a key, named by its prefix (with or without `lm_`). Raises NotFound."""
    prefix = prefix.removeprefix("lm_").partition("_")[0]
    with store.write() as connection:
        found = connection.execute(
            update(_keys)
            .where(_keys.c.prefix == prefix, _keys.c.revoked.is_(None))
            .values(revoked=to_microseconds(now))
        ).rowcount
    if not found:
        raise NotFound(f"There is no valid key with the prefix {prefix!r}.")


class KeyRing:
    """Checks keys without asking the store each time; one a process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[datetime, tables.ApiKey | None]] = {}

    def check(self, token: str, now: datetime) -> tables.ApiKey | None:
        """The key that this is, None where it is none, or was revoked."""
        match = _KEY.match(token)
        if match is None:
            return None
        digest = _digest(match[2])
        with self._lock:
            asked, key = self._known.get(digest, (None, None))
        if asked is not None and asked <= now < asked + _REMEMBERED:
            return key
        key = self._ask(match[1], digest, now)
        with self._lock:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = (now, key)
        return key

    def _ask(self, prefix: str, digest: bytes, now: datetime) -> tables.ApiKey | None:
        with self._store.read() as connection:
            row = connection.execute(
                select(_keys).where(_keys.c.prefix == prefix, _keys.c.revoked.is_(None))
            ).one_or_none()
        if row is None or not hmac.compare_digest(row.digest, digest):
            return None
        moment = to_microseconds(now)
        if row.last_used is None or row.last_used < moment - _USE_NOTED // timedelta(microseconds=1):
            with self._store.write() as connection:
                connection.execute(update(_keys).where(_keys.c.prefix == prefix).values(last_used=moment))
        return tables.ApiKey(**row._mapping)


def add_account(store: Store, name: str, password: str, now: datetime) -> None:
    """Makes an account, or gives an existing one another password and enables it; its logins then end.

    Raises InputError for a name or password that will not do.
    """
    if not _NAME.match(name):
        raise InputError("A name has up to 100 letters, digits and the characters . @ + - _ .")
    if not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise InputError(f"A password has {SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters.")
    digest = _hasher().hash(password)
    row = {"name": name, "digest": digest, "created": to_microseconds(now), "disabled": None}
    with store.write() as connection:
        if not store.insert_new(connection, tables.Account, [row]):
            connection.execute(update(_accounts).where(_accounts.c.name == name).values(digest=digest, disabled=None))
            connection.execute(delete(_logins).where(_logins.c.account == name))


def accounts(store: Store) -> list[Account]:
    """All accounts, by name."""
    with store.read() as connection:
        rows = connection.execute(select(_accounts).order_by(_accounts.c.name)).all()
    return [Account(row.name, from_microseconds(row.created), _moment(row.disabled)) for row in rows]


def disable_account(store: Store, name: str, now: datetime) -> None:
    """Ends an account and its logins. Raises NotFound."""
    with store.write() as connection:
        found = connection.execute(
            update(_accounts)
            .where(_accounts.c.name == name, _accounts.c.disabled.is_(None))
            .values(disabled=to_microseconds(now))
        ).rowcount
        connection.execute(delete(_logins).where(_logins.c.account == name))
    if not found:
        raise NotFound(f"There is no enabled account {name!r}.")


def count_usable(store: Store, scope: Scope) -> tuple[int, int]:
    """How many accounts can log in, and how many keys of the scope are valid."""
    with store.read() as connection:
        people = connection.execute(
            select(func.count()).select_from(_accounts).where(_accounts.c.disabled.is_(None))
        ).scalar_one()
        programs = connection.execute(
            select(func.count()).select_from(_keys).where(_keys.c.revoked.is_(None), _keys.c.scope == scope)
        ).scalar_one()
    return people, programs


class Door:
    """Logs people in, as slowly as attempts at guessing deserve; one a process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._attempts: dict[str, deque[datetime]] = {}
        # A check takes 64 MiB and a tenth of a second, so only a few may be under way.
        self._hashing = threading.Semaphore(2)

    def log_in(self, name: str, password: str, address: str, now: datetime) -> str | None:
        """The token of a new login, None for a wrong name or password. Raises Busy after too many attempts."""
        self._note_attempt(f"address {address}", now)
        self._note_attempt(f"account {name[:200]}", now)
        with self._store.read() as connection:
            row = connection.execute(
                select(_accounts.c.digest).where(_accounts.c.name == name, _accounts.c.disabled.is_(None))
            ).one_or_none()
        # An unknown name takes as long as a wrong password.
        if not self._fits(row.digest if row else _nobodys_digest(), password) or row is None:
            return None
        self._forget_attempt(f"account {name[:200]}", f"address {address}", now)
        token = secrets.token_urlsafe(32)
        login = {
            "digest": _digest(token),
            "account": name,
            "created": to_microseconds(now),
            "expires": to_microseconds(now + LOGIN_LASTS),
        }
        with self._store.write() as connection:
            self._store.insert(connection, tables.Login, [login])
        return token

    def who(self, token: str, now: datetime) -> str | None:
        """The account of a login, None where it has ended."""
        if not token:
            return None
        query = (
            select(_logins.c.account)
            .join(_accounts, _accounts.c.name == _logins.c.account)
            .where(
                _logins.c.digest == _digest(token),
                _logins.c.expires > to_microseconds(now),
                _accounts.c.disabled.is_(None),
            )
        )
        with self._store.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def log_out(self, token: str) -> None:
        """Ends a login."""
        with self._store.write() as connection:
            connection.execute(delete(_logins).where(_logins.c.digest == _digest(token)))

    def _fits(self, digest: str, password: str) -> bool:
        from argon2.exceptions import VerificationError

        with self._hashing:
            try:
                return _hasher().verify(digest, password[: _LONGEST_PASSWORD + 1])
            except VerificationError:
                return False

    def _forget_attempt(self, account: str, address: str, now: datetime) -> None:
        """A good login clears its account, and does not count against others who come through the same proxy."""
        with self._lock:
            self._attempts.pop(account, None)
            times = self._attempts.get(address)
            if times and now in times:
                times.remove(now)
            if not times:
                self._attempts.pop(address, None)

    def _note_attempt(self, who: str, now: datetime) -> None:
        with self._lock:
            for name in [name for name, times in self._attempts.items() if times[-1] <= now - _WINDOW]:
                del self._attempts[name]
            times = self._attempts.setdefault(who, deque(maxlen=_ATTEMPTS))
            if len(times) == _ATTEMPTS and times[0] > now - _WINDOW:
                wait = times[0] + _WINDOW - now
                raise Busy("Too many attempts to log in; try again later.", retry_after=int(wait.total_seconds()) + 1)
            times.append(now)


def prune(store: Store, now: datetime) -> int:
    """Forgets logins that have expired; answers how many."""
    with store.write() as connection:
        return connection.execute(delete(_logins).where(_logins.c.expires <= to_microseconds(now))).rowcount


def _digest(secret: str) -> bytes:
    # The secrets are long and random: a slow hash would add nothing.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys_digest() -> str:
    return _hasher().hash(secrets.token_hex(16))


def _moment(value: int | None) -> datetime | None:
    return None if value is None else from_microseconds(value)
