"""The life of a user, as given/when/then. What is sealed is a word here: nothing opens it."""

import pytest

from domain.user import (
    USER,
    ChangeEmail,
    ChangePassword,
    ChangeProfile,
    DisableTotp,
    EmailTaken,
    EnableTotp,
    EraseUser,
    OfferTotp,
    RecoveryCodeSpent,
    RehashPassword,
    RequestPasswordReset,
    ResetInvalid,
    ResetPassword,
    SignUp,
    TotpEnabledAlready,
    TotpNotEnabled,
    TotpOfferInvalid,
    UserCommand,
    UseRecoveryCode,
    UserExists,
    UserUnknown,
    normal_email,
)
from domain.user_events import (
    EmailChanged,
    PasswordChanged,
    PasswordRehashed,
    PasswordResetRequested,
    ProfileChanged,
    RecoveryCodeUsed,
    TotpDisabled,
    TotpEnabled,
    TotpOffered,
    UserErased,
    UserSignedUp,
)
from tests.given import Story

ADA = "5f1e0c0000000000000000ad"
HASH = "a" * 64
OTHER_HASH = "b" * 64
TEN = "2030-01-01T10:00:00.000Z"
ELEVEN = "2030-01-01T11:00:00.000Z"
JUST_BEFORE_ELEVEN = "2030-01-01T10:59:59.999Z"

story = Story(USER)
signed_up = UserSignedUp(user_id=ADA, email="mail", password="hash", profile="names")
erased = UserErased(user_id=ADA)
reset_requested = PasswordResetRequested(
    user_id=ADA, reset="sealed token", reset_hash=HASH, expires_at=ELEVEN
)
offered = TotpOffered(user_id=ADA, secret="secret", offer_hash=HASH, expires_at=ELEVEN)
enabled = TotpEnabled(user_id=ADA, recovery="codes")
code_used = RecoveryCodeUsed(user_id=ADA, code_hash=HASH)

sign_up = SignUp(user_id=ADA, email="mail", password="hash", profile="names")
erase = EraseUser(user_id=ADA)
request_reset = RequestPasswordReset(
    user_id=ADA, reset="sealed token", reset_hash=HASH, expires_at=ELEVEN
)
offer = OfferTotp(user_id=ADA, secret="secret", offer_hash=HASH, expires_at=ELEVEN)
use_code = UseRecoveryCode(user_id=ADA, code_hash=HASH)

EVERYTHING_ELSE: list[UserCommand] = [
    ChangePassword(user_id=ADA, password="new"),
    RehashPassword(user_id=ADA, password="again", former="hash"),
    request_reset,
    ResetPassword(user_id=ADA, reset_hash=HASH, password="new", now=TEN),
    ChangeEmail(user_id=ADA, email="elsewhere"),
    ChangeProfile(user_id=ADA, profile="married"),
    offer,
    EnableTotp(user_id=ADA, offer_hash=HASH, recovery="codes", now=TEN),
    use_code,
    DisableTotp(user_id=ADA),
]
NAMES = [type(command).__name__ for command in EVERYTHING_ELSE]


def reset(reset_hash: str = HASH, now: str = TEN) -> ResetPassword:
    return ResetPassword(user_id=ADA, reset_hash=reset_hash, password="new", now=now)


def enable(offer_hash: str = HASH, now: str = TEN) -> EnableTotp:
    return EnableTotp(user_id=ADA, offer_hash=offer_hash, recovery="codes", now=now)


def changed(password: str) -> PasswordChanged:
    return PasswordChanged(user_id=ADA, password=password)


def test_a_user_signs_up() -> None:
    story.given().when(sign_up).then(signed_up)


def test_an_administrator_signs_up() -> None:
    first = SignUp(user_id=ADA, email="mail", password="hash", profile="names", administrator=True)
    story.given().when(first).then(
        UserSignedUp(
            user_id=ADA, email="mail", password="hash", profile="names", administrator=True
        )
    )


def test_nobody_signs_up_twice() -> None:
    story.given(signed_up).when(sign_up).then_refused(UserExists)


def test_an_id_is_one_persons_also_after_they_were_erased() -> None:
    story.given(signed_up, erased).when(sign_up).then_refused(UserExists)


def test_two_accounts_do_not_share_an_e_mail() -> None:
    taken = SignUp(user_id=ADA, email="mail", password="hash", profile="{}", email_taken=True)
    story.given().when(taken).then_refused(EmailTaken, "username must be unique")


@pytest.mark.parametrize("command", [*EVERYTHING_ELSE, erase], ids=[*NAMES, "EraseUser"])
def test_who_never_signed_up_is_unknown(command: UserCommand) -> None:
    story.given().when(command).then_refused(UserUnknown)


@pytest.mark.parametrize("command", EVERYTHING_ELSE, ids=NAMES)
def test_nothing_works_for_who_was_erased(command: UserCommand) -> None:
    # Whatever could have made it work was there before.
    given = story.given(signed_up, reset_requested, offered, erased)
    given.when(command).then_refused(UserUnknown)


def test_erasing_is_done_once() -> None:
    story.given(signed_up).when(erase).then(erased)
    story.given(signed_up, erased).when(erase).then_nothing()


def test_a_password_is_changed() -> None:
    change = ChangePassword(user_id=ADA, password="new")
    story.given(signed_up).when(change).then(changed("new"))


