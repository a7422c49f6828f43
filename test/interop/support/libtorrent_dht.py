"""Many libtorrent sessions in one process, each a DHT node on an address of its own.

Argument: JSON {"hosts": [...], "bootstrap": "host:port"}. Prints one JSON line for each node once it listens:
{"host": ..., "port": ..., "id": ...}, and ends when stdin does.
"""
import json
import sys
import time

import libtorrent as lt

options = json.loads(sys.argv[1])
sessions = []
for host in options["hosts"]:
    sessions.append((host, lt.session({
        "listen_interfaces": f"{host}:0",
        "alert_mask": lt.alert.category_t.status_notification,
        "enable_dht": True,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "dht_bootstrap_nodes": options["bootstrap"],
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_ignore_dark_internet": False,
        "dht_block_ratelimit": 1000,
        "aio_threads": 1,
    })))

waiting = dict(enumerate(sessions))
while waiting:
    for index, (host, session) in list(waiting.items()):
        port = session.listen_port()
        # Zero until the socket is bound.
        if port:
            print(json.dumps({"host": host, "port": port}), flush=True)
            del waiting[index]
    time.sleep(0.05)
sys.stdin.read()
