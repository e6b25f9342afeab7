"""A product's private beta: who is invited, each by a code that is mailed and needed to claim."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from api.call import Call
from api.database import Rows, Snapshot
from api.fleet.products import product_in, product_of_id
from api.people.accounts import Email
from api.people.proof import address_of
from api.problem import ActivationCodeMissing, ActivationCodeWrong, NotFound
from api.views import (
    PER_PAGE_DEFAULT,
    Done,
    Page,
    PageNumber,
    PageRows,
    page_of,
    stamp,
    stamp_or_none,
)
from domain.activation_code import (
    ALPHABET,
    CODE,
    CODE_CHARACTERS,
    EMAIL,
    ActivationCodeIssued,
    ActivationCodeRemoved,
    ActivationCodeSpent,
    ActivationCodeUnknown,
    IssueActivationCode,
    RemoveActivationCode,
    ResendActivationCode,
    UseActivationCode,
    as_typed,
)
from domain.customer import normal_username
from domain.model import Command
from domain.user import normal_email

INVITED_AT_ONCE_MAX = 100  # each is a key and an event of its own
LINE_CHARACTERS_MAX = 1_000  # a line that is no e-mail is answered as it came

COUNT = "SELECT count(*) FROM access.activation_code WHERE product_id = %s"
PAGE = """
    SELECT activation_id, email, used_by, issued_at, sent_at, used_at FROM access.activation_code
    WHERE product_id = %s ORDER BY issued_at, activation_id LIMIT %s OFFSET %s
"""
INVITED = """
    SELECT EXISTS (SELECT FROM access.activation_code WHERE product_id = %s AND email_digest = %s)
"""
BY_CODE = """
    SELECT activation_id FROM access.activation_code WHERE product_id = %s AND code_digest = %s
"""
BY_ID = """
    SELECT activation_id FROM access.activation_code WHERE product_id = %s AND activation_id = %s
"""
OF_CUSTOMER = """
    SELECT ARRAY (SELECT activation_id FROM access.activation_code
                  WHERE product_id = %s AND (used_by = %s OR email_digest = %s))
"""

Line = Annotated[str, Meta(max_length=LINE_CHARACTERS_MAX)]


class Invited(Struct, frozen=True):
    """The e-mails of those who are to be mailed a code."""

    emails: Annotated[list[Line], Meta(min_length=1, max_length=INVITED_AT_ONCE_MAX)]


class CodesWanted(Struct, frozen=True):
    page: PageNumber = 1
    per_page: PageRows = PER_PAGE_DEFAULT


class CodeRow(Struct, frozen=True):
    activation_id: str
    email: str | None
    used_by: str
    issued_at: datetime
    sent_at: datetime
    used_at: datetime | None


class ActivationCodeObject(Struct, frozen=True):
    """Who was invited, and the id of the `customer` who used the code; null as long as nobody has.
    The code itself is in the mail alone."""

    id: str
    email: str | None
    customer: str | None
    created_at: str
    sent_at: str
    used_at: str | None


class ActivationCodes(Struct, frozen=True):
    activation_codes: list[ActivationCodeObject]
    meta: Page


class InvitedNow(Struct, frozen=True):
    """Every line ends in one of these."""

    invited: list[str]
    existing: list[str]
    invalid: list[str]
    ok: bool = True


async def list_activation_codes(call: Call, query: CodesWanted) -> ActivationCodes:
    """A page of those who were invited to the product's private beta, the first first."""
    product_id, before = call.product_id, (query.page - 1) * query.per_page
    async with call.snapshot() as snapshot:
        await product_in(call, snapshot)
        total = await snapshot.value(COUNT, [product_id])
        rows = await snapshot.all(CodeRow, PAGE, [product_id, query.per_page, before])
    page = page_of(query.page, query.per_page, total)
    return ActivationCodes([shown(row) for row in rows], page)


def shown(row: CodeRow) -> ActivationCodeObject:
    return ActivationCodeObject(
        id=row.activation_id,
        email=row.email,
        customer=row.used_by or None,
        created_at=stamp(row.issued_at),
        sent_at=stamp(row.sent_at),
        used_at=stamp_or_none(row.used_at),
    )


async def invite_customers(call: Call, body: Invited) -> InvitedNow:
    """Invite people to the product's private beta: each is mailed a code of their own.

    One after the other: should it break off, sending it again invites the rest.
    """
    reply = InvitedNow([], [], [])
    async with call.snapshot() as snapshot:
        await product_in(call, snapshot)
    for line in body.emails:
        try:
            email = msgspec.convert(line, Email).strip()
        except msgspec.ValidationError:
            reply.invalid.append(line)
            continue
        bucket = reply.invited if await invited_now(call, email) else reply.existing
        bucket.append(line)
    return reply