def test_a_password_is_hashed_anew_only_if_it_is_still_the_one_that_was_checked() -> None:
    rehash = RehashPassword(user_id=ADA, password="stronger", former="hash")
    rehashed = PasswordRehashed(user_id=ADA, password="stronger")
    story.given(signed_up).when(rehash).then(rehashed)
    story.given(signed_up, changed("new")).when(rehash).then_nothing()
    story.given(signed_up, rehashed).when(rehash).then_nothing()


def test_a_reset_sets_the_password_once() -> None:
    story.given(signed_up).when(request_reset).then(reset_requested)
    story.given(signed_up, reset_requested).when(reset()).then(changed("new"))
    used = story.given(signed_up, reset_requested, changed("new"))
    used.when(reset()).then_refused(ResetInvalid)


def test_a_reset_works_until_it_expires() -> None:
    given = story.given(signed_up, reset_requested)
    given.when(reset(now=JUST_BEFORE_ELEVEN)).then(changed("new"))
    given.when(reset(now=ELEVEN)).then_refused(ResetInvalid, "expired")


def test_a_reset_is_known_by_its_token_alone() -> None:
    given = story.given(signed_up, reset_requested)
    given.when(reset(OTHER_HASH)).then_refused(ResetInvalid)
    story.given(signed_up).when(reset("")).then_refused(ResetInvalid)


def test_the_latest_reset_is_the_one_that_works() -> None:
    later = PasswordResetRequested(
        user_id=ADA, reset="another", reset_hash=OTHER_HASH, expires_at=ELEVEN
    )
    given = story.given(signed_up, reset_requested, later)
    given.when(reset(HASH)).then_refused(ResetInvalid)
    given.when(reset(OTHER_HASH)).then(changed("new"))


def test_a_reset_that_was_mailed_to_the_former_address_is_void() -> None:
    moved = EmailChanged(user_id=ADA, email="elsewhere", former="mail")
    story.given(signed_up, reset_requested, moved).when(reset()).then_refused(ResetInvalid)


def test_hashing_anew_leaves_a_reset_as_it_is() -> None:
    rehashed = PasswordRehashed(user_id=ADA, password="stronger")
    story.given(signed_up, reset_requested, rehashed).when(reset()).then(changed("new"))


def test_an_e_mail_changes_and_the_former_one_is_said() -> None:
    first = EmailChanged(user_id=ADA, email="elsewhere", former="mail")
    second = EmailChanged(user_id=ADA, email="home", former="elsewhere")
    story.given(signed_up).when(ChangeEmail(user_id=ADA, email="elsewhere")).then(first)
    story.given(signed_up, first).when(ChangeEmail(user_id=ADA, email="home")).then(second)


def test_an_e_mail_does_not_change_to_somebody_elses() -> None:
    change = ChangeEmail(user_id=ADA, email="elsewhere", email_taken=True)
    story.given(signed_up).when(change).then_refused(EmailTaken)


def test_a_profile_changes() -> None:
    story.given(signed_up).when(ChangeProfile(user_id=ADA, profile="married")).then(
        ProfileChanged(user_id=ADA, profile="married")
    )


def test_a_second_factor_is_offered_and_then_enabled() -> None:
    story.given(signed_up).when(offer).then(offered)
    story.given(signed_up, offered).when(enable()).then(enabled)


def test_only_the_latest_offer_can_be_taken_up_and_not_too_late() -> None:
    given = story.given(signed_up, offered)
    given.when(enable(OTHER_HASH)).then_refused(TotpOfferInvalid)
    given.when(enable(now=ELEVEN)).then_refused(TotpOfferInvalid)
    story.given(signed_up).when(enable()).then_refused(TotpOfferInvalid)
    later = TotpOffered(user_id=ADA, secret="x", offer_hash=OTHER_HASH, expires_at=ELEVEN)
    story.given(signed_up, offered, later).when(enable()).then_refused(TotpOfferInvalid)


def test_an_enabled_second_factor_is_not_replaced_behind_its_owners_back() -> None:
    given = story.given(signed_up, offered, enabled)
    given.when(offer).then_refused(TotpEnabledAlready)
    given.when(enable()).then_refused(TotpEnabledAlready)


def test_a_second_factor_is_disabled_once() -> None:
    disable, disabled = DisableTotp(user_id=ADA), TotpDisabled(user_id=ADA)
    story.given(signed_up, offered, enabled).when(disable).then(disabled)
    story.given(signed_up, offered, enabled, disabled).when(disable).then_nothing()
    story.given(signed_up).when(disable).then_nothing()


def test_an_offer_that_was_taken_up_does_not_enable_it_again() -> None:
    disabled = TotpDisabled(user_id=ADA)
    given = story.given(signed_up, offered, enabled, disabled)
    given.when(enable()).then_refused(TotpOfferInvalid)


def test_a_recovery_code_works_once() -> None:
    story.given(signed_up, offered, enabled).when(use_code).then(code_used)
    given = story.given(signed_up, offered, enabled, code_used)
    given.when(use_code).then_refused(RecoveryCodeSpent)


def test_a_recovery_code_needs_a_second_factor_that_it_stands_for() -> None:
    story.given(signed_up).when(use_code).then_refused(TotpNotEnabled)


def test_an_e_mail_has_one_normal_spelling() -> None:
    assert normal_email(" Ada@Example.TEST ") == "ada@example.test"
