"""Makes and reads .torrent files with libtorrent, so that not only our own code does.

create PATH OUT PIECE_LENGTH [v1|v2|hybrid]   info FILE      Both print one JSON object.
"""

import hashlib
import json
import os
import sys

import libtorrent as lt


def describe(info):
    hashes = info.info_hashes()
    files = info.files()
    return {
        "name": info.name(),
        "info_hash": str(hashes.v1) if hashes.has_v1() else "",
        "info_hash_v2": str(hashes.v2) if hashes.has_v2() else "",
        "piece_length": info.piece_length(),
        "pieces": info.num_pieces(),
        "total": info.total_size(),
        "private": info.priv(),
        "comment": info.comment(),
        "trackers": [tracker.url for tracker in info.trackers()],
        "web_seeds": [seed["url"] for seed in info.web_seeds()],
        "files": [
            {"path": files.file_path(i), "length": files.file_size(i)}
            for i in range(files.num_files())
            if not files.file_flags(i) & lt.file_storage.flag_pad_file
        ],
    }


def create(path, out, piece_length, version="v1"):
    storage = lt.file_storage()
    lt.add_files(storage, path)
    flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[version]
    torrent = lt.create_torrent(storage, int(piece_length), flags)
    lt.set_piece_hashes(torrent, os.path.dirname(os.path.abspath(path)))
    raw = lt.bencode(torrent.generate())
    with open(out, "wb") as file:
        file.write(raw)
    return describe(lt.torrent_info(out))


command, arguments = sys.argv[1], sys.argv[2:]
result = create(*arguments) if command == "create" else describe(lt.torrent_info(arguments[0]))
print(json.dumps(result))
