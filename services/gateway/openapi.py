"""The OpenAPI document of the doors, written to `docs/reference/openapi.json`: `python -m services.gateway.openapi`."""

import json
from pathlib import Path
from typing import Any, cast

from services.gateway.api import build_api
from services.gateway.api_reading import OtherServices
from services.gateway.doors import Doors
from services.gateway.usecases.registry import Registry

FILE = Path(__file__).parents[2] / "docs/reference/openapi.json"


def document() -> dict[str, Any]:
    """The document. Nothing behind the doors is called to describe them."""
    return build_api(cast(Doors, None), cast(Registry, None), cast(OtherServices, None)).openapi()


def main() -> None:
    """Write the document."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
