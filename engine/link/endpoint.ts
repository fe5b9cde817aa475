// Where the platform listens, and TLS connections to it: over TCP, or over a unix socket on the same machine.
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { LINK_SERVER_NAME } from '@wocloud/protocol/link.ts';
import { EngineError } from '../errors.ts';

export type Endpoint = { readonly path: string } | { readonly host: string; readonly port: number };

/** `https://host[:port]` or `unix:/path`. */
export function parseEndpoint(text: string): Endpoint {
  const path = /^unix:(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) return { path };
  try {
    const url = new URL(text);
    if (url.protocol === 'https:' && url.pathname === '/' && url.hostname !== '')
      return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 443) };
  } catch {
    // said below
  }
  throw new EngineError('option', `--platform ${text}: expected https://host:port or unix:/path/to/socket`);
}

/** Begins a TLS connection; the caller waits for `secureConnect`. */
export function connectTls(endpoint: Endpoint, options: ConnectionOptions): TLSSocket {
  const common: ConnectionOptions = {
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['http/1.1'],
    ...options,
  };
  // The platform proves that it is one by this name, of our CA, in a certificate for servers: no host's has that.
  const socket =
    'path' in endpoint ? connectSocket(endpoint.path) : connectSocket(endpoint.port, endpoint.host);
  socket.setNoDelay(true);
  const tls = connect({ socket, servername: LINK_SERVER_NAME, ...common });
  socket.on('error', (error) => tls.destroy(error));
  // Whoever waits is told by a listener of their own; an error between two of those must not end the program.
  tls.on('error', () => {});
  return tls;
}

/** A TLS connection, ready; rejects when it cannot be made within `timeoutMs`. */
export async function openTls(
  endpoint: Endpoint,
  options: ConnectionOptions,
  timeoutMs: number,
): Promise<TLSSocket> {
  const socket = connectTls(endpoint, options);
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(timeoutMs) });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

export const endpointText = (endpoint: Endpoint): string =>
  'path' in endpoint ? `unix:${endpoint.path}` : `https://${endpoint.host}:${endpoint.port}`;
