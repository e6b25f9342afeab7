"""What mails say fits on a screen, and everybody's words stay where they belong."""

import pytest

from projections.mails import letters
from projections.mails.letters import Letter

URL = "https://cloud.example.net"
LONG = "x" * 10_000
EVIL = "Kettle\r\nBcc: all@example.com\r\n\r\nDear customer"
LETTERS = [
    letters.welcome(URL),
    letters.reset(URL, "c0ffee", "1 January 2030, 00:00 UTC"),
    letters.address_new(URL),
    letters.address_left(URL),
    *(
        letter
        for name in ("Kettle", LONG, EVIL)
        for letter in (
            letters.invitation(URL, name, name, name, "7000", "tomorrow"),
            letters.ownership(URL, name, name, "7000"),
            letters.device(URL, name, name, "f" * 24, "tomorrow"),
            letters.usage_warned(URL, name, 70, 701, 1_000, "2030-02-28"),
            letters.usage_reached(URL, name, 1_000, "2030-02-28"),
        )
    ),
]


@pytest.mark.parametrize("letter", LETTERS, ids=lambda letter: letter.subject[:30])
def test_a_letter_has_one_line_of_subject_and_says_where_it_is_from(letter: Letter) -> None:
    assert letter.subject.isprintable()
    assert len(letter.subject) < 500
    assert URL in letter.text
    assert letter.text.startswith("Hello,\n\n")
    assert not any(line.startswith(("Bcc:", "Dear")) for line in letter.text.splitlines())
    assert len(letter.text) < 2_000


def test_nobody_known_is_somebody() -> None:
    assert letters.invitation(URL, "", "Kettle", "Developer", "7000", "x").subject == (
        "Somebody invites you to Kettle"
    )
