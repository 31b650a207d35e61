"""Addresses of pods and services: each has one of its own on loopback.

Belongs here: giving out and taking back. Does not belong here: who listens there.
"""

from __future__ import annotations

import ipaddress

PODS, SERVICES = ipaddress.ip_network("127.64.0.0/10"), ipaddress.ip_network("127.128.0.0/10")


class Addresses:
    """Addresses of one network, the longest unused first.

    Clusters that run at the same time on one machine begin at different places: an address is shared by all of the machine.
    """

    def __init__(self, network: ipaddress.IPv4Network | ipaddress.IPv6Network, seed: int) -> None:
        """Args:
        network: to give out of.
        seed: where to begin, such as this process's number.
        """
        self._first, self._size = int(network.network_address), network.num_addresses
        self._next = seed * 4096 % self._size
        self._taken: set[str] = set()

    def take(self) -> str:
        """An address that nobody has."""
        while True:
            self._next = (self._next + 1) % self._size
            address = str(ipaddress.ip_address(self._first + self._next))
            if address not in self._taken and not address.endswith((".0", ".255")):
                self._taken.add(address)
                return address

    def claim(self, address: str) -> bool:
        """Take this very address; False where somebody has it."""
        free = address not in self._taken
        self._taken.add(address)
        return free

    def give_back(self, address: str) -> None:
        self._taken.discard(address)
