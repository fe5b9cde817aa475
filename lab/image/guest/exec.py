"""Lab-only exec channel: runs commands for the lab over virtio-serial, with no network.

One JSON object per line in, one per line out. A request carries an id that its answer repeats, so an
answer to somebody who left is never taken for another's. Jobs outlive the connection that started them.
"""
import base64
import binascii
import errno
import fcntl
import json
import os
import select
import signal
import time

PORT = "/dev/virtio-ports/org.wocloud.lab.0"
JOBS = "/run/lab/jobs"
LIMIT = 8 << 20  # of a request, and of each output stream; what is beyond is cut and said so
WAKE = {signal.SIGIO, signal.SIGCHLD}

jobs = {}  # number -> [pid, exit code or None, kill deadline or None, timed out]
counter = 0


def start(request):
    global counter
    counter += 1
    base = f"{JOBS}/{counter}"
    with open(base + ".in", "wb") as stdin:
        stdin.write(base64.b64decode(request.get("stdin", "")))
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            signal.pthread_sigmask(signal.SIG_SETMASK, set())
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(base + ".in", os.O_RDONLY), 0)
            os.dup2(os.open(base + ".out", flags, 0o600), 1)
            os.dup2(os.open(base + ".err", flags, 0o600), 2)
            os.chdir("/root")
            environment = dict(os.environ, **request.get("env", {}))
            os.execvpe(request["argv"][0], request["argv"], environment)
        except OSError as error:
            os.write(2, f"{request['argv'][0]}: {error.strerror}\n".encode())
        os._exit(127)
    timeout = request.get("timeout")
    jobs[counter] = [pid, None, time.monotonic() + timeout if timeout else None, False]
    return counter


def reap():
    """Notes ended jobs and kills those past their deadline."""
    for job in jobs.values():
        pid, code, deadline, _ = job
        if code is not None:
            continue
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            job[1] = os.waitstatus_to_exitcode(status)
        elif deadline and time.monotonic() > deadline:
            job[3] = True
            job[2] = None
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def wait(number, milliseconds):
    """Waits at most so long for a job; answers with its result, or that it still runs."""
    if number not in jobs:
        return {"error": f"no job {number}"}
    end = time.monotonic() + milliseconds / 1000
    while True:
        reap()
        pid, code, deadline, timed_out = jobs[number]
        if code is not None:
            break
        left = end - time.monotonic()
        if left <= 0:
            return {"job": number, "running": True}
        if deadline:
            left = min(left, max(0.01, deadline - time.monotonic()))
        signal.sigtimedwait({signal.SIGCHLD}, left)
    del jobs[number]
    result = {"job": number, "running": False, "code": code, "timedOut": timed_out}
    for name, suffix in (("stdout", ".out"), ("stderr", ".err")):
        data = b""
        try:
            with open(f"{JOBS}/{number}{suffix}", "rb") as stream:
                data = stream.read(LIMIT + 1)
        except FileNotFoundError:
            pass  # the fork failed before it made its files
        result[name] = binascii.b2a_base64(data[:LIMIT], newline=False).decode()
        if len(data) > LIMIT:
            result["truncated"] = True
    for suffix in (".in", ".out", ".err"):
        try:
            os.unlink(f"{JOBS}/{number}{suffix}")
        except FileNotFoundError:
            pass
    return result


def answer(line):
    request = {}
    try:
        request = json.loads(line)
        op = request["op"]
        if op == "hello":
            with open("/proc/sys/kernel/random/boot_id") as boot:
                result = {"boot": boot.read().strip(), "uptime": time.monotonic()}
        elif op == "start":
            result = wait(start(request), request.get("wait", 0))
        elif op == "wait":
            result = wait(request["job"], request.get("wait", 0))
        elif op == "kill":
            job = jobs.get(request["job"])
            if job and job[1] is None:
                os.killpg(job[0], signal.SIGKILL)
            result = {}
        else:
            result = {"error": f"no such op {op}"}
    except (ValueError, KeyError, TypeError, OSError) as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    if isinstance(request, dict):
        result["id"] = request.get("id")
    return b"\n" + json.dumps(result).encode() + b"\n"


def send(port, data):
    """Writes an answer; gives up when the other side has left."""
    view = memoryview(data)
    poll = select.poll()
    poll.register(port, select.POLLOUT)
    while view:
        events = poll.poll(5000)
        if not events or events[0][1] & select.POLLHUP:
            return
        try:
            view = view[os.write(port, view[:32768]):]
        except BlockingIOError:
            continue


def main():
    os.makedirs(JOBS, exist_ok=True)
    os.environ.setdefault("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    os.environ["HOME"] = "/root"
    signal.pthread_sigmask(signal.SIG_BLOCK, WAKE)
    while not os.path.exists(PORT):
        time.sleep(0.05)
    port = os.open(PORT, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.fcntl(port, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(port, fcntl.F_SETFL, fcntl.fcntl(port, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(port, select.POLLIN)
    pending = b""
    while True:
        reap()
        try:
            data = os.read(port, 65536)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EPIPE):
                raise
            data = b""
        if data:
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                if line.strip():
                    send(port, answer(line))
            if len(pending) > LIMIT:
                pending = b""
            continue
        events = poll.poll(0)
        if events and events[0][1] & select.POLLHUP:
            pending = b""  # nobody is attached; the kernel sends SIGIO when somebody is
            signal.sigtimedwait(WAKE, 1)
        else:
            poll.poll(1000)


main()
