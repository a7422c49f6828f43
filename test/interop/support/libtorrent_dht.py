"""Many libtorrent sessions in one process, each a DHT node on an address of its own.

Argument: JSON {"hosts": [...], "bootstrap": "host:port,host:port"}. Prints one JSON line for each node once it knows others:
{"host": ..., "port": ...}, and ends when stdin does.
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


def known(session):
    """How many nodes its table holds; None while it has not said."""
    for alert in session.pop_alerts():
        if isinstance(alert, lt.dht_stats_alert):
            return sum(bucket["num_nodes"] for bucket in alert.routing_table)
    return None


# A node that got no answer from its entry asks again only after ten minutes: whoever knows nobody is started once more.
ASK_AGAIN_S = 5
waiting = {index: time.monotonic() for index in range(len(sessions))}
while waiting:
    for index, since in list(waiting.items()):
        host, session = sessions[index]
        session.post_dht_stats()
        if known(session):
            print(json.dumps({"host": host, "port": session.listen_port()}), flush=True)
            del waiting[index]
        elif time.monotonic() - since > ASK_AGAIN_S:
            session.apply_settings({"enable_dht": False})
            session.apply_settings({"enable_dht": True})
            waiting[index] = time.monotonic()
    time.sleep(0.05)
sys.stdin.read()
