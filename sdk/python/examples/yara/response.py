"""Scans the file of an alert with YARA, and logs each rule that matches.

`<exec program="/usr/bin/yara" arguments="-w -N ** *"/>` grants it, and
`<config name="rules" value="/etc/riposte/yara.rules"/>` names the rules.
"""

from riposte_sdk import Alert, Error, config, exec, log, oneshot

YARA = "/usr/bin/yara"


@oneshot
def scan(alert: Alert) -> None:
    file = alert.text("/syscheck/path")
    if not file:
        raise Error.no_key("the alert has no file (syscheck.path)")
    if not file.startswith("/") or not file.isprintable():
        raise Error.invalid(f"the file of the alert, {file!r}, is not an absolute path")
    rules = config.get("rules")
    if rules is None:
        raise Error.failed('no rules are named: add <config name="rules" value="/path"/>')
    ended = exec.run(YARA, ["-w", "-N", rules, file])
    if ended.status != 0:
        said = ended.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise Error.failed(f"yara ended with status {ended.status}: {said}")
    matched = 0
    for line in ended.stdout.decode("utf-8", "replace").splitlines():
        # A name in a folder could forge a line, so it has to be the very file.
        rule, _, scanned = line.partition(" ")
        if scanned == file and rule.isidentifier():
            log.warn(f"yara: {rule} matches {file}")
            matched += 1
    if not matched:
        log.info(f"yara: no rule matches {file}")
