"""A product: a fleet of one device type, created once, described, and one day retired."""

from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.model import Command, Decider, Event, Refused, Unknown
from domain.names import PLATFORMS, PRODUCT_ID_MIN, Description, Name, ProductId
from domain.product_ownership import (
    AcceptProduct,
    DeclineProduct,
    OfferProduct,
    Ownership,
    OwnershipCommand,
    OwnershipEvent,
    OwnershipTransferred,
    ProductDeclined,
    ProductOffered,
    ProductOfferWithdrawn,
    TransferOwnership,
    WithdrawProductOffer,
    decide_ownership,
    evolve_ownership,
)

FAILED_ATTEMPTS_DEFAULT = 3
FAILED_ATTEMPTS_MAX = 100
EVENT_DAYS_MAX = 366


class ProductCreated(Event):
    product_id: int
    platform_id: int
    name: str
    slug: str
    description: str = ""
    owner: str = ""


class ProductRenamed(Event):
    product_id: int
    name: str


class ProductDescribed(Event):
    product_id: int
    description: str


class AutoApprovalAllowed(Event):
    """Unknown devices that ask for this product join it without being asked about."""

    product_id: int


class AutoApprovalForbidden(Event):
    product_id: int


class FailedAttemptsLimited(Event):
    """After so many failed updates to one version a device is reported as stuck."""

    product_id: int
    attempts_max: int


class ActivationCodesRequired(Event):
    """A private beta: customers claim devices with a code that they were invited by."""

    product_id: int


class ActivationCodesWaived(Event):
    product_id: int


class EventRetentionChanged(Event):
    """The events of the product's devices are kept for so many days; None: for as long as the
    installation keeps those of whoever says nothing."""

    product_id: int
    days: int | None


class ProductRetired(Event):
    product_id: int


ProductEvent: TypeAlias = (
    ProductCreated
    | ProductRenamed
    | ProductDescribed
    | AutoApprovalAllowed
    | AutoApprovalForbidden
    | FailedAttemptsLimited
    | ActivationCodesRequired
    | ActivationCodesWaived
    | EventRetentionChanged
    | OwnershipEvent
    | ProductRetired
)


class AboutProduct(Command):
    product_id: ProductId

    @property
    def stream(self) -> str:
        return f"product-{self.product_id}"


class CreateProduct(AboutProduct):
    platform_id: int
    name: Name
    slug: str
    description: Description = ""
    owner: str = ""


class RenameProduct(AboutProduct):
    name: Name


class DescribeProduct(AboutProduct):
    description: Description


class AllowAutoApproval(AboutProduct):
    pass


class ForbidAutoApproval(AboutProduct):
    pass


class LimitFailedAttempts(AboutProduct):
    attempts_max: int


class RequireActivationCodes(AboutProduct):
    pass


class WaiveActivationCodes(AboutProduct):
    pass


class ChangeEventRetention(AboutProduct):
    days: int | None


class RetireProduct(AboutProduct):
    """`devices` is how many the product has now."""

    devices: int


ProductCommand: TypeAlias = (
    CreateProduct
    | RenameProduct
    | DescribeProduct
    | AllowAutoApproval
    | ForbidAutoApproval
    | LimitFailedAttempts
    | RequireActivationCodes
    | WaiveActivationCodes
    | ChangeEventRetention
    | OwnershipCommand
    | RetireProduct
)


class ProductUnknown(Unknown):
    """Product not found."""


class ProductIdTaken(Refused):
    """Product id {product_id} is taken."""

    field = "id"


class ProductIdReserved(Refused):
    """Product id {product_id} is not above {highest}: the ids up to there name platforms."""

    field = "id"


class PlatformUnknown(Refused):
    """platform_id {platform_id} is not a known device type."""

    field = "platform_id"


class FailedAttemptsOutOfRange(Refused):
    """failed_attempts_max is {attempts_max}, must be from 1 to {limit}."""

    field = "failed_attempts_max"


class EventRetentionOutOfRange(Refused):
    """device_event_days is {days}, must be from 1 to {limit}."""

    field = "device_event_days"


class ProductHasDevices(Refused):
    """The product still has {devices} devices: remove them first."""


class Product(Struct, frozen=True):
    name: str = ""
    description: str = ""
    exists: bool = False
    retired: bool = False
    auto_approves: bool = False
    attempts_max: int = FAILED_ATTEMPTS_DEFAULT
    requires_codes: bool = False
    event_days: int | None = None
    ownership: Ownership = Ownership()


