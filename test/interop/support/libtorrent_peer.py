"""A libtorrent session under remote control: one JSON object a line on stdin, answers and events as JSON lines on stdout.

Requests carry "id" and "op"; answers repeat the id. Events carry "event" and "at_ns" (CLOCK_MONOTONIC, comparable between processes).
Started with one argument: a JSON object of session options (host, port, encryption, profile, settings). With "requests" in it those are
carried out at once; with "unattended" stdin is not read and the session runs until it is killed.
"""

import base64
import json
import os
import select
import sys
import time

import libtorrent as lt

POLL_SECONDS = 0.02


def emit(record):
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


def session_settings(options):
    host, port = options["host"], options["port"]
    settings = {}
    if options.get("profile") == "high-performance":
        settings.update(lt.high_performance_seed())
    policy = {
        "plain": lt.enc_policy.disabled,
        "preferred": lt.enc_policy.enabled,
        "required": lt.enc_policy.forced,
    }[options.get("encryption", "preferred")]
    bracketed = "[%s]" % host if ":" in host else host
    settings.update(
        {
            "listen_interfaces": "%s:%d" % (bracketed, port),
            "outgoing_interfaces": "",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "in_enc_policy": int(policy),
            "out_enc_policy": int(policy),
            "allowed_enc_level": int(lt.enc_level.both if policy != lt.enc_policy.forced else lt.enc_level.rc4),
            "prefer_rc4": policy != lt.enc_policy.disabled,
            "enable_outgoing_utp": False,
            "enable_incoming_utp": False,
            "allow_multiple_connections_per_ip": True,
            "announce_to_all_trackers": True,
            "announce_to_all_tiers": True,
            "min_reconnect_time": 1,
            "max_out_request_queue": 1500,
            "connections_limit": 500,
            "ssrf_mitigation": False,
            "validate_https_trackers": False,
            "alert_mask": int(
                lt.alert.category_t.status_notification
                | lt.alert.category_t.error_notification
                | lt.alert.category_t.peer_notification
                | lt.alert.category_t.storage_notification
                | lt.alert.category_t.tracker_notification
                | lt.alert.category_t.dht_notification
                | lt.alert.category_t.dht_operation_notification
            ),
        }
    )
    settings.update(options.get("settings", {}))
    return settings


def hash_of(text):
    return lt.sha1_hash(bytes.fromhex(text))


def text_of(item):
    """The bindings give a stored string printed, in quotes."""
    return bytes(item["value"]).decode("latin1").strip().strip("'")


def dht_fields(alert):
    name = alert.what()
    if name == "dht_get_peers_reply":
        return {"hash": str(alert.info_hash), "peers": ["%s:%d" % peer for peer in alert.peers()]}
    if name == "dht_immutable_item":
        return {"target": str(alert.target), "value": text_of(alert.item)}
    if name == "dht_mutable_item":
        return {"key": alert.key.hex(), "seq": alert.seq, "value": text_of(alert.item)}
    if name == "dht_put":
        return {"target": str(alert.target), "stored": alert.num_success}
    if name == "dht_sample_infohashes":
        return {"samples": [str(sample) for sample in alert.samples], "total": alert.num_infohashes}
    return {}


