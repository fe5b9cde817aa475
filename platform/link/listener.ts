// Where engines connect: HTTPS with our own certificate on a TCP port and, for this host's own engine, on a unix socket.
// POST /join needs a token; the WebSocket needs a certificate of a host that is not forgotten.
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import { chmod, mkdir, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostname, networkInterfaces } from 'node:os';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { HEARTBEAT_SECONDS, JOIN_PATH, LINK_PATH, MAX_CONTROL_BYTES } from '@wocloud/protocol/link.ts';
import { WebSocketServer, type WebSocket } from 'ws';
import { PlatformError, problemOf } from '../errors.ts';
import { join } from '../hosts/join.ts';
import { admit, heard } from '../hosts/store.ts';
import { parseJoin } from './control.ts';
import { Session, type Peer, type SessionDeps } from './session.ts';

export interface Listener {
  /** The TCP port, also when 0 was asked for. */
  port: number;
  /** Ends the link of a host, if it is at this replica. */
  disconnect(host: string, reason: string): void;
  close(): Promise<void>;
}

export interface ListenerDeps extends SessionDeps {
  /** Notes that a host joined (or tried to) where auditors look. */
  joined?: (entry: {
    hostname: string;
    host: string | null;
    ip: string;
    code: string | null;
  }) => Promise<void>;
}

const SERVER_DAYS = 90;
const SERVER_RENEW_MS = 86_400_000;
const JOIN_BYTES = 32_768;

/** Starts listening. Throws when the port or the socket cannot be had. */
export async function startListener(deps: ListenerDeps): Promise<Listener> {
  const { context, authority, metrics } = deps;
  const { log } = context;
  const { link } = context.config;
  const sessions = new Map<string, Session>();
  const wss = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_CONTROL_BYTES,
    perMessageDeflate: false,
    // Text frames are checked as bytes first (control.ts).
    skipUTF8Validation: true,
  });

  const certify = async () => ({
    ...toTls(await authority.certifyServer(namesOf(link.host), SERVER_DAYS)),
    ca: authority.certificate,
  });
  const tls = await certify();
  const options = {
    ...tls,
    minVersion: 'TLSv1.3' as const,
    requestCert: true,
    // Joining has no certificate yet; the WebSocket checks for itself.
    rejectUnauthorized: false,
  };

  const answer = (request: IncomingMessage, response: ServerResponse) => {
    void joinRequest(deps, request, response).catch((error: unknown) => {
      log.error({ err: error }, 'a join could not be answered');
      response.destroy();
    });
  };
  const begin = (ws: WebSocket, peer: Peer) => {
    sessions.get(peer.host)?.close(1012, 'a newer link of this host');
    const session = new Session(ws, peer, deps);
    sessions.set(peer.host, session);
    metrics.linksConnected.set(sessions.size);
    log.info({ host: peer.name }, 'a link is up');
    ws.on('close', (code, reason) => {
      log.info({ host: peer.name, code, reason: reason.toString() }, 'a link is down');
      if (sessions.get(peer.host) === session) sessions.delete(peer.host);
      metrics.linksConnected.set(sessions.size);
      void session.ended();
    });
  };
  const admitted = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const peer = await peerOf(deps, request);
    if (typeof peer === 'string') {
      metrics.linksRefused.inc({ reason: peer });
      log.warn({ reason: peer, ip: request.socket.remoteAddress }, 'a link was refused');
      refuse(socket, peer);
    } else wss.handleUpgrade(request, socket, head, (ws) => begin(ws, peer));
  };
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    admitted(request, socket, head).catch((error: unknown) => {
      log.warn({ err: error }, 'a link could not be admitted just now');
      refuse(socket, 'unavailable');
    });
  };

  const servers: Server[] = [];
  const listen = async (where: { host: string; port: number } | { path: string }) => {
    const server = createServer(options, answer);
    server.on('upgrade', upgrade);
    server.on('tlsClientError', () => metrics.linksRefused.inc({ reason: 'tls' }));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(where, resolve);
    });
    servers.push(server);
    return server;
  };
  const tcp = await listen({ host: link.host, port: link.port });
  if (link.socket !== undefined) {
    await mkdir(dirname(link.socket), { recursive: true });
    await rm(link.socket, { force: true });
    await listen({ path: link.socket });
    await chmod(link.socket, 0o600);
  }

  const stops = Object.values(deps.intakes).map((intake) =>
    intake.onDurable((host, boot, sequence) => {
      const session = sessions.get(host);
      if (session?.boot === boot) session.send({ type: 'ack', stream: intake.stream, sequence });
    }),
  );
  const beat = setInterval(() => {
    const alive = [...sessions.values()].filter((s) => s.heard && s.boot !== undefined);
    for (const session of sessions.values()) {
      session.beat();
      session.heard = false;
    }
    heard(
      context,
      alive.map((s) => s.peer.host),
    ).catch((error: unknown) => log.warn({ err: error }, 'heartbeats could not be noted'));
  }, HEARTBEAT_SECONDS * 1000);
  const renew = async () => {
    const next = await certify();
    for (const server of servers) server.setSecureContext({ ...options, ...next });
  };
  const renewal = setInterval(() => {
    renew().catch((error: unknown) =>
      log.error({ err: error }, 'the link’s certificate could not be renewed'),
    );
  }, SERVER_RENEW_MS);
  renewal.unref();

  const address = tcp.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    disconnect: (host, reason) => sessions.get(host)?.close(1008, reason),
    async close() {
      clearInterval(beat);
      clearInterval(renewal);
      for (const stop of stops) stop();
      const open = [...sessions.values()];
      for (const session of open) session.close(1001, 'the platform stops');
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      await Promise.all(open.map((session) => session.ended()));
      if (link.socket !== undefined) await rm(link.socket, { force: true });
    },
  };
}

