"""Puts the file of an alert into quarantine, if it is still the file that the alert
is about.

The file is read where `<folder path="..." access="read"/>` grants it, with Python's
own `open()`, and taken by the engine where `<quarantine/>` grants it.
"""

import hashlib

from riposte_sdk import Alert, Error, log, quarantine, reversible

# Where the path and the hash stand: VirusTotal's integration, file integrity.
PATH = ("/data/virustotal/source/file", "/syscheck/path")
SHA1 = ("/data/virustotal/source/sha1", "/syscheck/sha1_after")


@reversible
class RemoveThreat:
    def keys(self, alert: Alert) -> list[str]:
        return [path(alert)]

    def add(self, alert: Alert) -> None:
        file = path(alert)
        expected = first(alert, SHA1)
        if expected and (found := sha1(file)) is not None and found != expected:
            raise Error.failed(f"{file} is another file by now, with SHA-1 {found}")
        if quarantine.put(file):
            log.info(f"put {file} into quarantine")

    def delete(self, alert: Alert, receipt: bytes | None) -> None:
        quarantine.restore(path(alert))


def path(alert: Alert) -> str:
    file = first(alert, PATH)
    if file is None:
        raise Error.no_key("the alert has no file (syscheck.path)")
    return file


def first(alert: Alert, pointers: tuple[str, ...]) -> str | None:
    return next((text for pointer in pointers if (text := alert.text(pointer))), None)


def sha1(file: str) -> str | None:
    """None when it is in quarantine already: an earlier attempt may have come so far."""
    if quarantine.holds(file):
        return None
    try:
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha1").hexdigest()
    except FileNotFoundError:
        raise Error.failed(f"{file} is not there, or in no granted <folder>") from None