class Peer:
    def __init__(self, options):
        self.session = lt.session(session_settings(options))
        self.handles = {}

    def add(self, request):
        if "magnet" in request:
            params = lt.parse_magnet_uri(request["magnet"])
        else:
            params = lt.add_torrent_params()
            if "torrent_base64" in request:
                raw = base64.b64decode(request["torrent_base64"])
                params.ti = lt.torrent_info(lt.bdecode(raw))
            else:
                params.ti = lt.torrent_info(request["torrent"])
        params.save_path = request["dir"]
        flags = params.flags | lt.torrent_flags.default_flags
        flags &= ~lt.torrent_flags.auto_managed
        flags &= ~lt.torrent_flags.paused
        if request.get("seed_mode"):
            flags |= lt.torrent_flags.seed_mode
        if request.get("super_seeding"):
            flags |= lt.torrent_flags.super_seeding
        params.flags = flags
        if request.get("trackers"):
            params.trackers = list(params.trackers) + request["trackers"]
        handle = self.session.add_torrent(params)
        if request.get("upload_limit"):
            handle.set_upload_limit(request["upload_limit"])
        for host, port in request.get("peers", []):
            handle.connect_peer((host, port))
        key = str(handle.info_hash())
        self.handles[key] = handle
        return {"info_hash": key, "at_ns": time.monotonic_ns()}

    def connect(self, request):
        self.handles[request["info_hash"]].connect_peer((request["host"], request["port"]))
        return {}

    def stats(self, request):
        handle = self.handles[request["info_hash"]]
        status = handle.status()
        peers = []
        for peer in handle.get_peer_info():
            peers.append(
                {
                    "endpoint": "%s:%d" % (peer.ip[0], peer.ip[1]),
                    "client": peer.client.decode("utf8", "replace") if isinstance(peer.client, bytes) else peer.client,
                    "encrypted": bool(int(peer.flags) & (int(lt.peer_info.rc4_encrypted) | int(lt.peer_info.plaintext_encrypted))),
                    "rc4": bool(int(peer.flags) & int(lt.peer_info.rc4_encrypted)),
                    "down": peer.total_download,
                    "up": peer.total_upload,
                }
            )
        return {
            "state": str(status.state),
            "progress": status.progress,
            "is_seeding": status.is_seeding,
            "has_metadata": status.has_metadata,
            "downloaded": status.total_payload_download,
            "uploaded": status.total_payload_upload,
            "failed": status.total_failed_bytes,
            "redundant": status.total_redundant_bytes,
            "num_pieces": status.num_pieces,
            "error": status.errc.message() if status.errc.value() else "",
            "peers": peers,
            "port": self.session.listen_port(),
        }

    def metadata(self, request):
        info = self.handles[request["info_hash"]].torrent_file()
        return {"torrent_base64": base64.b64encode(lt.bencode(lt.create_torrent(info).generate())).decode()}

    def recheck(self, request):
        self.handles[request["info_hash"]].force_recheck()
        return {}

    def set_limits(self, request):
        handle = self.handles[request["info_hash"]]
        if "up" in request:
            handle.set_upload_limit(request["up"])
        if "down" in request:
            handle.set_download_limit(request["down"])
        return {}

    def remove(self, request):
        self.session.remove_torrent(self.handles.pop(request["info_hash"]))
        return {}

    # The DHT: results come as events.

    def dht_state(self, _request):
        status = self.session.status()
        return {"nodes": status.dht_nodes, "running": self.session.is_dht_running()}

    def dht_announce(self, request):
        self.handles[request["info_hash"]].force_dht_announce()
        return {}

    def dht_get_peers(self, request):
        self.session.dht_get_peers(hash_of(request["info_hash"]))
        return {}

    def dht_put(self, request):
        return {"target": str(self.session.dht_put_immutable_item(request["value"]))}

    def dht_get(self, request):
        self.session.dht_get_immutable_item(hash_of(request["target"]))
        return {}

    def dht_put_mutable(self, request):
        secret, public = bytes.fromhex(request["secret"]), bytes.fromhex(request["public"])
        self.session.dht_put_mutable_item(secret, public, request["value"].encode(), request["salt"].encode())
        return {}

    def dht_get_mutable(self, request):
        self.session.dht_get_mutable_item(bytes.fromhex(request["public"]), request["salt"].encode())
        return {}

    def dht_sample(self, request):
        target = hash_of(request["target"])
        self.session.dht_sample_infohashes((request["host"], request["port"]), target)
        return {}

    def pump_alerts(self):
        now = time.monotonic_ns
        for alert in self.session.pop_alerts():
            name = alert.what()
            record = {"event": name, "at_ns": now()}
            if name in (
                "torrent_finished",
                "torrent_checked",
                "metadata_received",
                "torrent_error",
                "state_changed",
                "hash_failed",
                "listen_failed",
                "listen_succeeded",
                "file_error",
                "tracker_error",
                "tracker_warning",
                "tracker_reply",
                "peer_ban",
                "peer_error",
                "peer_disconnected",
                "dht_bootstrap",
                "dht_get_peers_reply",
                "dht_immutable_item",
                "dht_mutable_item",
                "dht_put",
                "dht_sample_infohashes",
            ):
                record["message"] = alert.message()
                if name.startswith("dht_"):
                    record.update(dht_fields(alert))
                if hasattr(alert, "handle"):
                    try:
                        record["info_hash"] = str(alert.handle.info_hash())
                    except RuntimeError:
                        pass
                emit(record)


def main():
    options = json.loads(sys.argv[1])
    peer = Peer(options)
    emit({"event": "started", "at_ns": time.monotonic_ns(), "pid": os.getpid()})
    poller = select.poll()
    stdin = sys.stdin.fileno()
    if not options.get("unattended"):
        poller.register(stdin, select.POLLIN | select.POLLHUP)
    # Alerts wake the loop through a pipe, so that an event's time is not rounded to the poll interval.
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    peer.session.set_alert_fd(wake_write) if hasattr(peer.session, "set_alert_fd") else None
    poller.register(wake_read, select.POLLIN)
    for request in options.get("requests", []):
        getattr(peer, request["op"])(request)
    buffered = b""
    while True:
        ready = poller.poll(POLL_SECONDS * 1000)
        for fd, _ in ready:
            if fd == wake_read:
                try:
                    os.read(wake_read, 4096)
                except BlockingIOError:
                    pass
        peer.pump_alerts()
        if not any(fd == stdin for fd, _ in ready):
            continue
        chunk = os.read(stdin, 1 << 20)
        if not chunk:
            return
        buffered += chunk
        *lines, buffered = buffered.split(b"\n")
        for line in lines:
            request = json.loads(line)
            try:
                if request["op"] == "stop":
                    emit({"id": request["id"], "ok": {}})
                    return
                answer = getattr(peer, request["op"])(request)
                emit({"id": request["id"], "ok": answer})
            except Exception as error:  # every failure becomes an answer; the harness decides
                emit({"id": request["id"], "error": "%s: %s" % (type(error).__name__, error)})


if __name__ == "__main__":
    main()
    # Skips libtorrent's orderly shutdown, which waits for trackers.
    os._exit(0)
