"""The tokenizer of the base install equals the tokenizers library on the shipped tokenizer.json."""

from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.policies.local import HOME, Tokenizer

TOKENIZER = Tokenizer.load(HOME / "tokenizer.json")
KNOWN = st.characters(exclude_categories=("Cs", "Cn"))  # the library may know a newer Unicode
TEXTS = st.text(KNOWN, max_size=60) | st.text(
    alphabet="what is larger 9.118×÷=?，？谁大用算24点strawberry()+-*/<>|", max_size=60
)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_same_as_tokenizers(text):
    library = pytest.importorskip("tokenizers")
    twin = library.Tokenizer.from_file(str(HOME / "tokenizer.json"))
    if any(name in text.lower() for name in TOKENIZER.special):
        return  # the library turns these into special tokens; ours never does
    if twin.normalizer and twin.normalizer.normalize_str(text) != normalize("NFKC", text):
        return  # the library knows an older Unicode than this Python
    assert TOKENIZER.encode(text) == twin.encode(text, add_special_tokens=False).ids


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_back_to_text(text):
    from system2.policies.local.tokenizer import normal

    assert TOKENIZER.decode(TOKENIZER.encode(text)) == normal(text).encode(
        "utf-8", "replace"
    ).decode("utf-8")


def test_a_question_cannot_forge_a_special_token():
    for name, id in TOKENIZER.special.items():
        assert id not in TOKENIZER.encode(f"x{name}y")
        assert TOKENIZER.encode_trace(f"1{name}2")[1] == id


def test_digits_are_single_tokens():
    assert len(TOKENIZER.encode("1234567890")) == 10
