from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelog._core import TrustedProxies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratelog._core import ProxyHeader

Headers = list[tuple[bytes, bytes]]

TRUSTED = ["10.0.0.0/8", "192.0.2.7", "2001:db8:ffff::/48"]
NETWORKS = [ipaddress.ip_network(text) for text in TRUSTED]


def forwarded_for(*lines: str) -> Headers:
    return [(b"X-Forwarded-For", line.encode()) for line in lines]


def canonical(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def text_of(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return str(address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False))


def naive_client(peer: str, entries: Sequence[str]) -> str:
    """Reads to the left from the peer while addresses are trusted."""
    client = canonical(peer)
    for entry in reversed(entries):
        if not any(client in network for network in NETWORKS):
            break
        try:
            client = canonical(entry)
        except ValueError:
            break
    return text_of(client)


v4 = st.one_of(st.ip_addresses(v=4), st.ip_addresses(network="10.0.0.0/8"), st.just(ipaddress.ip_address("192.0.2.7")))
v6 = st.one_of(st.ip_addresses(v=6), st.ip_addresses(network="2001:db8:ffff::/48"))
mapped = v4.map(lambda address: f"::ffff:{address}")
addresses = st.one_of(v4.map(str), v6.map(str), v6.map(lambda address: str(address.exploded).upper()), mapped)
entries = st.lists(st.one_of(addresses, addresses, st.sampled_from(["unknown", "", "_hidden", "1.2.3", "example.com"])))


@given(addresses, entries, st.data())
def test_the_client_is_the_rightmost_untrusted_address(peer: str, chain: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(chain)))
    lines = [", ".join(part) for part in (chain[:cut], chain[cut:]) if part]
    assert TrustedProxies(TRUSTED).client_address(peer, forwarded_for(*lines)) == naive_client(peer, chain)


@given(st.lists(st.tuples(st.sampled_from([b"x-forwarded-for", b"forwarded"]), st.binary(max_size=60))), st.booleans())
def test_any_bytes_give_an_address_or_none(headers: Headers, older: bool) -> None:
    client = TrustedProxies(TRUSTED, "x-forwarded-for" if older else "forwarded").client_address("10.0.0.1", headers)
    assert client is not None
    ipaddress.ip_network(client)


def test_addresses_from_untrusted_peers_are_ignored() -> None:
    headers = forwarded_for("198.51.100.9, 192.0.2.1", "10.0.0.2")
    assert TrustedProxies(["10.0.0.0/8"]).client_address("10.0.0.1", headers) == "192.0.2.1"
    assert TrustedProxies([]).client_address("10.0.0.1", headers) == "10.0.0.1"
    assert TrustedProxies(["10.0.0.0/8"]).client_address("203.0.113.5", headers) == "203.0.113.5"


def test_only_one_header_is_read() -> None:
    headers = [*forwarded_for("198.51.100.9"), (b"forwarded", b'for="[2001:db8::5]:4711";proto=https')]
    assert TrustedProxies(["10.0.0.1"]).client_address("10.0.0.1", headers) == "198.51.100.9"
    assert TrustedProxies(["10.0.0.1"], "forwarded").client_address("10.0.0.1", headers) == "2001:db8::/64"


@pytest.mark.parametrize("header", ["cf-connecting-ip", "x-real-ip", "true-client-ip", "fly-client-ip"])
def test_a_header_of_one_address_is_the_client(header: ProxyHeader) -> None:
    def client(*lines: str, peer: str | None = "10.0.0.1") -> str | None:
        headers = [(header.title().encode(), line.encode()) for line in lines]
        return TrustedProxies(["unix", "10.0.0.0/8"], header).client_address(peer, headers)

    assert client("192.0.2.1") == client("192.0.2.1", peer=None) == client("::ffff:192.0.2.1") == "192.0.2.1"
    assert client("2001:db8:0:1::5") == "2001:db8:0:1::/64"
    assert client("10.0.0.2") == "10.0.0.2"
    assert client("192.0.2.1", peer="203.0.113.5") == "203.0.113.5"
    for lines in ([], ["192.0.2.1", "192.0.2.2"], ["192.0.2.1, 192.0.2.2"], ["unknown"], [""]):
        assert client(*lines) == "10.0.0.1"
        assert client(*lines, peer=None) is None


def test_an_ipv6_network_is_one_client() -> None:
    proxies = TrustedProxies([])
    assert (
        proxies.client_address("2001:db8:0:1::5", [])
        == proxies.client_address("2001:db8:0:1:ffff::9", [])
        == "2001:db8:0:1::/64"
    )
    assert proxies.client_address("::ffff:192.0.2.1", []) == "192.0.2.1"
    assert proxies.client_address("fe80::1%eth0", []) == "fe80::/64"


@pytest.mark.parametrize("peer", [None, "", "testclient"])
def test_a_peer_without_address_is_trusted_only_if_configured(peer: str | None) -> None:
    headers = forwarded_for("192.0.2.1, 10.0.0.2")
    assert TrustedProxies(["10.0.0.0/8"]).client_address(peer, headers) is None
    assert TrustedProxies(["unix", "10.0.0.0/8"]).client_address(peer, headers) == "192.0.2.1"
    assert TrustedProxies(["unix"]).client_address(peer, []) is None


def test_asgi_headers_are_read_only_if_needed() -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    lists = [[b"host", b"example.com"], [b"x-forwarded-for", b"192.0.2.1"]]
    assert proxies.client_address("10.0.0.1", lists) == "192.0.2.1"  # type: ignore[arg-type]
    assert proxies.client_address("10.0.0.1", iter(forwarded_for("192.0.2.1"))) == "192.0.2.1"
    assert proxies.client_address("192.0.2.1", 5) == "192.0.2.1"  # type: ignore[arg-type]
    for headers in (5, [("x-forwarded-for", "192.0.2.1")], [(b"x-forwarded-for",)]):
        with pytest.raises((TypeError, ValueError)):
            proxies.client_address("10.0.0.1", headers)  # type: ignore[arg-type]


def test_an_invalid_network_is_rejected() -> None:
    with pytest.raises(ValueError) as error:
        TrustedProxies(["10.0.0.0/8", "proxy.example.com"])
    assert str(error.value) == '"proxy.example.com" is neither a network such as 10.0.0.0/8 nor an address'
    with pytest.raises(ValueError) as error:
        TrustedProxies([], "x-client-ip")  # type: ignore[arg-type]
    assert str(error.value) == (
        '"x-client-ip" is not one of x-forwarded-for, forwarded, cf-connecting-ip, x-real-ip, true-client-ip, '
        "fly-client-ip"
    )
