"""x"""

from typing import Any

REASONS: tuple[str, ...] = ()


async def reason_condition(snapshot: Any, product: Any, reason: str) -> Any: ...
