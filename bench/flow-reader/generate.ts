// Opens `count` UDP flows at `rate` a second, one packet each, from this namespace: `generate.ts count rate`.
// Prints the seconds it took.
import koffi from 'koffi';
import { NativeBlock } from '@wocloud/engine/netlink/libc.ts';

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int domain, int type, int protocol)');
const sendmmsg = libc.func('int sendmmsg(int fd, void *messages, uint32_t count, int flags)');

const [count = 0, rate = 1] = process.argv.slice(2).map(Number);
const BATCH = 256;
const messages = new NativeBlock(BATCH * 64);
const addresses = new NativeBlock(BATCH * 16);
const vectors = new NativeBlock(BATCH * 16);
const payload = new NativeBlock(32);
for (let i = 0; i < BATCH; i++) {
  addresses.view.setUint16(i * 16, 2, true);
  vectors.view.setBigUint64(i * 16, payload.address, true);
  vectors.view.setBigUint64(i * 16 + 8, 32n, true);
  messages.view.setBigUint64(i * 64, addresses.address + BigInt(i * 16), true);
  messages.view.setUint32(i * 64 + 8, 16, true);
  messages.view.setBigUint64(i * 64 + 16, vectors.address + BigInt(i * 16), true);
  messages.view.setBigUint64(i * 64 + 24, 1n, true);
}
const fd = socket(2, 2, 0) as number;
const nap = new Int32Array(new SharedArrayBuffer(4));
const began = performance.now();
for (let sent = 0; sent < count;) {
  const due = Math.min(count, Math.floor(((performance.now() - began) / 1000) * rate) + 1);
  const batch = Math.min(BATCH, due - sent);
  if (batch <= 0) {
    Atomics.wait(nap, 0, 0, 1);
    continue;
  }
  for (let i = 0; i < batch; i++) {
    const flow = sent + i;
    addresses.view.setUint16(i * 16 + 2, 1000 + (flow >>> 16));
    addresses.view.setUint32(i * 16 + 4, 0x0a80_0000 + (flow & 0xffff));
  }
  const got = sendmmsg(fd, messages.address, batch, 0) as number;
  if (got < 0) throw new Error(`sendmmsg: errno ${koffi.errno()}`);
  sent += got;
}
console.log((performance.now() - began) / 1000);
