"""The answer to a handshake, decided from facts alone: the edge, the API and the audit share it."""

from domain.device_events import Standing
from domain.facts import DeviceFacts, ProductFacts
from domain.hello import UNSET_PRODUCT, Answer, Hello, Told
from domain.names import PLATFORMS
from domain.targeting import NO_TARGET, Rule, Target, target_of

UNKNOWN = Answer(told=Told.UNKNOWN)


def product_asked_for(hello: Hello) -> int | None:
    """The product the firmware was built for; a platform id there means no product."""
    asked = hello.product_id
    if asked is None or asked in PLATFORMS or asked == UNSET_PRODUCT:
        return None
    return asked


def product_of(hello: Hello, device: DeviceFacts | None) -> int | None:
    """The product whose rules answer this hello: the device's own, else the one it asks for."""
    if device is not None and device.product_id is not None:
        asked = product_asked_for(hello)
        if device.standing == Standing.MEMBER or asked is None:
            return device.product_id
        return asked
    return product_asked_for(hello)


def running_version(hello: Hello, product_id: int) -> int | None:
    """The version of this product that the device runs, None if it runs something else."""
    asked = product_asked_for(hello)
    if asked is not None and asked != product_id:
        return None
    return None if hello.version == UNSET_PRODUCT else hello.version


def answer(hello: Hello, device: DeviceFacts | None, product: ProductFacts | None) -> Answer:
    """What to tell the device. `product` is the one that `product_of` names, if it exists."""
    if product is None or product.retired:
        return UNKNOWN
    product_id = product.product_id
    if device is None or device.product_id != product_id:
        return answer_stranger(hello, device, product)
    if device.standing == Standing.QUARANTINED:
        return Answer(told=Told.QUARANTINED, rule=Rule.QUARANTINED, product_id=product_id)
    if device.standing == Standing.DENIED:
        return Answer(told=Told.DENIED, rule=Rule.DENIED, product_id=product_id)
    target = target_of(device.cohort(), product.releases())
    return offer(hello, target, product_id, forced=device.forced, stuck_at=device.stuck_version)


def answer_stranger(hello: Hello, device: DeviceFacts | None, product: ProductFacts) -> Answer:
    """A device whose firmware asks for a product it is not in."""
    product_id = product.product_id
    if hello.platform_id is not None and hello.platform_id != product.platform_id:
        return UNKNOWN
    if device is not None and product_id in device.turned_away_from():
        return Answer(told=Told.DENIED, rule=Rule.DENIED, product_id=product_id)
    # Whether its owner is on the team, no edge knows: it waits until that is looked up.
    if not product.auto_approves or (device is not None and device.owned):
        return Answer(told=Told.QUARANTINED, rule=Rule.QUARANTINED, product_id=product_id)
    target = target_of(DeviceFacts(product_id=product_id).cohort(), product.releases())
    return offer(hello, target, product_id, joins=True)


def offer(
    hello: Hello,
    target: Target = NO_TARGET,
    product_id: int = 0,
    *,
    forced: bool = False,
    stuck_at: int | None = None,
    joins: bool = False,
) -> Answer:
    """Offer the target unless the device runs it, wants no update, or failed it too often."""
    told = Told.UPDATE
    if target.version is None or target.version == running_version(hello, product_id):
        told = Told.NOTHING
    elif target.version == stuck_at:
        told = Told.STUCK
    elif not hello.updates_enabled and not forced:
        told = Told.PENDING
    return Answer(
        told=told,
        rule=target.rule,
        version=target.version,
        product_id=product_id,
        group=target.group,
        joins=joins,
    )
