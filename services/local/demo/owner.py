"""The owner of a firm opens its page by the link of a mail: its person, its services, this month, its first invoice."""

import re

import aiohttp

from services.local.demo.stage import Stage
from services.local.demo.world import PARTIES

FIRM = "SME-01"
LINK = re.compile(r"/mia/[\w-]{76}")


async def act_owner(stage: Stage) -> None:
    """3 November: the mail of SME-01's activation is opened."""
    firm = next(one for one in PARTIES["tenants"] if one["external_id"] == FIRM)
    reseller_id = (await stage.tenants())[FIRM]["reseller_id"]
    person = next(one for one in PARTIES["resellers"] if one["id"] == reseller_id)["contact"]

    async def written() -> list[str]:
        return stage.mailbox.to(firm["contact"]["email"])

    mails = await stage.until(f"the owner of {FIRM} has a mail", written) or [""]
    found = LINK.search(mails[0])
    stage.expect.that("it holds a link", found is not None, mails[0])
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        address = stage.stack.address("gateway")
        link = found.group() if found else "/mia"
        async with browser.get(address + link) as answer:
            page = await answer.text()
        invoices = re.findall(r"/mia/fatture/[\w-]+", page)
        invoice = ""
        if invoices:
            async with browser.get(address + invoices[0]) as answer:
                invoice = await answer.text()
    for what in (firm["name"], person["name"], person["phone"], "Gestionale", "attivo"):
        stage.expect.that(f"the owner's page says {what}", what in page, page[-2000:])
    stage.expect.that("its invoice can be read", "Fattura 2026" in invoice, invoice[-2000:])
    async with aiohttp.ClientSession() as stranger, stranger.get(address + "/mia") as answer:
        said = await answer.text()
    stage.expect.that("without the link nothing of it is shown", firm["name"] not in said, said)
