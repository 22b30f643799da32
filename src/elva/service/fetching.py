"""Pictures that requests name by address: fetched from the hosts that the service was told, and from nowhere else.

The service may reach what those who ask can't. So a host must be on the list, and what its name leads to must be a
public address or be on the list itself; the connection goes to the very address that was looked at, wherever the name
leads a moment later; redirects, and proxies of the environment, are not followed; and of an answer only that it is no
picture, or too large a one, is told.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

import httpx
from anyio import CapacityLimiter

from elva.errors import InputError, MediaTooLarge
from elva.service.errors import Refused
from elva.service.limits import Limits
from elva.service.metrics import Metrics

PORTS = {"http": 80, "https": 443}
AT_ONCE = 16
"""Requests whose pictures are fetched at the same time; others wait, and their time goes by."""
HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "elva"}
"""Bytes come as they are: what is packed could be made to fill the memory when it is unpacked."""

_HOST = re.compile(r"[^/?#@\s]+")


@dataclass(frozen=True, slots=True)
class Host:
    """One host of the list: its name or address as it is sent, and its port, None for those of http and https."""

    name: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Host:
        """Read `host` or `host:port`; InputError where it is neither."""
        try:
            url = httpx.URL(f"//{text}") if _HOST.fullmatch(text) else None
        except httpx.InvalidURL:
            url = None
        if url is None or not url.host:
            raise InputError(f"--fetch-from takes a host, or host:port, such as images.example.org, not {text!r}")
        return cls(url.raw_host.decode(), url.port)


class Fetcher:
    """Fetches pictures from some hosts; without any it refuses every address."""

    def __init__(self, hosts: Collection[Host], limits: Limits, metrics: Metrics) -> None:
        """Take the list; nothing is fetched yet."""
        self._hosts = frozenset(hosts)
        self._limits, self._metrics, self._room = limits, metrics, CapacityLimiter(AT_ONCE)
        self._trusted = httpx.create_ssl_context() if hosts else False

    async def fetch(self, addresses: Sequence[str]) -> list[bytes]:
        """The bytes behind the addresses of one request, whatever they are, within the limits of one picture in all.

        Raises:
            Refused: 422, an address that is not to be fetched, or that gave nothing in time.
            MediaTooLarge: they have too many bytes.
        """
        found: list[bytes] = []
        if not addresses:  # waits for nobody who fetches
            return found
        try:
            async with asyncio.timeout(self._limits.fetch), self._room:
                for each in addresses:
                    left = self._limits.media.max_bytes - sum(map(len, found))
                    found.append(await self._fetch(self._allowed(each), left))
                    self._metrics.fetched["fetched"] += 1
        except TimeoutError:
            raise self._refused("too_slow", f"it did not come within {self._limits.fetch:g} seconds") from None
        return found

    def _allowed(self, address: str) -> httpx.URL:
        """The address, if its host is on the list."""
        if not self._hosts:
            raise self._refused("not_listed", "addresses are not fetched here")
        try:
            url = httpx.URL(address.strip())
        except httpx.InvalidURL:
            raise self._refused("not_listed", "the address can't be read") from None
        if url.scheme not in PORTS or url.userinfo:
            raise self._refused("not_listed", "only http and https are fetched, without a name and a password")
        if not self._lists(url.raw_host.decode(), url):
            raise self._refused("not_listed", "nothing is fetched from this host and port")
        return url

    def _lists(self, name: str, url: httpx.URL) -> bool:
        usual = PORTS[url.scheme]
        port = url.port or usual
        return Host(name, port) in self._hosts or (port == usual and Host(name, None) in self._hosts)

    async def _fetch(self, url: httpx.URL, most: int) -> bytes:
        to = url.copy_with(host=await self._looked_at(url))
        headers = {**HEADERS, "Host": url.netloc.decode()}
        named = {"sni_hostname": url.raw_host.decode()}  # whose certificate is asked for, and must be shown
        data = bytearray()
        try:
            async with (
                httpx.AsyncClient(verify=self._trusted, trust_env=False, timeout=None) as client,
                client.stream("GET", to, headers=headers, extensions=named, follow_redirects=False) as response,
            ):
                if response.is_redirect:
                    raise self._refused("redirected", "it leads elsewhere, and redirects are not followed")
                if response.status_code != httpx.codes.OK:
                    raise self._refused("refused", "its host did not give it")
                async for piece in response.aiter_raw():
                    data += piece
                    if len(data) > most:
                        self._metrics.fetched["too_large"] += 1
                        whole = self._limits.media.max_bytes
                        raise MediaTooLarge(f"what is fetched for a request may have {whole:,} bytes; send less")
        except httpx.HTTPError:
            raise self._refused("unreachable", "its host can't be reached, or broke off") from None
        return bytes(data)

    async def _looked_at(self, url: httpx.URL) -> str:
        """The address that the host's name leads to: the first of several, the one that the system prefers."""
        name = url.raw_host.decode()
        try:
            found = await resolved(name)
        except (OSError, UnicodeError):
            raise self._refused("unreachable", "its host can't be reached, or broke off") from None
        if not all(is_public(each) or self._lists(each, url) for each in found):
            raise self._refused("not_public", "its host is at an address that is not public")
        return found[0]

    def _refused(self, outcome: str, reason: str) -> Refused:
        """A refusal, counted."""
        self._metrics.fetched[outcome] += 1
        advice = "send the image itself, as a data URL or a file"
        return Refused(422, "not_fetched", f"the image was not fetched: {reason}; {advice}", "image")


async def resolved(name: str) -> list[str]:
    """The addresses that a name leads to; OSError where there are none."""
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet, and no way through it to another."""
    found = ip_address(address)
    if isinstance(found, IPv6Address) and (found.ipv4_mapped or found.sixtofour or found.teredo or found.is_site_local):
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved
