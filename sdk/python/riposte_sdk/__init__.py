"""Write responses for Riposte in Python.

    from riposte_sdk import Alert, firewall, log, reversible

    @reversible
    class Block:
        def add(self, alert: Alert) -> None:
            firewall.block(alert.srcip)
            log.info(f"blocked {alert.srcip}")

        def delete(self, alert: Alert, receipt: bytes | None) -> None:
            firewall.unblock(alert.srcip)

Layout:

* `reversible`, `oneshot`: what a plugin is.
* `Alert`: what it answers. `Error`: why it could not.
* `log`, `invocation`, `config`: what it may always call.
* `firewall`, `routes`, `accounts`, `services`, `lines`, `processes`, `exec`,
  `state`, `secret`, `quarantine`, `isolation`, `mail`, `http`: what it may call
  when plugin.toml declares it and the operator's `<command>` grants it. A granted
  folder is read with Python's own `open()`.
* `host`: the host of native tests, which records every call.
"""

# Everything is imported here and now: in the component no module can be loaded
# any more once it is built.
from . import (
    accounts,
    config,
    exec,
    firewall,
    host,
    http,
    invocation,
    isolation,
    lines,
    log,
    mail,
    processes,
    quarantine,
    routes,
    secret,
    services,
    state,
)
from ._alert import Alert
from ._error import Error
from ._response import Reversible, oneshot, reversible

__all__ = [
    "Alert",
    "Error",
    "Reversible",
    "accounts",
    "config",
    "exec",
    "firewall",
    "host",
    "http",
    "invocation",
    "isolation",
    "lines",
    "log",
    "mail",
    "oneshot",
    "processes",
    "quarantine",
    "reversible",
    "routes",
    "secret",
    "services",
    "state",
]

__version__ = "0.1.0"
