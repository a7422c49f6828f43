"""libtorrent's DHT node to be flooded: responder.py HOST PORT NODES, as responder.ts. Its limits per address are lifted."""

import json
import sys
import time

import libtorrent as lt

# Three times as much must fit a 32-bit number of its.
MANY = 500_000_000
ATTEMPTS = 8

host, port, nodes = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
session = lt.session(
    {
        "listen_interfaces": "%s:%d" % (host, port),
        "enable_dht": True,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "dht_bootstrap_nodes": "",
        "dht_block_ratelimit": MANY,
        "dht_upload_rate_limit": MANY,
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_enforce_node_id": False,
        "dht_ignore_dark_internet": False,
        "alert_mask": 0,
    }
)
# Nodes named before the DHT runs are forgotten, and not all are taken up at once.
for _ in range(ATTEMPTS):
    time.sleep(0.3)
    if session.is_dht_running():
        for node_host, node_port in nodes:
            session.add_dht_node((node_host, node_port))
while True:
    time.sleep(3600)
