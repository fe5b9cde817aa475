// What the daemon is told by the image's init, and what it finds out about the machine it is in.
import { availableParallelism, totalmem } from 'node:os';

export interface Options {
  /** Character device of the channel, or path of a unix socket to listen on. */
  channel: string;
  /** Everything it keeps; gone with the next boot. */
  run: string;
  /** Version of the image. */
  image: string;
  memoryMiB: number;
  cpus: number;
  /** The program. */
  suricata: string;
}

const MIB = 1024 * 1024;

export function readOptions(env: Record<string, string | undefined>): Options {
  const limit = process.constrainedMemory();
  const memory = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return {
    channel: env['WOCLOUD_GATEWAY_CHANNEL'] || '/dev/virtio-ports/org.wocloud.gateway.0',
    run: env['WOCLOUD_GATEWAY_RUN'] || '/run/wocloud-gateway',
    image: (env['WOCLOUD_GATEWAY_IMAGE'] ?? '').slice(0, 64),
    memoryMiB: whole(env['WOCLOUD_GATEWAY_MEMORY_MIB']) ?? Math.floor(memory / MIB),
    cpus: whole(env['WOCLOUD_GATEWAY_CPUS']) ?? availableParallelism(),
    suricata: env['WOCLOUD_GATEWAY_SURICATA'] || '/usr/bin/suricata',
  };
}

const whole = (text: string | undefined): number | undefined =>
  text !== undefined && /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : undefined;
