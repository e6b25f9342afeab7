"""What a device proves itself with."""

import pytest

from device_edge.credentials import (
    CredentialRefused,
    DeviceIdMalformed,
    TokenExpired,
    TokenMalformed,
    TokenWrong,
    secret_of,
    token_of,
    verify,
)

MASTER = bytes(range(32))
DEVICE = "e00fce681f2a3b4c5d6e7f80"
OTHER = "e00fce681f2a3b4c5d6e7f81"
NOW = 1_795_226_638
SECRET = secret_of(MASTER, DEVICE)


def test_every_device_has_a_secret_of_its_own() -> None:
    assert len(SECRET) == 32
    assert secret_of(MASTER, OTHER) != SECRET
    assert secret_of(bytes(32), DEVICE) != SECRET


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_token_is_good_for_five_minutes_around_its_time(seconds: int) -> None:
    verify(MASTER, DEVICE, token_of(SECRET, DEVICE, NOW + seconds), NOW)


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_a_token_of_another_time_is_refused(seconds: int) -> None:
    with pytest.raises(TokenExpired):
        verify(MASTER, DEVICE, token_of(SECRET, DEVICE, NOW + seconds), NOW)


def test_a_token_of_another_device_is_refused() -> None:
    with pytest.raises(TokenWrong):
        verify(MASTER, DEVICE, token_of(secret_of(MASTER, OTHER), OTHER, NOW), NOW)
    with pytest.raises(TokenWrong):
        verify(MASTER, DEVICE, token_of(secret_of(MASTER, OTHER), DEVICE, NOW), NOW)


def test_a_token_whose_time_was_changed_is_refused() -> None:
    old = token_of(SECRET, DEVICE, NOW - 1000)
    with pytest.raises(TokenWrong):
        verify(MASTER, DEVICE, old.replace(str(NOW - 1000), str(NOW)), NOW)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "v1",
        "v2.1795226638." + "0" * 64,
        "v1.-5." + "0" * 64,
        "v1.١٧٩." + "0" * 64,
        "v1.1795226638." + "0" * 200,
        "v1.1795226638.00.00",
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(TokenMalformed):
        verify(MASTER, DEVICE, token, NOW)


def test_a_token_with_other_letters_is_refused() -> None:
    with pytest.raises(TokenWrong):
        verify(MASTER, DEVICE, f"v1.{NOW}.{'é' * 64}", NOW)


@pytest.mark.parametrize("user", ["", "admin", "E00FCE681F2A3B4C5D6E7F80", DEVICE + "0", "d.>"])
def test_what_is_no_device_id_is_refused(user: str) -> None:
    with pytest.raises(DeviceIdMalformed):
        verify(MASTER, user, token_of(SECRET, user, NOW), NOW)


@pytest.mark.parametrize("refusal", CredentialRefused.__subclasses__())
def test_every_refusal_says_why(refusal: type[CredentialRefused]) -> None:
    assert (refusal.__doc__ or "").endswith(".")
