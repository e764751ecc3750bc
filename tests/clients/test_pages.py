"""The page of OpenAI's SDK says what is so, and every page of docs/clients has a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from clients.pages import PAGES, run
from clients.serving import Serving


def test_the_page_of_openais_sdk(serving: Serving, tmp_path: Path):
    run("openai.md", serving, tmp_path)


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_every_page_is_run(page: Path):
    tests = [test.read_text("utf-8") for test in Path(__file__).parent.glob("test_*.py")]
    assert any(f'run("{page.name}"' in test for test in tests)
