"""Known vulnerabilities of the locked requirements, where the package index can be asked.

Without a network there is nothing to learn, and that is said; a known vulnerability is a failure.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).with_name("lock.txt")
SECONDS = 15  # to wait for an answer


def main() -> int:
    """Asks about every requirement of the lock, with the versions and hashes that it holds."""
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--format", "json"]
    command += ["--require-hashes", "--disable-pip", "--timeout", str(SECONDS), "-r", str(LOCK)]
    asked = subprocess.run(command, capture_output=True, text=True)
    said, is_good = verdict(asked.stdout, asked.stderr)
    print(f"audit: {said}")
    return 0 if is_good else 1


def verdict(report: str, errors: str) -> tuple[str, bool]:
    """What is to be said of pip-audit's answer, and whether it is good enough.

    Args:
        report: Its JSON; empty if it could not ask.
        errors: What else it said.
    """
    try:
        found: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, LookupError, TypeError):
        if "ConnectionError" in errors or "Timeout" in errors:
            return "the package index is not reachable, skipped.", True
        return f"pip-audit failed:\n{errors.strip()}", False
    known = [each for each in found if "skip_reason" not in each]
    vulnerable = [
        f"{each['name']} {each['version']}: {flaw['id']}"
        + (f", mended in {', '.join(flaw['fix_versions'])}" if flaw.get("fix_versions") else "")
        for each in known
        for flaw in each.get("vulns", [])
    ]
    if vulnerable:
        return "\n  ".join(["known vulnerabilities. Run `make lock`:", *vulnerable]), False
    if not known:  # a mirror that serves packages only answers so
        return "the package index knows of no vulnerabilities at all, skipped.", True
    unknown = len(found) - len(known)
    rest = f"; {unknown} could not be looked up" if unknown else ""
    return f"{len(known)} requirements have no known vulnerability{rest}.", True


if __name__ == "__main__":
    sys.exit(main())
