"""A server that gives every call the same answer, at once: it shows how much load the generator can make.

It understands this generator's frames only: one call per frame, a mask of
zeros, an id of 36 characters. Run as ``python -m scripts.benchmark.standin PORT``.
"""

import itertools
import select
import socket
import sys

from scripts.benchmark import frames

_UPGRADE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: " + frames.ACCEPT + b"\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
_OPENING = b'[2,"'
_ANSWER = b'[3,"%b",{"status":"Accepted","idTagInfo":{"status":"Accepted"},"transactionId":%d}]'
_numbers = itertools.count(1)


def answer(data: bytes) -> bytes:
    """Return what follows from the bytes of one request or one frame."""
    start = data.find(_OPENING)
    if start < 0:
        return _UPGRADE
    message_id = data[start + 4 : start + 40]
    payload = _ANSWER % (message_id, next(_numbers))
    return b"\x81%c%b" % (len(payload), payload)


def main(port: int) -> None:
    """Serve until killed."""
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN)
    sockets = {listener.fileno(): listener}
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == listener.fileno():
                sock, _ = listener.accept()
                sockets[sock.fileno()] = sock
                poll.register(sock.fileno(), select.EPOLLIN)
            elif data := _receive(sockets[descriptor]):
                sockets[descriptor].send(answer(data))
            else:
                sockets.pop(descriptor).close()


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except ConnectionResetError:
        return b""


if __name__ == "__main__":
    main(int(sys.argv[1]))
