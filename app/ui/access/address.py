"""Reduces a client's IP address to the network that counts as one client."""

import ipaddress

PREFIX = 64  # bits of an IPv6 address that name one household or machine; it chooses the other bits itself


def network_of(host: str | None) -> str:
    """An IPv4 address as it is, an IPv6 address as its /64 network; other text unchanged."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host or ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), PREFIX), strict=False))
