"""A claim code: issued to a person, shown by one device, good for an hour."""

from base64 import urlsafe_b64encode

from domain.claim_code import (
    CLAIM_CODE,
    CODE_BYTES,
    CODE_CHARACTERS,
    ClaimCodeExpired,
    ClaimCodeIssued,
    ClaimCodeRevoked,
    ClaimCodeShown,
    ClaimCodeTaken,
    ClaimCodeUnknown,
    ClaimCodeUsed,
    IssueClaimCode,
    RevokeClaimCode,
    ShowClaimCode,
    hash_of,
)
from tests.given import Story

CODE = "a secret"
HASH = hash_of(CODE)
ANN, BOB = "a" * 24, "b" * 24
ONE, TWO = "1" * 24, "2" * 24
UNTIL = "2030-01-01T13:00:00.000Z"
story = Story(CLAIM_CODE)

issue = IssueClaimCode(code_hash=HASH, user_id=ANN, expires_at=UNTIL, product_id=7000)
issued = ClaimCodeIssued(code_hash=HASH, user_id=ANN, expires_at=UNTIL, product_id=7000)
shown = ClaimCodeShown(code_hash=HASH, user_id=ANN, product_id=7000, device_id=ONE)


def show(device_id: str = ONE, at: str = "2030-01-01T12:59:59.999+00:00") -> ShowClaimCode:
    return ShowClaimCode(code_hash=HASH, device_id=device_id, at=at)


def test_a_code_says_whose_a_device_that_shows_it_is_to_be() -> None:
    story.given().when(issue).then(issued)
    story.given(issued).when(show()).then(shown)


def test_a_device_goes_on_showing_its_code_and_nothing_comes_of_it() -> None:
    story.given(issued, shown).when(show()).then_nothing()
    story.given(issued, shown).when(show(at="2031-01-01T00:00:00Z")).then_nothing()


def test_a_code_is_good_for_one_device() -> None:
    story.given(issued, shown).when(show(TWO)).then_refused(ClaimCodeUsed)


def test_a_code_is_good_until_it_expires() -> None:
    story.given(issued).when(show(at="2030-01-01T13:00:00.001+00:00")).then_refused(
        ClaimCodeExpired, UNTIL
    )


def test_what_nobody_issued_is_no_code() -> None:
    story.given().when(show()).then_refused(ClaimCodeUnknown)


def test_no_code_is_issued_twice() -> None:
    for_bob = IssueClaimCode(code_hash=HASH, user_id=BOB, expires_at=UNTIL)
    story.given(issued).when(for_bob).then_refused(ClaimCodeTaken)
    story.given(issued).when(issue).then_refused(ClaimCodeTaken)


def test_a_code_that_was_revoked_is_worth_nothing() -> None:
    revoke = RevokeClaimCode(code_hash=HASH)
    revoked = ClaimCodeRevoked(code_hash=HASH, user_id=ANN, product_id=7000)
    story.given(issued).when(revoke).then(revoked)
    story.given(issued, revoked).when(show()).then_refused(ClaimCodeUnknown)
    story.given(issued, revoked).when(revoke).then_nothing()
    story.given(issued, shown).when(revoke).then_nothing()
    story.given().when(revoke).then_refused(ClaimCodeUnknown)


def test_a_code_is_as_long_as_devices_have_room_for() -> None:
    assert len(urlsafe_b64encode(bytes(CODE_BYTES)).rstrip(b"=")) == CODE_CHARACTERS


def test_the_stream_of_a_code_does_not_tell_the_code() -> None:
    assert CODE not in issue.stream
    assert issue.stream == show().stream == f"claim_code-{HASH}"
