"""How documents are found again, and which of two keeps a command."""

from hypothesis import given
from hypothesis import strategies as st

from omnihub.model.ids import CommandId
from omnihub_connectors.tryton.journal import (
    Document,
    Token,
    is_ours,
    owners,
    reference_of,
    token_of,
    tokens_of,
)


def document(number: int, tokens: str, state: str = "draft") -> Document:
    return Document(number, str(number), state, False, frozenset(map(Token, tokens)))


@given(st.lists(st.text(min_size=1), unique=True))
def test_a_reference_gives_its_tokens_back(ids: list[str]) -> None:
    tokens = [token_of(CommandId(each)) for each in ids]

    reference = reference_of(tokens)

    assert is_ours(reference)
    assert tokens_of(reference) == set(tokens)
    assert len(set(tokens)) == len(ids)


@given(st.text())
def test_a_token_has_nothing_that_a_search_pattern_or_another_case_could_change(of: str) -> None:
    token = token_of(CommandId(of))

    assert token == token.lower()
    assert token.isalnum()


def test_a_reference_by_hand_is_not_ours() -> None:
    assert not is_ours("by hand")
    assert not is_ours("")


def test_what_is_done_keeps_its_commands_then_the_elder() -> None:
    elder, younger, done = document(1, "ab"), document(2, "bc"), document(3, "cd", "done")

    assert owners([younger, done, elder]) == {
        Token("a"): elder,
        Token("b"): elder,
        Token("c"): done,
        Token("d"): done,
    }
