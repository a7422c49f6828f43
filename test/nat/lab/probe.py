"""How a NAT maps and filters, in the words of RFC 4787, from both of its sides.

  probe.py serve ADDRESS ADDRESS          on a public host: says as whom it sees you, and writes or connects back from the
                                          address and port you choose
  probe.py classify-udp|classify-tcp ...  behind the NAT, with the same two addresses: JSON on stdout
"""
import errno
import json
import secrets
import select
import socket
import sys
import threading
import time

PORTS = (3478, 3479)
# Connecting back needs a local port on which nothing listens.
SPARE_PORT = 3579
ANSWER_SEC = 1.2
HAIRPIN_SEC = 0.5
CONNECT_SEC = 3.0


def shared_socket(kind, at):
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(at)
    return sock


# ------------------------------------------------------------------ the public side
def serve(addresses):
    corners = [(address, port) for address in addresses for port in PORTS]
    datagrams = {corner: shared_socket(socket.SOCK_DGRAM, corner) for corner in corners}
    for corner in corners:
        listener = shared_socket(socket.SOCK_STREAM, corner)
        listener.listen(64)
        threading.Thread(target=accept_all, args=(listener,), daemon=True).start()
    print("ready", flush=True)
    while True:
        for sock in select.select(list(datagrams.values()), [], [])[0]:
            request, asker = sock.recvfrom(2048)
            try:
                question = json.loads(request)
                answering = datagrams[tuple(question["from"])] if "from" in question else sock
                answer = {"id": question["id"], "seen": list(asker)}
            except (ValueError, KeyError):
                continue
            answering.sendto(json.dumps(answer).encode(), asker)


def accept_all(listener):
    while True:
        stream, asker = listener.accept()
        threading.Thread(target=answer_stream, args=(stream, asker), daemon=True).start()


def answer_stream(stream, asker):
    with stream, stream.makefile("rw") as lines:
        for line in lines:
            question = json.loads(line)
            if "from" in question:
                answer = {"connected": connects(shared_socket(socket.SOCK_STREAM, tuple(question["from"])), asker)}
            else:
                answer = {"seen": list(asker)}
            lines.write(json.dumps(answer) + "\n")
            lines.flush()


def connects(sock, to):
    with sock:
        sock.settimeout(ANSWER_SEC)
        return sock.connect_ex(to) == 0


# ------------------------------------------------------------------ the inside
def mapping_of(seen):
    if any(endpoint is None for endpoint in seen.values()):
        return "blocked"
    if len(set(seen.values())) == 1:
        return "EIM"
    by_address = {}
    for (address, _), endpoint in seen.items():
        by_address.setdefault(address, set()).add(endpoint)
    return "ADM" if all(len(group) == 1 for group in by_address.values()) else "APDM"


def ask(sock, server, back_from=None):
    question = {"id": secrets.randbits(48)}
    if back_from is not None:
        question["from"] = back_from
    sock.sendto(json.dumps(question).encode(), server)
    end = time.monotonic() + ANSWER_SEC
    while (left := end - time.monotonic()) > 0:
        if not select.select([sock], [], [], left)[0]:
            return None
        try:
            answer = json.loads(sock.recv(2048))
        except ConnectionRefusedError:
            continue
        if answer["id"] == question["id"]:
            return tuple(answer["seen"])
    return None


def any_datagram_socket():
    return shared_socket(socket.SOCK_DGRAM, ("0.0.0.0", 0))


def classify_udp(addresses):
    corners = [(address, port) for address in addresses for port in PORTS]
    sock = any_datagram_socket()
    seen = {corner: ask(sock, corner) for corner in corners}
    mapping = mapping_of(seen)
    if mapping == "blocked":
        return {"mapping": mapping, "filtering": "blocked", "portPreserved": False, "hairpin": False}
    # Another socket, which only ever writes to one corner.
    shy = any_datagram_socket()
    known = corners[0]
    ask(shy, known)
    if ask(shy, known, (addresses[1], PORTS[1])) is not None:
        filtering = "EIF"
    else:
        filtering = "APDF" if ask(shy, known, (addresses[0], PORTS[1])) is None else "ADF"
    return {
        "mapping": mapping,
        "filtering": filtering,
        "portPreserved": all(endpoint[1] == sock.getsockname()[1] for endpoint in seen.values()),
        "hairpin": hairpins(known),
    }


def hairpins(server):
    first, second = any_datagram_socket(), any_datagram_socket()
    public = ask(first, server)
    ask(second, server)
    if public is None:
        return False
    second.sendto(b"{}", public)
    if not select.select([first], [], [], HAIRPIN_SEC)[0]:
        return False
    try:
        first.recv(2048)
        return True
    except ConnectionRefusedError:
        return False


class Talk:
    """A connection to one corner from a port that also listens."""

    def __init__(self, port, corner):
        self.sock = shared_socket(socket.SOCK_STREAM, ("0.0.0.0", port))
        self.sock.settimeout(CONNECT_SEC)
        self.sock.connect(corner)
        self.lines = self.sock.makefile("rw")

    def ask(self, question):
        self.lines.write(json.dumps(question) + "\n")
        self.lines.flush()
        return json.loads(self.lines.readline())


def listening_socket():
    listener = shared_socket(socket.SOCK_STREAM, ("0.0.0.0", 0))
    listener.listen(8)
    return listener


def classify_tcp(addresses):
    corners = [(address, port) for address in addresses for port in PORTS]
    listener = listening_socket()
    port = listener.getsockname()[1]
    seen, talks = {}, []
    for corner in corners:
        try:
            talks.append(Talk(port, corner))
            seen[corner] = tuple(talks[-1].ask({})["seen"])
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
            seen[corner] = None
    mapping = mapping_of(seen)
    if mapping == "blocked":
        return {"mapping": mapping, "filtering": "blocked", "portPreserved": False}
    shy = listening_socket()
    talk = Talk(shy.getsockname()[1], corners[0])
    if talk.ask({"from": (addresses[1], SPARE_PORT)})["connected"]:
        filtering = "EIF"
    else:
        filtering = "ADF" if talk.ask({"from": (addresses[0], SPARE_PORT)})["connected"] else "APDF"
    preserved = all(endpoint[1] == port for endpoint in seen.values())
    return {"mapping": mapping, "filtering": filtering, "portPreserved": preserved}


verb, *rest = sys.argv[1:]
if verb == "serve":
    serve(rest)
else:
    print(json.dumps(classify_udp(rest) if verb == "classify-udp" else classify_tcp(rest)))
