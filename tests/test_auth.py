"""Keys, accounts and logins: what is stored is not enough to get in, and what has ended no longer works."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from monitor import auth, tables
from monitor.errors import Busy, InputError, NotFound
from monitor.store import Store, table_of
from tests.conftest import NOW

PASSWORD = "correct horse battery"
LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _quick(quick_hashes: None) -> None:
    """The real cost of a hash is measured in one test; the others need not pay it."""


def everything_stored(store: Store) -> str:
    with store.read() as connection:
        return "".join(
            str(row)
            for model in (tables.ApiKey, tables.Account, tables.Login)
            for row in connection.execute(select(table_of(model)))
        )


def test_a_key_works_until_it_is_revoked(store: Store) -> None:
    token = auth.create_key(store, "shop", "write", NOW, note="web shop")
    ring = auth.KeyRing(store)
    key = ring.check(token, NOW)
    assert key is not None
    assert (key.project, key.scope) == ("shop", "write")
    (listed,) = auth.keys(store)
    assert (listed.note, listed.last_used, listed.revoked) == ("web shop", NOW, None)
    assert auth.count_usable(store, "write") == (0, 1)
    assert auth.count_usable(store, "read") == (0, 0)
    auth.revoke_key(store, f"lm_{listed.prefix}", LATER)
    assert ring.check(token, LATER) is None
    assert auth.count_usable(store, "write") == (0, 0)
    with pytest.raises(NotFound, match="no valid key"):
        auth.revoke_key(store, listed.prefix, LATER)


def test_only_the_hash_of_a_key_is_stored(store: Store) -> None:
    token = auth.create_key(store, "shop", "write", NOW)
    assert token.rpartition("lm_")[2].partition("_")[2] not in everything_stored(store)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), str.upper, lambda t: "", lambda t: t + "A"]
)
def test_a_wrong_key_is_none(store: Store, change) -> None:  # type: ignore[no-untyped-def]
    token = auth.create_key(store, "shop", "write", NOW)
    assert auth.KeyRing(store).check(change(token), NOW) is None


def test_a_revoked_key_is_remembered_for_seconds_only(store: Store) -> None:
    token = auth.create_key(store, "shop", "write", NOW)
    ring = auth.KeyRing(store)
    assert ring.check(token, NOW)
    auth.revoke_key(store, token, NOW)
    assert ring.check(token, NOW + timedelta(seconds=9))
    assert ring.check(token, NOW + timedelta(seconds=10)) is None


def test_login_and_logout(store: Store) -> None:
    auth.add_account(store, "anna", PASSWORD, NOW)
    door = auth.Door(store)
    token = door.log_in("anna", PASSWORD, "10.0.0.1", NOW)
    assert token
    assert door.who(token, LATER) == "anna"
    assert door.who(token + "x", LATER) is None
    assert door.who("", LATER) is None
    stored = everything_stored(store)
    assert token not in stored
    assert PASSWORD not in stored
    assert "$argon2id$" in stored
    door.log_out(token)
    assert door.who(token, LATER) is None


def test_wrong_names_and_passwords_do_not_get_in(store: Store) -> None:
    auth.add_account(store, "anna", PASSWORD, NOW)
    door = auth.Door(store)
    for name, password in (
        ("anna", "wrong password"),
        ("anna", ""),
        ("bert", PASSWORD),
        ("", ""),
        ("anna", "x" * 9999),
    ):
        assert door.log_in(name, password, "10.0.0.1", NOW) is None


def test_a_login_expires_and_is_forgotten(store: Store) -> None:
    auth.add_account(store, "anna", PASSWORD, NOW)
    door = auth.Door(store)
    token = door.log_in("anna", PASSWORD, "10.0.0.1", NOW)
    assert token
    end = NOW + auth.LOGIN_LASTS
    assert door.who(token, end - timedelta(seconds=1)) == "anna"
    assert door.who(token, end) is None
    assert auth.prune(store, end - timedelta(seconds=1)) == 0
    assert auth.prune(store, end) == 1


def test_a_disabled_account_is_out_at_once(store: Store) -> None:
    auth.add_account(store, "anna", PASSWORD, NOW)
    door = auth.Door(store)
    token = door.log_in("anna", PASSWORD, "10.0.0.1", NOW)
    assert token
    auth.disable_account(store, "anna", LATER)
    assert door.who(token, LATER) is None
    assert door.log_in("anna", PASSWORD, "10.0.0.1", LATER) is None
    assert auth.count_usable(store, "write") == (0, 0)
    with pytest.raises(NotFound, match="no enabled account 'anna'"):
        auth.disable_account(store, "anna", LATER)
    auth.add_account(store, "anna", "another password", LATER)
    assert door.who(token, LATER) is None
    assert door.log_in("anna", "another password", "10.0.0.1", LATER)
    (account,) = auth.accounts(store)
    assert (account.name, account.created, account.disabled) == ("anna", NOW, None)


def test_a_new_password_ends_the_logins(store: Store) -> None:
    auth.add_account(store, "anna", PASSWORD, NOW)
    door = auth.Door(store)
    token = door.log_in("anna", PASSWORD, "10.0.0.1", NOW)
    auth.add_account(store, "anna", "another password", NOW)
    assert token
    assert door.who(token, NOW) is None


def test_guessing_is_slowed_for_an_account_and_an_address(store: Store) -> None:
    auth.add_account(store, "anna", PASSWORD, NOW)
    door = auth.Door(store)
    for number in range(10):
        assert door.log_in("anna", "wrong password", f"10.0.0.{number}", NOW) is None
    with pytest.raises(Busy, match="Too many attempts") as caught:
        door.log_in("anna", PASSWORD, "10.9.9.9", NOW + timedelta(minutes=1))
    assert 230 <= caught.value.retry_after <= 241
    assert door.log_in("anna", PASSWORD, "10.9.9.9", NOW + timedelta(minutes=6))
    for number in range(10):
        door.log_in(f"name {number}", "wrong password", "10.1.1.1", NOW)
    with pytest.raises(Busy):
        door.log_in("anna", PASSWORD, "10.1.1.1", NOW)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("", PASSWORD),
        ("a b", PASSWORD),
        ("x" * 101, PASSWORD),
        ("anna", "short"),
        ("anna", "x" * 1001),
        ("a\n", PASSWORD),
    ],
)
def test_bad_names_and_passwords_are_refused(store: Store, name: str, password: str) -> None:
    with pytest.raises(InputError) as caught:
        auth.add_account(store, name, password, NOW)
    assert PASSWORD not in str(caught.value)
    assert auth.accounts(store) == []


def test_real_hashes_are_costly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    hasher = auth._hasher()
    assert hasher.memory_cost >= 19 * 1024
    assert hasher.type.name == "ID"
    assert hasher.hash(PASSWORD).startswith("$argon2id$")


def test_a_good_login_does_not_count_against_others_behind_the_same_proxy(store: Store) -> None:
    door = auth.Door(store)
    for number in range(15):
        auth.add_account(store, f"person-{number}", PASSWORD, NOW)
        assert door.log_in(f"person-{number}", PASSWORD, "10.0.0.1", NOW + timedelta(seconds=number))
    for number in range(10):
        assert door.log_in(f"nobody-{number}", PASSWORD, "10.0.0.1", NOW + timedelta(seconds=20 + number)) is None
    with pytest.raises(Busy):
        door.log_in("person-1", PASSWORD, "10.0.0.1", NOW + timedelta(seconds=30))
