"""The table of promises says what the tests show."""

import pytest

from tests import promises


def test_the_page_is_what_the_tests_say():
    assert promises.PAGE.read_text() == promises.page(), "run `python -m tests.promises`"


def test_a_marker_is_a_row():
    source = """
@pytest.mark.slow
@pytest.mark.promise("a kill", "nothing " "is lost")
def test_it(): pass
def test_another(): pass
"""
    assert list(promises.promises(source)) == [
        promises.Promise("a kill", "nothing is lost", "test_it")
    ]


def test_a_marker_that_cannot_be_read_is_refused():
    with pytest.raises(ValueError, match="malformed"):
        list(promises.promises("@pytest.mark.promise(WHAT, HOW)\ndef test_it(): pass"))