def decide(product: Product, command: ProductCommand) -> list[ProductEvent]:
    match command:
        case CreateProduct():
            return create(product, command)
        case RetireProduct() if product.retired:
            return []
        case _ if not product.exists or product.retired:
            raise ProductUnknown
        case RenameProduct(product_id=product_id, name=name):
            if name == product.name:
                return []
            return [ProductRenamed(product_id=product_id, name=name)]
        case DescribeProduct(product_id=product_id, description=description):
            if description == product.description:
                return []
            return [ProductDescribed(product_id=product_id, description=description)]
        case AllowAutoApproval(product_id=product_id):
            return [] if product.auto_approves else [AutoApprovalAllowed(product_id=product_id)]
        case ForbidAutoApproval(product_id=product_id):
            return [AutoApprovalForbidden(product_id=product_id)] if product.auto_approves else []
        case LimitFailedAttempts(product_id=product_id, attempts_max=attempts_max):
            if not 1 <= attempts_max <= FAILED_ATTEMPTS_MAX:
                raise FailedAttemptsOutOfRange(attempts_max=attempts_max, limit=FAILED_ATTEMPTS_MAX)
            if attempts_max == product.attempts_max:
                return []
            return [FailedAttemptsLimited(product_id=product_id, attempts_max=attempts_max)]
        case RequireActivationCodes(product_id=product_id):
            return (
                [] if product.requires_codes else [ActivationCodesRequired(product_id=product_id)]
            )
        case WaiveActivationCodes(product_id=product_id):
            return [ActivationCodesWaived(product_id=product_id)] if product.requires_codes else []
        case ChangeEventRetention(product_id=product_id, days=days):
            if days is not None and not 1 <= days <= EVENT_DAYS_MAX:
                raise EventRetentionOutOfRange(days=days, limit=EVENT_DAYS_MAX)
            if days == product.event_days:
                return []
            return [EventRetentionChanged(product_id=product_id, days=days)]
        case RetireProduct(product_id=product_id, devices=devices):
            if devices:
                raise ProductHasDevices(devices=devices)
            return [ProductRetired(product_id=product_id)]
        case (
            OfferProduct()
            | WithdrawProductOffer()
            | DeclineProduct()
            | AcceptProduct()
            | TransferOwnership()
        ):
            return [*decide_ownership(product.ownership, command)]
    assert_never(command)


def create(product: Product, command: CreateProduct) -> list[ProductEvent]:
    created = ProductCreated(
        product_id=command.product_id,
        platform_id=command.platform_id,
        name=command.name,
        slug=command.slug,
        description=command.description,
        owner=command.owner,
    )
    if product.exists:
        raise ProductIdTaken(product_id=command.product_id)
    if command.product_id < PRODUCT_ID_MIN:
        raise ProductIdReserved(product_id=command.product_id, highest=PRODUCT_ID_MIN - 1)
    if command.platform_id not in PLATFORMS:
        raise PlatformUnknown(platform_id=command.platform_id)
    return [created]


def evolve(product: Product, event: ProductEvent) -> Product:
    match event:
        case ProductCreated(name=name, description=description, owner=owner):
            return Product(name, description, exists=True, ownership=Ownership(owner))
        case ProductRenamed(name=name):
            return replace(product, name=name)
        case ProductDescribed(description=description):
            return replace(product, description=description)
        case AutoApprovalAllowed():
            return replace(product, auto_approves=True)
        case AutoApprovalForbidden():
            return replace(product, auto_approves=False)
        case FailedAttemptsLimited(attempts_max=attempts_max):
            return replace(product, attempts_max=attempts_max)
        case ActivationCodesRequired():
            return replace(product, requires_codes=True)
        case ActivationCodesWaived():
            return replace(product, requires_codes=False)
        case EventRetentionChanged(days=days):
            return replace(product, event_days=days)
        case ProductRetired():
            return replace(product, retired=True)
        case ProductOffered() | ProductOfferWithdrawn() | ProductDeclined():
            return replace(product, ownership=evolve_ownership(product.ownership, event))
        case OwnershipTransferred():
            return replace(product, ownership=evolve_ownership(product.ownership, event))
    assert_never(event)


PRODUCT = Decider(initial=Product(), decide=decide, evolve=evolve)
