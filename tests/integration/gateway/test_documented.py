"""OpenAPI is complete and true: whatever is asked, by whomever, the answer is one that the document names.

Schemathesis asks: examples, every boundary of every parameter, and values of all kinds, right ones and wrong ones.
"""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.integration.gateway.street import Street
from tests.integration.gateway.world import TOKEN

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "negative_data_rejection",
)  # fmt: skip
LEFT_OUT = "me/keys|webhook-secret|/keys"
"""Whoever asks these at random loses its key."""

EXAMPLES = 4
SAID_MAX = 6_000


@pytest.mark.timeout(240)
@pytest.mark.parametrize("holder", ["VAR-A", "erp", TOKEN])
async def test_no_answer_is_undocumented_and_nothing_wrong_is_accepted(
    street: Street, holder: str, tmp_path: Path
) -> None:
    key = street.world.keys.get(holder, holder)
    url = street.world.gateway.url
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "st", "run", f"{url}/openapi.json", "--url", url,
        "--header", f"Authorization: Bearer {key}", "--checks", ",".join(CHECKS), "--continue-on-failure",
        "--phases", "examples,coverage,fuzzing", "--exclude-path-regex", LEFT_OUT, "--seed", "1", "-n", str(EXAMPLES),
        "--generation-deterministic", "--no-color", cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-SAID_MAX:]
    assert b"Test cases" in said
