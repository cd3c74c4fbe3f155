"""Switches a lamp, if nobody else has switched it meanwhile: python lamp.py hall on."""

import argparse

import outpour
import outpour.sync


def switch(session: outpour.sync.Session, lamp: str, on: bool) -> str:
    """What came of it."""
    path = f"lamps/{lamp}"
    held = session.get(path, timeout=10)
    try:
        if held is None:
            session.set(path, {"on": on, "switched": 1}, if_absent=True, timeout=10)
        else:
            times = held.value["switched"] + 1
            session.set(path, {"on": on, "switched": times}, if_version=held.version, timeout=10)
    except outpour.CallerError as error:
        if error.reason in ("version-mismatch", "already-exists"):
            return "somebody was faster"
        raise
    return f"{lamp} is {'on' if on else 'off'}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lamp")
    parser.add_argument("state", choices=["on", "off"])
    parser.add_argument("--url", default="ws://127.0.0.1:7400")
    options = parser.parse_args()
    with outpour.sync.connect(options.url) as session:
        print(switch(session, options.lamp, options.state == "on"))