const toTls = ({ certificate, key }: { certificate: string; key: string }) => ({ cert: certificate, key });

/** Names and addresses this machine may be reached by. */
function namesOf(listenHost: string): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list?.map((a) => a.address) ?? []);
  const usable = addresses.filter((a) => !a.includes('%'));
  const named = /^[a-zA-Z0-9.-]+$/.test(listenHost) && listenHost !== '0.0.0.0' ? [listenHost] : [];
  return ['localhost', hostname(), ...named, ...usable];
}

/** Whose certificate this connection has, or the reason it is refused. */
async function peerOf(deps: ListenerDeps, request: IncomingMessage): Promise<Peer | string> {
  const socket = request.socket as TLSSocket;
  if (request.url !== LINK_PATH) return 'path';
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return 'no-certificate';
  if (!socket.authorized) return 'certificate';
  const host = /^CN=([0-9a-f-]{36})$/.exec(certificate.subject)?.[1];
  if (host === undefined) return 'certificate';
  const { publicKey } = certificate;
  const key = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
  const name = await admit(deps.context, host, key);
  return name === undefined ? 'forgotten' : { host, name, key, publicKey };
}

const STATUS: Record<string, string> = { path: '404 Not Found', unavailable: '503 Service Unavailable' };

function refuse(socket: Duplex, reason: string): void {
  socket.end(
    `HTTP/1.1 ${STATUS[reason] ?? '403 Forbidden'}\r\nconnection: close\r\ncontent-type: text/plain\r\n\r\n${reason}\n`,
  );
}

async function joinRequest(
  deps: ListenerDeps,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const send = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
    response.end(JSON.stringify(body));
  };
  let hostname = '';
  try {
    if (request.method !== 'POST' || request.url !== JOIN_PATH)
      throw new PlatformError('not-found', `Only POST ${JOIN_PATH} and the link are here.`);
    const parsed = parseJoin(await bodyOf(request));
    if ('malformed' in parsed)
      throw new PlatformError('bad-request', `Not a joining request: ${parsed.malformed}`);
    hostname = parsed.message.hostname;
    const made = await join(deps.context, deps.authority, parsed.message, deps.certificateDays);
    await deps.joined?.({ hostname, host: made.host, ip: request.socket.remoteAddress ?? '', code: null });
    deps.context.signals.emit('host', { host: made.host });
    send(200, made);
  } catch (error) {
    const problem =
      error instanceof PlatformError
        ? error
        : new PlatformError('internal', 'The host could not join.', { cause: error });
    if (problem.code === 'internal') deps.context.log.error({ err: error }, 'a join failed');
    deps.metrics.linksRefused.inc({ reason: problem.code });
    if (hostname)
      await deps.joined?.({
        hostname,
        host: null,
        ip: request.socket.remoteAddress ?? '',
        code: problem.code,
      });
    send(problem.status, problemOf(problem));
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > JOIN_BYTES) throw new PlatformError('too-large', 'A joining request has at most 32 KiB.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
