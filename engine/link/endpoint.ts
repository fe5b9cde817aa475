// Where the platform listens, and TLS connections to it: over TCP, or over a unix socket on the same machine.
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { connect, type ConnectionOptions, type PeerCertificate, type TLSSocket } from 'node:tls';
import { EngineError } from '../errors.ts';

export type Endpoint = { readonly path: string } | { readonly host: string; readonly port: number };

/** `https://host[:port]` (port 7443 unless told) or `unix:/path`. */
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

const SERVER_USE = '1.3.6.1.5.5.7.3.1';

/**
 * Its certificate must be of our CA (checked by TLS) and made for servers, which no host's is. Its name is not
 * compared: the CA is the platform's own and certifies no other servers.
 */
export function isPlatform(peer: PeerCertificate): Error | undefined {
  const uses = (peer as { ext_key_usage?: string[] }).ext_key_usage ?? [];
  return uses.includes(SERVER_USE) ? undefined : new Error('the certificate is not one of a platform');
}

/** Begins a TLS connection; the caller waits for `secureConnect`. */
export function connectTls(endpoint: Endpoint, options: ConnectionOptions): TLSSocket {
  const common: ConnectionOptions = {
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['http/1.1'],
    checkServerIdentity: (_host, peer) => isPlatform(peer),
    ...options,
  };
  // TLS over a socket of our own making: with `path`, Node would look for a name to compare.
  const socket = 'path' in endpoint ? connectSocket(endpoint.path) : connectSocket(endpoint.port, endpoint.host);
  socket.setNoDelay(true);
  const tls = connect({ socket, servername: 'wocloud-platform', ...common });
  socket.once('error', (error) => tls.destroy(error));
  return tls;
}

/** A TLS connection, ready; rejects when it cannot be made within `timeoutMs`. */
export async function openTls(endpoint: Endpoint, options: ConnectionOptions, timeoutMs: number): Promise<TLSSocket> {
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
