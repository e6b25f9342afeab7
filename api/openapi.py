"""x"""

from typing import Any


async def openapi(call: Any) -> dict[str, Any]:
    return {}
