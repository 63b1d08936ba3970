"""Why a simulated charge point's question got no answer, in words that say what to do."""

import errno
import socket

from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

REFUSALS = {
    401: "it wants this charge point's user name and password",
    403: "it has blocked this charge point",
    404: "it does not know this charge point, or the path is wrong",
    426: "it speaks another version of WebSocket",
    429: "too many tries, wait a little",
    503: "it is full or not ready",
}


class ConnectionLost(Exception):
    """The connection ended before the answer came, or there is none."""


class CallFailed(Exception):
    """The central system answered with a CALLERROR, with nonsense, or not in time."""


def describe(error: Exception, url: str) -> str:
    """Say why ``url`` could not be reached, or why it is gone."""
    match error:
        case InvalidStatus():
            status = error.response.status_code
            return f"{url} answered {status}: {REFUSALS.get(status, 'it refuses the connection')}"
        case InvalidMessage():
            return f"{url} does not speak WebSocket: is that the right port?"
        case ConnectionClosed():
            closing = error.rcvd or error.sent
            return (
                f"the connection was lost ({closing.code} {closing.reason})"
                if closing
                else "the connection was lost"
            )
        case OSError():
            return _describe_network(error, url)
        case _:
            return f"{url}: {error}"


def _describe_network(error: OSError, url: str) -> str:
    if isinstance(error, TimeoutError):
        return f"{url} does not answer: is the address right, and does a firewall let it through?"
    if isinstance(error, socket.gaierror):
        return f"no such host in {url}"
    if error.errno == errno.EMFILE:
        return "too many open files for so many charge points: raise the limit with ulimit -n"
    # With several addresses (localhost) the text is all that is left of the refusals.
    if error.errno == errno.ECONNREFUSED or "Connect call failed" in str(error):
        return f"nothing listens at {url}: is scripts/run running?"
    return f"{url} cannot be reached: {error}"
