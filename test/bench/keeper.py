"""Starts programs and reports what the kernel says of them when they end: exact CPU seconds and times, which Node cannot ask for.

One JSON object a line on stdin: {"op": "spawn", "key", "argv", "env", "cwd", "stdout", "stderr"}, {"op": "touch", "bytes"}. A spawn with
"terminal": [columns, rows] gets a terminal of that size instead of files; what it draws there is read and counted ("drawn" in exit).
Events on stdout: spawned (pid, at_ns), exit (status, user_s, sys_s of the process and the children it waited for, at_ns), touched.
Times are CLOCK_MONOTONIC. When stdin ends, everything started here is killed.
"""

import fcntl
import json
import mmap
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

PAGE_BYTES = 4096

children = {}
# Our ends of the terminals, by the key of who runs in them, and how many bytes came from each.
terminals = {}
drawn = {}


def emit(record):
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


def open_terminal(key, columns, rows):
    """A terminal that swallows everything, as fast as it comes."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.set_blocking(ours, False)
    terminals[key] = ours
    drawn[key] = 0
    return theirs


def drain(key):
    try:
        while chunk := os.read(terminals[key], 1 << 16):
            drawn[key] += len(chunk)
    except BlockingIOError:
        return
    except OSError:
        pass
    # Nobody is at the other end any more.
    os.close(terminals.pop(key))


def spawn(request):
    size = request.get("terminal")
    theirs = None if size is None else open_terminal(request["key"], *size)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, request["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_OPEN, 2, request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
    ]
    if theirs is not None:
        actions += [(os.POSIX_SPAWN_DUP2, theirs, descriptor) for descriptor in (0, 1, 2)]
    argv = request["argv"]
    at_ns = time.monotonic_ns()
    pid = os.posix_spawnp(argv[0], argv, request["env"], file_actions=actions, setpgroup=0)
    children[pid] = request["key"]
    if theirs is not None:
        os.close(theirs)
    emit({"event": "spawned", "key": request["key"], "pid": pid, "at_ns": at_ns})


def touch(request):
    """Takes and gives back memory, so that no measured program pays for pages the host must first find."""
    area = mmap.mmap(-1, request["bytes"])
    for at in range(0, request["bytes"], PAGE_BYTES):
        area[at] = 1
    area.close()
    emit({"event": "touched", "key": request["key"]})


def reap():
    while children:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        at_ns = time.monotonic_ns()
        key = children.pop(pid, None)
        if key in terminals:
            drain(key)
        if key is not None:
            emit(
                {
                    "event": "exit",
                    "key": key,
                    "pid": pid,
                    "code": os.waitstatus_to_exitcode(status),
                    "user_s": usage.ru_utime,
                    "sys_s": usage.ru_stime,
                    "at_ns": at_ns,
                    "drawn": drawn.pop(key, 0),
                }
            )


def main():
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    buffered = b""
    while True:
        ready, _, _ = select.select([0, wake_read, *terminals.values()], [], [])
        for key in [key for key, ours in terminals.items() if ours in ready]:
            drain(key)
        if wake_read in ready:
            try:
                os.read(wake_read, 4096)
            except BlockingIOError:
                pass
            reap()
        if 0 not in ready:
            continue
        chunk = os.read(0, 1 << 20)
        if not chunk:
            break
        buffered += chunk
        *lines, buffered = buffered.split(b"\n")
        for line in lines:
            request = json.loads(line)
            {"spawn": spawn, "touch": touch}[request["op"]](request)
    for pid in list(children):
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


main()