async def invited_now(call: Call, email: str) -> bool:
    """False if they were before. Raises as the decider does."""
    digest = call.cloud.seals.digest(normal_email(email))
    async with call.cloud.database.reading() as rows:
        if await rows.value(INVITED, [call.product_id, digest]):
            return False
    activation_id = secrets.token_hex(12)
    await call.in_thread(call.cloud.seals.new_key, activation_id)

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        if await snapshot.value(INVITED, [call.product_id, digest]):
            return []
        texts = {EMAIL: email, CODE: await free_code(call, snapshot)}
        sealed = await call.in_thread(call.cloud.seals.seal_all, activation_id, texts)
        return [
            IssueActivationCode(
                activation_id=activation_id,
                product_id=call.product_id,
                email=sealed[EMAIL],
                code=sealed[CODE],
                codes=await snapshot.value(COUNT, [call.product_id]),
            )
        ]

    watched = (ActivationCodeIssued, ActivationCodeRemoved)
    async with call.cloud.turns.take(f"activation codes of {call.product_id}"):
        return bool(await call.decide(call.product_id, watched, look, models=("access",)))


async def free_code(call: Call, rows: Rows) -> str:
    """One that nobody has in the product yet: of a hundred there are, one may be somebody's."""
    while True:
        code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARACTERS))
        if await code_row(call, rows, call.product_id, code) is None:
            return code


async def code_row(call: Call, rows: Rows, product_id: int, code: str) -> str | None:
    """The id of the product's activation code that is this one."""
    found: str | None = await rows.value(BY_CODE, [product_id, call.cloud.seals.digest(code)])
    return found


async def resend_activation_code(call: Call) -> Done:
    """Have a code that nobody has used mailed once more."""
    activation_id = await activation_in(call)
    command = ResendActivationCode(activation_id=activation_id, product_id=call.product_id)
    await call.carry_out(command)
    return Done()


async def remove_activation_code(call: Call) -> None:
    """Invite somebody no longer. What was claimed by the code stays claimed."""
    await remove(call, call.product_id, await activation_in(call))


async def activation_in(call: Call) -> str:
    """The activation code that the path names, by its id. Raises NotFound."""
    async with call.cloud.database.reading() as rows:
        found: str | None = await rows.value(BY_ID, [call.product_id, call.part("activation")])
    if found is None:
        raise NotFound(what="Activation code")
    return found


async def remove(call: Call, product_id: int, activation_id: str) -> None:
    await call.carry_out(RemoveActivationCode(activation_id=activation_id, product_id=product_id))
    # The read model does it, too, once it is there; nobody has to wait for that.
    await call.in_thread(call.cloud.seals.destroy, activation_id)


async def remove_all_of(call: Call, product_id: int, customer_id: str, username: str) -> None:
    """Those that the customer has used, or was mailed."""
    digest = call.cloud.seals.digest(normal_username(username))
    async with call.cloud.database.reading() as rows:
        ids: list[str] = await rows.value(OF_CUSTOMER, [product_id, customer_id, digest])
    for activation_id in ids:
        await remove(call, product_id, activation_id)


async def must_be_invited(call: Call, product_id: int, code: str) -> None:
    """In a private beta a customer claims with a code, which is theirs from the first time on.

    So short a code is soon guessed: whoever shows wrong ones has to wait, as for a log-in. Raises
    ActivationCodeMissing, ActivationCodeWrong, ActivationCodeSpent, TooManyBadLogIns, or
    PermissionDenied if the product is no more.
    """
    async with call.snapshot() as snapshot:
        product = await product_of_id(snapshot, product_id)
    if not product.requires_activation_codes:
        return
    typed, customer_id = as_typed(code), call.caller.grants.customer_id
    if not typed:
        raise ActivationCodeMissing(field="activation_code")
    async with call.cloud.log_ins.turn(address_of(call), f"activation of {customer_id}") as turn:
        async with call.cloud.database.reading() as rows:
            activation_id = await code_row(call, rows, product_id, typed)
        try:
            if activation_id is None:
                raise ActivationCodeUnknown
            use = UseActivationCode(
                activation_id=activation_id, product_id=product_id, customer_id=customer_id
            )
            await call.carry_out(use)
        except ActivationCodeSpent:
            await turn.failed()
            raise
        except ActivationCodeUnknown:
            await turn.failed()
            raise ActivationCodeWrong(field="activation_code") from None
