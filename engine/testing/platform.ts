// The platform's end of the link, as tests need it: a CA, tokens, certificates, and every frame that came, kept.
import 'reflect-metadata';
import { createHash, randomBytes, randomUUID, webcrypto } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import * as x509 from '@peculiar/x509';
import { batchRows, decodeBatch, type Batch } from '@wocloud/protocol/columns.ts';
import { JOIN_PATH, LINK_SERVER_NAME, Up, type Down, type JoinRequest } from '@wocloud/protocol/link.ts';
import { Value } from 'typebox/value';
import { WebSocketServer, type WebSocket } from 'ws';

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR = 3_600_000;
x509.cryptoProvider.set(webcrypto as never);

export interface FakePlatform {
  /** For `--platform`. */
  readonly address: string;
  readonly host: string;
  /** A token for one join. */
  token(): string;
  /** Control messages in the order they came; batches beside. */
  readonly messages: Up[];
  readonly batches: Batch[];
  readonly rows: Record<string, unknown>[];
  /** PEM certificates issued. */
  readonly issued: string[];
  /** Acknowledge batches as they come. Default true. */
  acknowledge: boolean;
  /** Lifetime of certificates, ms. */
  certificateMs: number;
  send(message: Down): void;
  sendText(text: string): void;
  readonly connected: boolean;
  /** Waits until a message satisfies `test`; rejects after `timeoutMs`. */
  until<T>(what: string, test: () => T | undefined | false | null, timeoutMs?: number): Promise<T>;
  /** Nothing more will come: whoever waits now is rejected with this reason. */
  giveUp(reason: Error): void;
  /** Cuts the present connection. */
  cut(): void;
  stop(): Promise<void>;
  /** Listens again at the same place, after stop. */
  restart(): Promise<void>;
}

/** Listens on a unix socket (`path`) or on a port of 127.0.0.1. */
export async function startFakePlatform(path?: string): Promise<FakePlatform> {
  const ca = await authority();
  const tokens = new Set<string>();
  const host = randomUUID();
  const messages: Up[] = [];
  const batches: Batch[] = [];
  const issued: string[] = [];
  const listeners = new Set<() => void>();
  const changed = () => listeners.forEach((listener) => listener());
  const waiting = new Set<(reason: Error) => void>();
  let socket: WebSocket | undefined;
  let server: Server;
  let port = 0;

  const certify = async (csr: string): Promise<string> => {
    const pem = await ca.certify(csr, host, platform.certificateMs);
    issued.push(pem);
    return pem;
  };
  const renew = async (ws: WebSocket, csr: string): Promise<void> => {
    const pem = await certify(csr);
    ws.send(JSON.stringify({ type: 'certificate', pem, ca: ca.pem }));
  };
  const join = async (response: ServerResponse, csr: string): Promise<void> => {
    const certificate = await certify(csr);
    response.end(JSON.stringify({ host, certificate, ca: ca.pem }));
  };

  const receive = (ws: WebSocket, data: Buffer, binary: boolean): void => {
    if (binary) {
      const batch = decodeBatch(data);
      batches.push({ ...batch, columns: batch.columns.map((c) => c.slice()) });
      if (platform.acknowledge)
        ws.send(JSON.stringify({ type: 'ack', stream: batch.stream, sequence: batch.sequence }));
    } else {
      const value: unknown = JSON.parse(data.toString());
      if (!Value.Check(Up, value)) {
        const [first] = Value.Errors(Up, value);
        throw new Error(
          `not the protocol: ${first?.instancePath} ${first?.message} in ${data.toString().slice(0, 2000)}`,
        );
      }
      messages.push(value);
      if (value.type === 'hello') ws.send(JSON.stringify({ type: 'welcome', host, time: Date.now() * 1000 }));
      if (value.type === 'renew') void renew(ws, value.csr);
    }
    changed();
  };

  const listen = async (): Promise<void> => {
    const { certificate, key } = await ca.server();
    server = createServer({
      cert: certificate,
      key,
      ca: ca.pem,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    });
    server.on('request', (request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => (body += part.toString()));
      request.on('end', () => {
        const { token, csr } = JSON.parse(body) as JoinRequest;
        if (request.url !== JOIN_PATH || !tokens.delete(token)) {
          response.writeHead(403).end(JSON.stringify({ detail: 'The token has been used.' }));
          return;
        }
        void join(response, csr);
      });
    });
    const wss = new WebSocketServer({ noServer: true });
    server.on('upgrade', (request, raw, head) => {
      if (!(request.socket as TLSSocket).authorized) {
        raw.end('HTTP/1.1 403 Forbidden\r\n\r\n');
        return;
      }
      wss.handleUpgrade(request, raw, head, (ws) => {
        socket = ws;
        ws.on('message', (data: Buffer, binary) => receive(ws, data, binary));
        ws.on('close', () => {
          if (socket === ws) socket = undefined;
          changed();
        });
        changed();
      });
    });
    server.listen(path === undefined ? { port, host: '127.0.0.1' } : { path });
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address) port = address.port;
  };

  const platform: FakePlatform = {
    get address() {
      return path === undefined ? `https://127.0.0.1:${port}` : `unix:${path}`;
    },
    host,
    messages,
    batches,
    issued,
    acknowledge: true,
    certificateMs: HOUR,
    get rows() {
      return batches.flatMap((batch) => batchRows(batch));
    },
    token() {
      const token = `${randomBytes(9).toString('base64url')}.${randomBytes(32).toString('base64url')}.${ca.fingerprint}`;
      tokens.add(token);
      return token;
    },
    send: (message) => socket?.send(JSON.stringify(message)),
    sendText: (text) => socket?.send(text),
    get connected() {
      return socket !== undefined;
    },
    until: (what, test, timeoutMs = 10_000) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const value = test();
          if (value === undefined || value === false || value === null) return;
          finish();
          resolve(value);
        };
        const fail = (reason: Error) => {
          finish();
          reject(reason);
        };
        const finish = () => {
          listeners.delete(look);
          waiting.delete(fail);
          clearTimeout(timer);
          clearInterval(poll);
        };
        const timer = setTimeout(
          () =>
            fail(
              new Error(`${what}: not within ${timeoutMs} ms; got ${messages.map((m) => m.type).join(' ')}`),
            ),
          timeoutMs,
        );
        const poll = setInterval(look, 20);
        listeners.add(look);
        waiting.add(fail);
        look();
      }),
    giveUp: (reason) => [...waiting].forEach((fail) => fail(reason)),
    cut: () => socket?.terminate(),
    async stop() {
      socket?.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
    restart: listen,
  };
  await listen();
  return platform;
}

