"""An activation code: mailed to somebody who may take part in a product's private beta, used once.

It is too short to be a secret as a hash: the log holds it sealed, with the e-mail, under a key that
is destroyed when the code is removed.
"""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.model import Command, Decider, Event, Refused, Unknown
from domain.names import Id, ProductId, Sealed

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ23456789"
CODE_CHARACTERS = 4
ACTIVATION_CODES_MAX = 10_000  # of one product: of all codes there could be, one in a hundred

# What a text is sealed as: see domain/log/seals.py.
EMAIL = "email"
CODE = "code"


class ActivationCodeIssued(Event):
    activation_id: str
    product_id: int
    email: str
    code: str


class ActivationCodeResent(Event):
    activation_id: str
    product_id: int


class ActivationCodeUsed(Event):
    """The customer may claim devices of the product from here on, with this code."""

    activation_id: str
    product_id: int
    customer_id: str


class ActivationCodeRemoved(Event):
    """The key is destroyed: nobody can read any more whom it was mailed to."""

    activation_id: str
    product_id: int


ActivationCodeEvent: TypeAlias = (
    ActivationCodeIssued | ActivationCodeResent | ActivationCodeUsed | ActivationCodeRemoved
)


class AboutActivationCode(Command):
    activation_id: Id
    product_id: ProductId

    @property
    def stream(self) -> str:
        return f"activation_code-{self.activation_id}"


class IssueActivationCode(AboutActivationCode):
    """`codes` is how many the product has now."""

    email: Sealed
    code: Sealed
    codes: int


class ResendActivationCode(AboutActivationCode):
    pass


class UseActivationCode(AboutActivationCode):
    customer_id: Id


class RemoveActivationCode(AboutActivationCode):
    pass


ActivationCodeCommand: TypeAlias = (
    IssueActivationCode | ResendActivationCode | UseActivationCode | RemoveActivationCode
)


class ActivationCodeUnknown(Unknown):
    """Activation code not found."""


class ActivationIdTaken(Refused):
    """Another activation code has this id, or had it."""


class ActivationCodeSpent(Refused):
    """This activation code was used before, by somebody else."""

    field = "activation_code"


class ActivationCodeNotOpen(Refused):
    """This activation code was used already: there is nothing to send again."""


class TooManyActivationCodes(Refused):
    """The product has {codes} activation codes; {limit} is the limit."""

    field = "emails"


class ActivationCode(Struct, frozen=True):
    """`used_by` is a customer's id, empty as long as nobody has used it."""

    product_id: int | None = None
    used_by: str = ""
    removed: bool = False


def decide(code: ActivationCode, command: ActivationCodeCommand) -> list[ActivationCodeEvent]:
    activation_id, product_id = command.activation_id, command.product_id
    match command:
        case IssueActivationCode(email=email, code=sealed, codes=codes):
            if code.product_id is not None:
                raise ActivationIdTaken
            if codes >= ACTIVATION_CODES_MAX:
                raise TooManyActivationCodes(codes=codes, limit=ACTIVATION_CODES_MAX)
            issued = ActivationCodeIssued(
                activation_id=activation_id, product_id=product_id, email=email, code=sealed
            )
            return [issued]
        case _ if code.product_id != product_id:
            raise ActivationCodeUnknown
        case RemoveActivationCode():
            if code.removed:
                return []
            return [ActivationCodeRemoved(activation_id=activation_id, product_id=product_id)]
        case _ if code.removed:
            raise ActivationCodeUnknown
        case ResendActivationCode():
            if code.used_by:
                raise ActivationCodeNotOpen
            return [ActivationCodeResent(activation_id=activation_id, product_id=product_id)]
        case UseActivationCode(customer_id=customer_id):
            # Whoever used it may show it again: the setup of a device fails now and then.
            if code.used_by == customer_id:
                return []
            if code.used_by:
                raise ActivationCodeSpent
            used = ActivationCodeUsed(
                activation_id=activation_id, product_id=product_id, customer_id=customer_id
            )
            return [used]
    assert_never(command)


def evolve(code: ActivationCode, event: ActivationCodeEvent) -> ActivationCode:
    match event:
        case ActivationCodeIssued(product_id=product_id):
            return ActivationCode(product_id)
        case ActivationCodeResent():
            return code
        case ActivationCodeUsed(customer_id=customer_id):
            return replace(code, used_by=customer_id)
        case ActivationCodeRemoved():
            return replace(code, removed=True)
    assert_never(event)


ACTIVATION_CODE = Decider(initial=ActivationCode(), decide=decide, evolve=evolve)


def as_typed(code: str) -> str:
    """A code that somebody typed, as it was mailed."""
    return "".join(code.split()).upper()
