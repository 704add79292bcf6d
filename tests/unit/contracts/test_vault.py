"""Where data keys come from."""

from omnihub.contracts.vault import LateVault, MemoryVault


def test_a_late_vault_is_opened_once_by_the_first_question_for_a_key() -> None:
    opened: list[MemoryVault] = []

    def open_vault() -> MemoryVault:
        opened.append(MemoryVault())
        return opened[-1]

    vault = LateVault(open_vault)
    assert opened == []
    assert vault.existing("a") is None
    key = vault.key("a")
    assert vault.existing("a") == key == opened[0].existing("a")
    assert len(opened) == 1
