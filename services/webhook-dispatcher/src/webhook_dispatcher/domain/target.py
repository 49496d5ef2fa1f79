"""Where webhooks may go: rules about an endpoint's address, and about each IP address behind its name."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from yarl import URL

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

_NAT64: Final = IPv6Network("64:ff9b::/96")
_NEVER_PUBLIC: Final = (IPv6Network("64:ff9b:1::/48"), IPv4Network("192.88.99.0/24"))
_NUMERIC_HOST: Final = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)\.?", re.IGNORECASE)
_UNWRITTEN: Final = re.compile(r"[\s\x00-\x1f\x7f]")
"""No URL holds these as they are; libraries drop some in silence, and would connect to another host than is shown."""
_LOOPBACKS: Final = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator (never a tenant) allows beyond https to public addresses."""

    allow_http: bool = False
    networks: tuple[Network, ...] = ()

    def permits(self, address: str) -> bool:
        """Whether an IP address may be connected to."""
        try:
            found = _plain(ip_address(address))
        except ValueError:
            return False
        return any(found in network for network in self.networks) or _is_public(found)


def objection(url: str, rules: Rules) -> str | None:
    """Why `url` cannot be an endpoint's address, in words for its owner; None when it can.

    Names are not looked up here: what stands behind one is checked when it is connected to, at every attempt.
    """
    if _UNWRITTEN.search(url):
        return "must be a URL"
    try:
        parsed = URL(url)
        host, port = parsed.raw_host, parsed.port
    except ValueError:
        return "must be a URL"
    if parsed.scheme not in ("http", "https") or not host:
        return "must be an absolute http or https URL"
    if parsed.user is not None or parsed.password is not None:
        return "must not contain user information"
    if port == 0:
        return "must not have port 0"
    if parsed.scheme == "http" and not rules.allow_http:
        return "must be https here"
    if not all(rules.permits(address) for address in _literal(host)):
        return "must not point to a private or reserved address"
    return None


def _literal(host: str) -> tuple[str, ...]:
    """The addresses that a host says by itself, without a look-up. A number in disguise (`127.1`) is its own text,
    which is no address and thus never permitted."""
    host = host.rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return _LOOPBACKS
    return (host,) if ":" in host or _NUMERIC_HOST.fullmatch(host) else ()


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries, if it does: mapped, NAT64, 6to4."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    if any(address in network for network in _NEVER_PUBLIC):
        return False
    if isinstance(address, IPv6Address) and (address.is_site_local or address.teredo):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
