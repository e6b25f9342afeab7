"""How things of the fleet are named, and how long a name may be. Checked where input is decoded."""

from typing import Annotated

from msgspec import Meta

VERSION_MIN = 1
VERSION_MAX = 65_534  # 65535 is what a binary without a product version carries
PRODUCT_ID_MAX = 65_534  # 16 bits in the binary; 65535 means "no product"
NAME_CHARACTERS_MAX = 128
DESCRIPTION_CHARACTERS_MAX = 4_096
NOTES_CHARACTERS_MAX = 8_192
GROUP_CHARACTERS_MAX = 64
GROUPS_PER_DEVICE_MAX = 64
GROUPS_PER_PRODUCT_MAX = 1_000
REASON_CHARACTERS_MAX = 256
FIRMWARE_BYTES_MAX = 16 * 1024 * 1024
SEALED_CHARACTERS_MAX = 32_768
EMAIL_CHARACTERS_MAX = 254

# `$` alone would let a line feed pass at the end.
DEVICE_ID_PATTERN = r"^[0-9a-f]{24}$(?!\n)"
GROUP_NAME_PATTERN = r"^[a-z0-9_-]{1,64}$(?!\n)"
ID_PATTERN = r"^[0-9a-f]{24}$(?!\n)"  # of users, tokens, organizations: made by us, at random
HASH_PATTERN = r"^[0-9a-f]{64}$(?!\n)"
INSTANT_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$(?!\n)"
TEXT_PATTERN = r"^[^\x00]*$"  # PostgreSQL's text and jsonb hold no NUL

DeviceId = Annotated[str, Meta(pattern=DEVICE_ID_PATTERN)]
ProductId = Annotated[int, Meta(ge=1, le=PRODUCT_ID_MAX)]
Version = Annotated[int, Meta(ge=VERSION_MIN, le=VERSION_MAX)]
GroupName = Annotated[str, Meta(pattern=GROUP_NAME_PATTERN)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=TEXT_PATTERN)]
Description = Annotated[str, Meta(max_length=DESCRIPTION_CHARACTERS_MAX, pattern=TEXT_PATTERN)]
Notes = Annotated[str, Meta(max_length=NOTES_CHARACTERS_MAX, pattern=TEXT_PATTERN)]
Id = Annotated[str, Meta(pattern=ID_PATTERN)]
# What only the holder of a person's key can read: see domain/log/seals.py.
Sealed = Annotated[str, Meta(min_length=1, max_length=SEALED_CHARACTERS_MAX)]
# SHA-256 of a random token, as 64 hex digits. Nobody finds 160 random bits from it.
Hash = Annotated[str, Meta(pattern=HASH_PATTERN)]
# A time in UTC with milliseconds and a Z: of two, the later one is the greater text.
Instant = Annotated[str, Meta(pattern=INSTANT_PATTERN)]
Color = Annotated[str, Meta(pattern=r"^(#?[0-9A-Fa-f]{6})?$(?!\n)")]

# Every device type that firmware can be built for, by the id its binaries carry.
# Source: the platform table of the vendor's published build targets.
PLATFORMS = {
    0: "core", 6: "photon", 8: "p1", 10: "electron", 11: "esp32", 12: "argon", 13: "boron",
    14: "xenon", 15: "esomx", 22: "asom", 23: "bsom", 24: "xsom", 25: "b5som", 26: "tracker",
    28: "trackerm", 31: "raspi", 32: "p2", 35: "msom", 37: "electron2", 38: "sulu",
    42: "tachyon", 43: "linux", 82: "oak", 88: "duo", 103: "bluz",
}  # fmt: skip
PRODUCT_ID_MIN = max(PLATFORMS) + 1  # a product id is never a platform id
