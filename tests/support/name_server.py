"""A real name server: answers and is silent as a test asks it to, and counts who asks."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL_SECONDS = 1


class NameServer(asyncio.DatagramProtocol):
    """Answers over UDP. A name without an entry does not exist; one that is `silent` gets no answer at all."""

    def __init__(self, known: Mapping[str, Iterable[str]], silent: Iterable[str] = ()) -> None:
        self.known, self.silent = {name: list(found) for name, found in known.items()}, set(silent)
        self.asked: Counter[str] = Counter()
        """Questions by name, each kind of address counted for itself."""
        self.address = ""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """The socket is there."""
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """A question."""
        question = dns.message.from_wire(data)
        [asked] = question.question
        name = asked.name.to_text(omit_final_dot=True).lower()
        self.asked[name] += 1
        if name not in self.silent:
            self._transport.sendto(self._answer(question, asked, name).to_wire(), addr)

    def _answer(
        self, question: dns.message.Message, asked: dns.rrset.RRset, name: str
    ) -> dns.message.Message:
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if name not in self.known:
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return answer
        six = asked.rdtype == dns.rdatatype.AAAA
        if found := [address for address in self.known[name] if (":" in address) == six]:
            kind = "AAAA" if six else "A"
            answer.answer.append(
                dns.rrset.from_text_list(asked.name, TTL_SECONDS, "IN", kind, found)
            )
        return answer


@asynccontextmanager
async def naming(
    known: Mapping[str, Iterable[str]], silent: Iterable[str] = ()
) -> AsyncIterator[NameServer]:
    """A name server on loopback; `address` is where it is."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(known, silent), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
