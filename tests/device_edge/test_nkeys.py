import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from device_edge.nkeys import KeyPair, SeedMalformed

# The pair that NATS' own documentation of NKeys shows.
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC_KEY = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def test_a_published_pair_is_read_and_spelled_as_published() -> None:
    pair = KeyPair.from_seed(SEED)

    assert pair.public_key == PUBLIC_KEY
    assert pair.seed == SEED


@pytest.mark.parametrize("role", ["A", "U"])
def test_a_new_key_says_its_role_and_survives_its_spelling(role: str) -> None:
    pair = KeyPair.new(role)

    assert pair.public_key[0] == role
    assert pair.seed[:2] == f"S{role}"
    assert KeyPair.from_seed(pair.seed).public_key == pair.public_key


def test_what_is_signed_verifies_with_the_key_inside_the_public_key() -> None:
    from base64 import b32decode

    pair = KeyPair.new("A")
    inside = b32decode(pair.public_key)[1:33]

    # Raises where the signature is not good.
    Ed25519PublicKey.from_public_bytes(inside).verify(pair.sign(b"hello"), b"hello")
    assert len(inside) == 32


@pytest.mark.parametrize(
    "seed",
    ["", "S", "not base32!", SEED[:-1], SEED[:-1] + "A", PUBLIC_KEY, SEED.lower(), "A" * 58],
)
def test_what_is_no_seed_is_refused(seed: str) -> None:
    with pytest.raises(SeedMalformed):
        KeyPair.from_seed(seed)
