/**
 * Ways to reach libvirt: its unix socket, or TLS with both sides' certificates. Hands out a connected socket on
 * which packets can flow at once.
 */
import { connect as connectUnix } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { LibvirtError } from './errors.ts';

export type Target =
  | { readonly unix: string }
  | {
      readonly host: string;
      /** 16514 unless told. */
      readonly port?: number;
      /** PEM: who may have signed the server's certificate. */
      readonly ca: string | Buffer;
      /** PEM: our own certificate and key. */
      readonly cert: string | Buffer;
      readonly key: string | Buffer;
      /** The name the server's certificate must carry; `host` unless told. */
      readonly serverName?: string;
    };

export const TLS_PORT = 16514;

export const describeTarget = (target: Target): string =>
  'unix' in target ? target.unix : `${target.host}:${target.port ?? TLS_PORT}`;

/** Connects; rejects with `unreachable`, `timeout` or `aborted`. */
export function connectTarget(target: Target, timeoutMs: number, signal?: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true)
      return reject(new LibvirtError('aborted', 'connecting was aborted', { cause: signal.reason }));
    const socket =
      'unix' in target
        ? connectUnix(target.unix)
        : connectTls({
            host: target.host,
            port: target.port ?? TLS_PORT,
            ca: target.ca,
            cert: target.cert,
            key: target.key,
            servername: target.serverName ?? target.host,
            minVersion: 'TLSv1.2',
          });
    const settle = (error?: LibvirtError): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
      socket.removeListener('close', onClose);
      socket.removeListener('readable', onReadable);
      if (error === undefined) return resolve(socket);
      socket.on('error', () => {}); // late errors of a socket we have given up
      socket.destroy();
      reject(error);
    };
    const fail = (code: 'unreachable' | 'timeout' | 'aborted', why: string, cause?: unknown): void =>
      settle(new LibvirtError(code, `${describeTarget(target)}: ${why}`, { cause }));
    const onError = (error: Error): void => fail('unreachable', error.message, error);
    const onClose = (): void => fail('unreachable', 'closed while connecting');
    const onAbort = (): void => fail('aborted', 'connecting was aborted', signal?.reason);
    // After the handshake libvirt checks our certificate and says so with one byte, before any packet.
    const onReadable = (): void => {
      const verdict: unknown = socket.read(1);
      if (!Buffer.isBuffer(verdict)) return;
      if (verdict[0] === 1) settle();
      else fail('unreachable', 'the server does not accept our certificate');
    };
    const timer = setTimeout(() => fail('timeout', `not connected within ${timeoutMs} ms`), timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onError);
    socket.on('close', onClose);
    if ('unix' in target) socket.once('connect', () => settle());
    else socket.once('secureConnect', () => socket.on('readable', onReadable));
  });
}