async function authority() {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const serial = () => randomBytes(8).toString('hex');
  const dates = (ms: number) => ({
    notBefore: new Date(Date.now() - 1_000),
    notAfter: new Date(Date.now() + ms),
  });
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=test CA',
    ...dates(24 * HOUR),
    keys,
    signingAlgorithm: EC,
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  });
  const issuer = { issuer: certificate.subject, signingKey: keys.privateKey, signingAlgorithm: EC };
  const usage = (oid: string) => new x509.ExtendedKeyUsageExtension([oid], true);
  return {
    pem: certificate.toString('pem'),
    fingerprint: createHash('sha256').update(new Uint8Array(certificate.rawData)).digest('base64url'),
    async server() {
      const own = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
      const made = await x509.X509CertificateGenerator.create({
        serialNumber: serial(),
        subject: `CN=${LINK_SERVER_NAME}`,
        ...dates(HOUR),
        publicKey: own.publicKey,
        ...issuer,
        extensions: [
          usage('1.3.6.1.5.5.7.3.1'),
          new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: LINK_SERVER_NAME }]),
        ],
      });
      const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', own.privateKey));
      return {
        certificate: `${made.toString('pem')}\n${certificate.toString('pem')}`,
        key: `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`,
      };
    },
    async certify(csr: string, host: string, ms: number): Promise<string> {
      const request = new x509.Pkcs10CertificateRequest(csr);
      if (!(await request.verify())) throw new Error('the request is not signed by its key');
      const made = await x509.X509CertificateGenerator.create({
        serialNumber: serial(),
        subject: `CN=${host}`,
        ...dates(ms),
        publicKey: request.publicKey,
        ...issuer,
        extensions: [usage('1.3.6.1.5.5.7.3.2')],
      });
      return made.toString('pem');
    },
  };
}
