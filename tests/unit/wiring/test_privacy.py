"""The keys of an installation: one master key for all processes, clear words on a wrong one."""

import base64
import stat
import sys
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from omnihub.contracts.vault import KEY_BYTES
from omnihub.model.errors import ConfigurationError
from omnihub.wiring.installation import Installation, open_installation
from omnihub.wiring.privacy import MASTER_KEY_FILE, sealer_of, tokens_of, vault_of

PROCESSES = 6
MADE = base64.b64encode(bytes(range(KEY_BYTES))).decode()
A_PROCESS = """
import pathlib, sys
from omnihub.wiring.installation import open_installation
from omnihub.wiring.privacy import vault_of
install = open_installation(pathlib.Path(sys.argv[1]), {})
print("imported", flush=True)
sys.stdin.readline()
print(vault_of(install).key("subject").hex())
"""
GIVEN = "privacy: {master_key: '${env:MASTER}'}\n"


def installation(folder: Path, text: str = "", **environ: str) -> Installation:
    path = folder / "omnihub.yaml"
    path.write_text(f"{text}channels: {{web: {{locations: [W1]}}}}\n")
    return open_installation(path, environ)


def test_the_master_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    install = installation(tmp_path)
    vault_of(install)
    path = install.data_dir / MASTER_KEY_FILE
    made = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(base64.b64decode(made)) == KEY_BYTES
    vault_of(install)
    assert path.read_text() == made


def test_processes_that_start_at_once_use_one_master_key(tmp_path):
    # The first answer counts: a process with a key of its own could not read the others' keys.
    path = installation(tmp_path).loaded.path
    command = [sys.executable, "-c", A_PROCESS, str(path)]
    started = [Popen(command, stdin=PIPE, stdout=PIPE, text=True) for _ in range(PROCESSES)]
    for each in started:
        assert each.stdout.readline() == "imported\n"
    for each in started:  # All are past their imports: now they meet at the key.
        each.stdin.write("go\n")
        each.stdin.flush()
    keys = {each.communicate(timeout=60)[0] for each in started}
    assert [each.returncode for each in started] == [0] * PROCESSES
    assert len(keys) == 1
    kept = [path.name for path in (tmp_path / ".omnihub").iterdir() if "master" in path.name]
    assert kept == [MASTER_KEY_FILE]


def test_a_given_master_key_is_used_and_none_is_made(tmp_path):
    install = installation(tmp_path, GIVEN, MASTER=MADE)
    vault_of(install).key("subject")
    assert not (install.data_dir / MASTER_KEY_FILE).exists()


@pytest.mark.parametrize("wrong", ["", "not base64!", base64.b64encode(b"m" * 32).decode()])
def test_a_key_of_another_length_is_refused_with_its_place_and_cure(tmp_path, wrong):
    install = installation(tmp_path, GIVEN, MASTER=wrong or " ")
    with pytest.raises(
        ConfigurationError, match=r"privacy\.master_key.*64 bytes.*python3 -c"
    ) as told:
        vault_of(install)
    assert not wrong or wrong not in str(told.value)


def test_a_broken_key_file_is_named(tmp_path):
    install = installation(tmp_path)
    install.data_dir.mkdir(parents=True)
    (install.data_dir / MASTER_KEY_FILE).write_text("half a k")
    with pytest.raises(ConfigurationError, match=MASTER_KEY_FILE):
        vault_of(install)


def test_another_master_key_opens_nothing(tmp_path):
    vault_of(installation(tmp_path, GIVEN, MASTER=MADE)).key("subject")
    other = base64.b64encode(b"x" * KEY_BYTES).decode()
    with pytest.raises(ConfigurationError, match="Give the old one back"):
        vault_of(installation(tmp_path, GIVEN, MASTER=other)).key("subject")


def test_what_one_process_seals_another_opens_and_tokens_are_the_same(tmp_path):
    one, other = installation(tmp_path), installation(tmp_path)
    sealed = sealer_of(one).seal("subject", "Contact.email", b"ann@example.com")
    assert sealer_of(other).open("subject", "Contact.email", sealed) == b"ann@example.com"
    tokens = [tokens_of(each, vault_of(each)).email("ann@example.com") for each in (one, other)]
    assert tokens[0] == tokens[1]


def test_the_keys_have_a_file_of_their_own_so_that_deleting_the_views_keeps_them(tmp_path):
    install = installation(tmp_path)
    vault_of(install).key("subject")
    assert "views.sqlite" in install.views_url
    assert (install.data_dir / "keys.sqlite").exists()
    assert not (install.data_dir / "views.sqlite").exists()
