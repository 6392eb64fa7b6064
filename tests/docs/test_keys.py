"""Every key and secret in the list names the tests that hold its row, and the tests are there."""

import re
from typing import get_args

from nodes.keystore import KeyUse
from tests.docs.markdown import read
from tests.docs.test_threat_model import claims, missing

PAGE = read("docs/reference/keys.md")


def test_every_row_names_a_test_and_every_test_exists() -> None:
    assert len(claims(PAGE)) > 12
    assert missing(PAGE) == []


def test_every_kind_of_key_file_is_in_the_list() -> None:
    listed = set(re.findall(r"`keys/([a-z-]+?)(?:-N)?\.key`", PAGE))
    assert listed == set(get_args(KeyUse))
