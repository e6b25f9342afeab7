"""What the mails say. Plain text: somebody reads it in a hurry, on whatever they have."""

from typing import NamedTuple

LINE_CHARACTERS_MAX = 200  # of a name that somebody else chose


class Letter(NamedTuple):
    subject: str
    text: str


def welcome(url: str) -> Letter:
    return Letter(
        "Welcome to Rollcall",
        f"""\
Hello,

your account at {url} is ready. Log in with this e-mail address and your password.

If you did not sign up, somebody typed your address; you need not do anything.
""",
    )


def reset(url: str, token: str, until: str) -> Letter:
    return Letter(
        "Choose a new password",
        f"""\
Hello,

somebody, you we hope, asked for a new password for your account at {url}.
To choose one, give it together with this code, which works once, until {until}:

  {token}

A program or a terminal does it so:

  curl -X PUT {url}/v1/user/password-reset -d token={token} \
    --data-urlencode 'password=YOUR_NEW_PASSWORD'

If it was not you who asked, ignore this mail: your password stays as it is.
""",
    )


def address_new(url: str) -> Letter:
    return Letter(
        "Your new e-mail address",
        f"""\
Hello,

from now on your account at {url} has this e-mail address. Log in with it.
""",
    )


def address_left(url: str) -> Letter:
    """Says nothing of the new address: who reads this may be somebody else by now."""
    return Letter(
        "Your e-mail address was changed",
        f"""\
Hello,

your account at {url} now has another e-mail address, and no longer this one.

If it was not you who changed it, tell whoever runs {url} at once: somebody knows your
password.
""",
    )


def invitation(url: str, inviter: str, place: str, role: str, team: str, until: str) -> Letter:
    """`place` is the product or organization; `inviter` may be empty."""
    who, where = in_line(inviter) or "Somebody", in_line(place)
    return Letter(
        f"{who} invites you to {where}",
        f"""\
Hello,

{who} invites you to work on {where}, with the role {in_line(role)}.
The invitation stands until {until}. With a token of yours you accept it so:

  curl -X POST {url}/v1/user/invitations/{team}/accept -H "Authorization: Bearer $TOKEN"

and decline it with .../decline. If you do nothing, nothing happens.
""",
    )


def ownership(url: str, offerer: str, place: str, team: str) -> Letter:
    who, what = in_line(offerer) or "Somebody", in_line(place)
    return Letter(
        f"{who} offers you {what}",
        f"""\
Hello,

{who} would have you be the owner of {what}, who may do everything with it and
pays for it. With a token of yours you accept it so:

  curl -X POST {url}/v1/user/transfers/{team}/accept -H "Authorization: Bearer $TOKEN"

and decline it with .../decline. If you do nothing, nothing happens.
""",
    )


def device(url: str, asker: str, device: str, transfer_id: str, until: str) -> Letter:
    who, what = in_line(asker) or "Somebody", in_line(device)
    return Letter(
        f"{who} asks you for a device",
        f"""\
Hello,

{who} would have your device {what}, and may wait for your answer until {until}.
With a token of yours you hand it over so:

  curl -X POST {url}/v1/user/device_transfers/{transfer_id}/accept -H "Authorization: Bearer $TOKEN"

and keep it with .../decline. If you do nothing, you keep it.
""",
    )


def activation(product: str, code: str) -> Letter:
    what = in_line(product)
    return Letter(
        f"Your activation code for {what}",
        f"""\
Hello,

you are invited to be among the first who try {what}. When you set your device
up, you are asked for an activation code. Yours is

  {code}

It lets one person in. If you do not know what this is about, ignore this mail.
""",
    )


def usage_warned(
    url: str, place: str, percent: int, messages: int, limit: int, until: str
) -> Letter:
    """`until` is the first day of the next period."""
    where = in_line(place)
    return Letter(
        f"{where} has used {percent} % of its outbound messages",
        f"""\
Hello,

{where} has sent {messages:,} of the {limit:,} outbound messages of this period,
which goes on to before {until}. At the limit no more are sent outside until then;
what devices say is taken and kept all the same. How much is used says

  curl {url}/v1/user/usage -H "Authorization: Bearer $TOKEN"
""",
    )


def usage_reached(url: str, place: str, limit: int, until: str) -> Letter:
    where = in_line(place)
    return Letter(
        f"{where} has used all of its outbound messages",
        f"""\
Hello,

{where} has sent all of the {limit:,} outbound messages of this period. What its
devices say from here on is taken and kept, but goes to no webhook, integration or
stream until {until}, or until the limit is raised. How much is used says

  curl {url}/v1/user/usage -H "Authorization: Bearer $TOKEN"
""",
    )


def in_line(text: str) -> str:
    """Somebody else's words, as a part of a line: they add no line of their own, and no header."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    cut = len(line) > LINE_CHARACTERS_MAX
    return f"{line[:LINE_CHARACTERS_MAX]}…" if cut else line
