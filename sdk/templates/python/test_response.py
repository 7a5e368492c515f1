"""Run by `python3 -m unittest`, on a host that records every call and does nothing."""

import sys
import unittest

sys.path.insert(0, "riposte/sdk/python")

import response
from riposte_sdk import Alert, host


class Tests(unittest.TestCase):
    def test_it_blocks_and_unblocks_the_source_address(self) -> None:
        host.reset()
        alert = Alert.of({"data": {"srcip": "192.0.2.7"}})
        response.{{type}}().add(alert)
        response.{{type}}().delete(alert, None)
        self.assertEqual(
            host.calls(),
            ["firewall.block 192.0.2.7", "log Info blocked 192.0.2.7", "firewall.unblock 192.0.2.7"],
        )
