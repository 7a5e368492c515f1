"""Run by `python3 -m unittest`, on a host that records every call and does nothing."""

import sys
import unittest

sys.path.insert(0, "riposte/sdk/python")

import response
from riposte_sdk import Alert, host


class Tests(unittest.TestCase):
    def test_it_posts_the_description(self) -> None:
        host.reset()
        host.answer_with("secret.get", "https://hooks.example.com/x")
        response.run(Alert.of({"rule": {"description": "brute force"}}))
        self.assertEqual(
            host.calls(),
            [
                "secret.get hook",
                'http.send POST https://hooks.example.com/x Content-Type: application/json {"text":"brute force"}',
                "log Info posted",
            ],
        )
