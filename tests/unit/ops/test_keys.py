"""API keys: shown once, kept as hashes, scoped, revoked at once."""

import stat
from pathlib import Path

import pytest

from omnihub.model.errors import ConfigurationError
from omnihub.ops.keys import Guard, KeyRing, Scope, bearer


def test_the_first_start_makes_one_admin_key_and_no_other_does(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    key = ring.ensure_admin()
    assert key is not None
    assert KeyRing(tmp_path).ensure_admin() is None
    entry = ring.find(key)
    assert entry is not None
    assert entry.allows(Scope.ADMIN)


def test_the_file_holds_no_key_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    key = KeyRing(tmp_path).add("shop", Scope.READ)
    path = tmp_path / "keys.json"
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_scope_includes_the_smaller_ones_only(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)

    def allowed(name: str, *scopes: Scope) -> list[Scope]:
        entry = ring.find(ring.add(name, *scopes))
        assert entry is not None
        return [scope for scope in Scope if entry.allows(scope)]

    assert allowed("writer", Scope.WRITE) == [Scope.READ, Scope.WRITE]
    assert allowed("helpdesk", Scope.PERSONAL) == [Scope.READ, Scope.PERSONAL]
    assert allowed("app", Scope.WRITE, Scope.PERSONAL) == [Scope.READ, Scope.WRITE, Scope.PERSONAL]
    assert allowed("owner", Scope.ADMIN) == list(Scope)


def test_other_processes_see_a_new_and_a_removed_key_at_once(tmp_path: Path) -> None:
    here, there = KeyRing(tmp_path), KeyRing(tmp_path)
    assert there.entries() == ()
    key = here.add("a", Scope.READ)
    assert there.find(key) is not None
    here.remove("a")
    assert there.find(key) is None


def test_a_name_is_used_once_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    ring.add("a", Scope.READ)
    with pytest.raises(ConfigurationError, match="a key 'a' already"):
        ring.add("a", Scope.READ)
    with pytest.raises(ConfigurationError, match="no key 'b'"):
        ring.remove("b")


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('[{"name": 1}]')
    with pytest.raises(ConfigurationError, match="Delete it"):
        KeyRing(tmp_path).entries()


def test_the_token_of_the_run_reads_and_does_no_more(tmp_path: Path) -> None:
    guard = Guard(KeyRing(tmp_path), "token")
    assert guard.may_read("Bearer token")
    entry = guard.identify("token")
    assert entry is not None
    assert not entry.allows(Scope.WRITE)
    assert not Guard(KeyRing(tmp_path)).may_read("Bearer ")


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer   "])
def test_only_a_bearer_header_carries_a_key(header: str | None) -> None:
    assert bearer(header) is None
