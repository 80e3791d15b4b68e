"""What counts as one address."""

import ipaddress

PREFIX = 64  # bits of an IPv6 address that are one household's or one machine's


def network_of(host: str | None) -> str:
    """The address, or for IPv6 the network that whoever has it can choose addresses from."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return host or ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), PREFIX), strict=False))
