"""Cables with a length, for kernels without netem: pairs of tun devices in two network namespaces each, and every packet
waits in between.

Takes a JSON list of {"a": [namespace path, interface], "b": [...], "delayMs": n, "jitterMs": n, "lateMs": n, "lateFrom":
[IPv4 address]}; what these addresses send from a to b comes so much later. Prints "ready" when all interfaces exist; ends when
the namespaces do.
"""
import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import socket
import struct
import sys
import time

NEW_NETWORK = 0x40000000
TUN_SET_INTERFACE = 0x400454CA
TUN_DEVICE = 0x0001
NO_PACKET_INFO = 0x1000
# As a router would drop when its buffer is full.
MOST_PACKETS_WAITING = 20000
READS_IN_A_ROW = 64
LARGEST_PACKET = 65536

libc = ctypes.CDLL(None, use_errno=True)


def open_end(namespace, interface):
    handle = os.open(namespace, os.O_RDONLY)
    if libc.setns(handle, NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "cannot enter " + namespace)
    os.close(handle)
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", interface.encode(), TUN_DEVICE | NO_PACKET_INFO)
    fcntl.ioctl(end, TUN_SET_INTERFACE, request)
    return end


SOURCE_ADDRESS = slice(12, 16)


class Direction:
    def __init__(self, out, delay, jitter, late=0.0, late_from=()):
        self.out = out
        self.delay = delay
        self.jitter = jitter
        self.late = late
        self.late_from = frozenset(socket.inet_aton(address) for address in late_from)
        # In order among themselves: those that are late and those that are not.
        self.last_due = [0.0, 0.0]

    def due(self, packet):
        is_late = packet[0] >> 4 == 4 and packet[SOURCE_ADDRESS] in self.late_from
        delay = self.delay + self.late if is_late else self.delay
        moment = time.monotonic() + delay + random.random() * self.jitter
        self.last_due[is_late] = max(self.last_due[is_late], moment)
        return self.last_due[is_late]


def main():
    directions = {}
    for link in json.loads(sys.argv[1]):
        a, b = open_end(*link["a"]), open_end(*link["b"])
        delay, jitter = link["delayMs"] / 1000, link["jitterMs"] / 1000
        directions[a] = Direction(b, delay, jitter, link["lateMs"] / 1000, link["lateFrom"])
        directions[b] = Direction(a, delay, jitter)
    print("ready", flush=True)
    poller = select.poll()
    for end in directions:
        poller.register(end, select.POLLIN)
    waiting = []
    count = 0
    while directions:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, out, packet = heapq.heappop(waiting)
            try:
                os.write(out, packet)
            except OSError:
                pass  # that interface is down: the packet is lost, as on a cable pulled out
        timeout = max(0.0, waiting[0][0] - now) * 1000 if waiting else 1000
        for end, _ in poller.poll(timeout):
            direction = directions[end]
            for _ in range(READS_IN_A_ROW):
                try:
                    packet = os.read(end, LARGEST_PACKET)
                except BlockingIOError:
                    break
                except OSError:
                    poller.unregister(end)
                    del directions[end]
                    break
                count += 1
                if len(waiting) < MOST_PACKETS_WAITING:
                    heapq.heappush(waiting, (direction.due(packet), count, direction.out, packet))


main()
