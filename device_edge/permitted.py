"""Which binaries a device may fetch."""

from device_edge.known import Known
from domain.device_events import Standing


def may_fetch(known: Known, device_id: str, sha256: str) -> bool:
    """Firmware of its own product, or of one that takes whoever asks.

    A binary that is no product's firmware was flashed to somebody directly: only that device was
    told its SHA-256, which nobody guesses.
    """
    products = known.products_with(sha256)
    if not products:
        return True
    facts = known.facts_of(device_id)
    if facts is not None and facts.product_id is not None:
        own = any(product.product_id == facts.product_id for product in products)
        if own:
            return facts.standing == Standing.MEMBER
    return any(product.auto_approves for product in products)
