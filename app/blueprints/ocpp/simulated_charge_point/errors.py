"""Why a simulated charge point's question got no answer, in words that say what to do."""

import errno
import socket

from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus


def N_(sentence: str) -> str:
    """Mark a sentence for the catalogue: whoever shows it translates it, here it stays English."""
    return sentence


REFUSALS = {
    401: N_("%(url)s answered 401: it wants this charge point's user name and password"),
    403: N_("%(url)s answered 403: it has blocked this charge point"),
    404: N_("%(url)s answered 404: it does not know this charge point, or the path is wrong"),
    426: N_("%(url)s answered 426: it speaks another version of WebSocket"),
    429: N_("%(url)s answered 429: too many tries, wait a little"),
    503: N_("%(url)s answered 503: it is full or not ready"),
}
REFUSED = N_("%(url)s answered %(status)s: it refuses the connection")
NO_WEBSOCKET = N_("%(url)s does not speak WebSocket: is that the right port?")
NO_SUBPROTOCOL = N_("%(url)s does not speak %(subprotocol)s")
LOST = N_("the connection was lost")
LOST_BECAUSE = N_("the connection was lost (%(code)s %(reason)s)")
SILENT = N_("%(url)s does not answer: is the address right, and does a firewall let it through?")
NO_HOST = N_("no such host in %(url)s")
TOO_MANY_FILES = N_("too many open files for so many charge points: raise the limit with ulimit -n")
NOBODY_LISTENS = N_("nothing listens at %(url)s: is scripts/run running?")
UNREACHABLE = N_("%(url)s cannot be reached: %(error)s")
OFFLINE = N_("not connected")
NO_ANSWER = N_("%(action)s got no answer in time")
FAILED = N_("%(action)s failed: %(error)s")
TAG_REFUSED = N_("id tag %(id_tag)s is refused: %(status)s")
TAG_MAY_NOT_CHARGE = N_("id tag %(id_tag)s may not charge: %(status)s")
UNDELIVERED = N_("switched off before the end of transaction %(transaction_id)s was delivered")
UNANSWERED = N_("switched off before the start of a charge on connector %(connector_id)s was answered")
UNFORESEEN = "%(error)s"


class Trouble(Exception):
    """Something that went wrong: an English sentence with its facts, which people may be shown translated."""

    def __init__(self, sentence: str, **facts: object) -> None:
        super().__init__(sentence % facts if facts else sentence)
        self.sentence = sentence
        self.facts = {name: str(fact) for name, fact in facts.items()}


class ConnectionLost(Trouble):
    """The connection ended before the answer came, or there is none."""


class CallFailed(Trouble):
    """The central system answered with a CALLERROR, with nonsense, or not in time."""


def lost(error: Exception, url: str) -> ConnectionLost:
    """Say why ``url`` could not be reached, or why it is gone."""
    match error:
        case InvalidStatus():
            status = error.response.status_code
            return ConnectionLost(REFUSALS.get(status, REFUSED), url=url, status=status)
        case InvalidMessage():
            return ConnectionLost(NO_WEBSOCKET, url=url)
        case ConnectionClosed():
            closing = error.rcvd or error.sent
            if not closing:
                return ConnectionLost(LOST)
            return ConnectionLost(LOST_BECAUSE, code=closing.code, reason=closing.reason)
        case OSError():
            return _network(error, url)
        case _:
            return ConnectionLost(UNREACHABLE, url=url, error=error)


def _network(error: OSError, url: str) -> ConnectionLost:
    if isinstance(error, TimeoutError):
        return ConnectionLost(SILENT, url=url)
    if isinstance(error, socket.gaierror):
        return ConnectionLost(NO_HOST, url=url)
    if error.errno == errno.EMFILE:
        return ConnectionLost(TOO_MANY_FILES)
    # With several addresses (localhost) the text is all that is left of the refusals.
    if error.errno == errno.ECONNREFUSED or "Connect call failed" in str(error):
        return ConnectionLost(NOBODY_LISTENS, url=url)
    return ConnectionLost(UNREACHABLE, url=url, error=error)
