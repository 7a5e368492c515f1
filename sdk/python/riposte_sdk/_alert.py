"""The alert that a response answers."""

import json
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from . import _border, _pointer, invocation
from ._checked import take
from ._error import Error

# Where the source address stands: Wazuh 4 in the order of its own responses,
# OSSEC, Wazuh 5.
SOURCE_ADDRESS = (
    "/data/win/eventdata/ipAddress",
    "/data/win/eventdata/destinationIp",
    "/data/srcip",
    "/srcip",
    "/source/ip",
)
# Where the user name stands: Wazuh 4, OSSEC, Wazuh 5.
USER = ("/data/dstuser", "/dstuser", "/user/name")


class Alert(Mapping[str, Any]):
    """One alert: the object that stands on one line of `alerts.json`.

    It is a mapping, so that `alert["rule"]["level"]` is what JSON has there. What
    an attacker may have written is better read with `text` and `number`, which
    have an answer for every alert.
    """

    def __init__(self, text: str) -> None:
        """Out of its JSON text."""
        self._json = text
        self._members: dict[str, Any] | None = None
        self._written: Any = None

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> "Alert":
        """For tests: an alert out of a dictionary."""
        return cls(json.dumps(members))

    @property
    def json(self) -> str:
        """The alert as JSON text."""
        return self._json

    def text(self, pointer: str) -> str | None:
        """The text at a JSON Pointer (RFC 6901) such as `/data/srcip`, or in Wazuh's
        dotted form, `data.srcip`; numbers and booleans as they are written. `None`
        when there is nothing, or null, an object or an array."""
        take("alert.text", "pointer", str, pointer)
        if _border.SANDBOXED:
            found: str | None = _border.getter("alert.text", _border.clean(pointer))
            return found
        return _pointer.text(self._at(pointer))

    def number(self, pointer: str) -> int | None:
        """The whole number at a pointer, also when it is written as a text of decimal
        digits, which Wazuh's decoders do."""
        take("alert.number", "pointer", str, pointer)
        if _border.SANDBOXED:
            found: int | None = _border.getter("alert.number", _border.clean(pointer))
            return found
        return _pointer.number(self._at(pointer))

    @property
    def srcip(self) -> str:
        """The source address, as the alert writes it. Raises an `Error` of kind
        `no-key` when the alert has none: missing, empty or `-`."""
        for pointer in SOURCE_ADDRESS:
            # A number is no address: Wazuh passes over it too.
            text = self.text(pointer)
            if text and text != "-" and self.number(pointer) is None:
                return text
        raise Error.no_key("the alert has no source address (data.srcip)")

    @property
    def address(self) -> IPv4Address | IPv6Address:
        """The address to act on: the one that the operator's `<keys>` names, else the
        source address. As a type, so that one address has one spelling:
        `2001:DB8:0::7` is `2001:db8::7`, and an IPv4 address within an IPv6 one
        (`::ffff:192.0.2.7`, `::192.0.2.7`) is the IPv4 address. Raises an `Error` of
        kind `no-key` when there is none, `invalid-input` when it is no address."""
        keys = invocation.keys()
        text = keys[0] if keys else self.srcip
        try:
            address = ip_address(text)
        except ValueError:
            address = None
        # A zone (`fe80::1%eth0`) means something on one host only.
        if address is None or "%" in text:
            raise Error.invalid(f'the source of the alert, "{text}", is not an IP address')
        return _embedded(address)

    @property
    def user(self) -> str:
        """The user that the alert is about, as the alert writes it. Raises an `Error`
        of kind `no-key` when the alert has none: missing, empty or `-`."""
        for pointer in USER:
            text = self.text(pointer)
            if text and text != "-":
                return text
        raise Error.no_key("the alert has no user (data.dstuser)")

    def __getitem__(self, name: str) -> Any:
        return self._object()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._object())

    def __len__(self) -> int:
        return len(self._object())

    def _object(self) -> dict[str, Any]:
        if self._members is None:
            try:
                members = json.loads(self._json)
            except (ValueError, RecursionError) as error:
                raise Error.invalid(f"the alert is not JSON: {error}") from None
            if not isinstance(members, dict):
                raise Error.invalid("the alert is not a JSON object")
            self._members = members
        return self._members

    def _at(self, pointer: str) -> Any:
        if self._written is None:
            try:
                self._written = _pointer.read(self._json)
            except (ValueError, RecursionError) as error:
                raise Error.invalid(f"the alert is not JSON: {error}") from None
        return _pointer.find(self._written, pointer)


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address in `::ffff:192.0.2.7` or `::192.0.2.7`."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        # Not `::` and `::1`, which are addresses of their own.
        if 1 < int(address) < 1 << 32:
            return IPv4Address(int(address))
    return address
