// An engine without a host: joins, links and sends like the real one, over real mutual TLS. For tests and benchmarks.
import 'reflect-metadata';
import { createPrivateKey, randomUUID, sign, webcrypto, X509Certificate, createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { request } from 'node:https';
import * as x509 from '@peculiar/x509';
import { encodeBatch, type StreamName } from '@wocloud/protocol/columns.ts';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { InspectionEvent } from '@wocloud/protocol/inspection.ts';
import {
  JOIN_PATH,
  LINK_PATH,
  LINK_SERVER_NAME,
  LINK_VERSION,
  parseJoinToken,
  type Down,
  type JoinResponse,
  type Up,
} from '@wocloud/protocol/link.ts';
import {
  receiptText,
  type EngineAlert,
  type GatewayReport,
  type HostFacts,
  type ObservedVm,
  type Receipt,
} from '@wocloud/protocol/reports.ts';
import { connect as connectTls } from 'node:tls';
import WebSocket from 'ws';

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export interface Identity {
  host: string;
  /** PEM, PKCS#8. */
  key: string;
  certificate: string;
  ca: string;
}

/** A new key and a signing request for it, both PEM. */
export async function keyAndRequest(name: string): Promise<{ key: string; csr: string }> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: EC,
  });
  const key = x509.PemConverter.encode(
    await webcrypto.subtle.exportKey('pkcs8', keys.privateKey),
    'PRIVATE KEY',
  );
  return { key, csr: csr.toString('pem') };
}

/** Joins with a one-time token. Rejects with the platform's words, or when the CA is not the one the token names. */
export async function joinPlatform(port: number, token: string, hostname: string): Promise<Identity> {
  const { key, csr } = await keyAndRequest(hostname);
  const expected = parseJoinToken(token)?.fingerprint;
  const body = JSON.stringify({ token, hostname, csr });
  const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const call = request({
      host: '127.0.0.1',
      port,
      path: JOIN_PATH,
      method: 'POST',
      agent: false,
      servername: LINK_SERVER_NAME,
      // Nothing is trusted yet but the CA that the token names; it is looked for in the chain below.
      rejectUnauthorized: false,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    });
    call.on('socket', (socket) =>
      socket.on('secureConnect', () => {
        const chain: string[] = [];
        let peer = (socket as import('node:tls').TLSSocket).getPeerCertificate(true);
        for (let i = 0; i < 4 && peer?.raw; i++) {
          chain.push(createHash('sha256').update(peer.raw).digest('base64url'));
          peer = peer.issuerCertificate;
        }
        if (expected !== undefined && !chain.includes(expected))
          call.destroy(new Error('not the platform that the token names'));
      }),
    );
    call.on('error', reject);
    call.on('response', (response) => {
      let text = '';
      response.on('data', (d: Buffer) => (text += d.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    call.end(body);
  });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  const made = JSON.parse(answer.text) as JoinResponse;
  return { host: made.host, key, certificate: made.certificate, ca: made.ca };
}

export const FACTS: HostFacts = {
  hostname: 'kvm1',
  kernel: '6.1',
  libvirt: '10.0.0',
  qemu: '7.2.0',
  libvirtUp: true,
  cpus: 2,
  memoryKiB: 8_388_608,
  notices: [],
};

type Events = { down: [Down]; ack: [number]; close: [number, string] };

/** Where one stream of the engine is. */
interface Sending {
  sequence: number;
  acked: number;
  unacked: Map<number, Uint8Array>;
}
const nothingSent = (): Sending => ({ sequence: 0, acked: 0, unacked: new Map() });

/** One engine's link. Batches are kept until acknowledged and sent again by `reconnect`. */
export class FakeEngine extends EventEmitter<Events> {
  readonly identity: Identity;
  readonly port: number;
  readonly boot = randomUUID();
  /** Everything that came down, acknowledgments excepted. */
  readonly received: Down[] = [];
  readonly #streams: Record<StreamName, Sending> = { flows: nothingSent(), inspection: nothingSent() };
  #ws: WebSocket | undefined;

  constructor(port: number, identity: Identity) {
    super();
    this.port = port;
    this.identity = identity;
  }

  /** Joins as `hostname`, connects and says hello. */
  static async start(port: number, token: string, hostname = 'kvm1'): Promise<FakeEngine> {
    const engine = new FakeEngine(port, await joinPlatform(port, token, hostname));
    await engine.connect();
    await engine.hello();
    return engine;
  }

  get host(): string {
    return this.identity.host;
  }

  /** Opens the WebSocket. Rejects with the status when refused. */
  async connect(): Promise<void> {
    const { key, certificate, ca } = this.identity;
    const { port } = this;
    const ws = new WebSocket(`ws://${LINK_SERVER_NAME}${LINK_PATH}`, {
      createConnection: () =>
        connectTls({ host: '127.0.0.1', port, key, cert: certificate, ca, servername: LINK_SERVER_NAME }),
      perMessageDeflate: false,
    });
    ws.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Down;
      if (message.type === 'ack') {
        const stream = this.#streams[message.stream as StreamName];
        stream.acked = Math.max(stream.acked, message.sequence);
        for (const sequence of stream.unacked.keys())
          if (sequence <= message.sequence) stream.unacked.delete(sequence);
        this.emit('ack', message.sequence);
      } else this.received.push(message);
      this.emit('down', message);
    });
    ws.on('close', (code, reason) => this.emit('close', code, reason.toString()));
    this.#ws = ws;
    await once(ws, 'open');
    ws.on('error', () => undefined);
  }

  send(message: Up | object): void {
    this.#ws?.send(JSON.stringify(message));
  }
  sendRaw(frame: Uint8Array | string): void {
    this.#ws?.send(frame);
  }

  /** Says hello and waits for the welcome. */
  async hello(generation = 0): Promise<void> {
    const welcome = this.next('welcome');
    this.send({
      type: 'hello',
      version: LINK_VERSION,
      boot: this.boot,
      engine: 'fake 1',
      generation,
      facts: FACTS,
    });
    await welcome;
  }

  inventory(vms: readonly ObservedVm[]): void {
    this.send({ type: 'inventory', vms });
  }
  alert(alert: EngineAlert): void {
    this.send({ type: 'alert', alert });
  }
  /** Signs and sends a receipt. */
  receipt(parts: Partial<Receipt> & { generation: number }): void {
    const receipt = {
      result: 'applied' as const,
      digest: '0'.repeat(64),
      at: Date.now() * 1000,
      took: 12,
      error: '',
      nics: [],
      ...parts,
    };
    const signature = sign(
      'sha256',
      Buffer.from(receiptText(this.host, receipt)),
      createPrivateKey(this.identity.key),
    ).toString('base64');
    this.send({ type: 'receipt', receipt: { ...receipt, signature } });
  }

  /** Says which gateway instances there are, and which images. */
  gateways(gateways: readonly GatewayReport[], images: readonly string[] = []): void {
    this.send({ type: 'gateways', gateways, images });
  }

  /** Sends records as the next batch; returns its number. */
  flows(rows: readonly FlowRecord[], lost = 0): number {
    return this.#next('flows', rows, lost);
  }
  /** Sends inspection events as the next batch; returns its number. */
  inspection(events: readonly InspectionEvent[], lost = 0): number {
    return this.#next('inspection', events, lost);
  }
  #next(stream: StreamName, rows: readonly object[], lost: number): number {
    const sequence = this.#streams[stream].sequence + 1;
    this.batch(sequence, encodeBatch(stream, rows as never[], { sequence, lost }), stream);
    return sequence;
  }
  /** Sends an encoded batch. */
  batch(sequence: number, frame: Uint8Array, stream: StreamName = 'flows'): void {
    this.#streams[stream].sequence = sequence;
    this.#streams[stream].unacked.set(sequence, frame);
    this.#ws?.send(frame);
  }
  /** Of flows. */
  get acked(): number {
    return this.#streams.flows.acked;
  }
  /** Batches of flows. */
  get unacked(): number {
    return this.#streams.flows.unacked.size;
  }

  /** Waits until a batch is acknowledged; without a number, until everything sent is. */
  async settled(sequence?: number, ms = 20_000, stream?: StreamName): Promise<void> {
    const signal = AbortSignal.timeout(ms);
    const { flows, inspection } = this.#streams;
    const done = () =>
      sequence === undefined
        ? [flows, inspection].every((s) => s.acked >= s.sequence)
        : this.#streams[stream ?? 'flows'].acked >= sequence;
    while (!done()) await once(this, 'ack', { signal });
  }

  /** The next message of this type. */
  async next<T extends Down['type']>(type: T, ms = 10_000): Promise<Extract<Down, { type: T }>> {
    const signal = AbortSignal.timeout(ms);
    for (;;) {
      const [message] = (await once(this, 'down', { signal })) as [Down];
      if (message.type === type) return message as Extract<Down, { type: T }>;
    }
  }

  /** A new connection after a lost one: hello again, and everything unacknowledged. */
  async reconnect(): Promise<void> {
    await this.connect();
    await this.hello();
    for (const { unacked } of Object.values(this.#streams))
      for (const frame of unacked.values()) this.#ws?.send(frame);
  }

  /** Cuts the connection without a word. */
  cut(): void {
    this.#ws?.terminate();
  }
  async close(): Promise<void> {
    if (!this.#ws || this.#ws.readyState === WebSocket.CLOSED) return;
    const closed = once(this.#ws, 'close');
    this.#ws.close();
    await closed;
  }
}

/** When the certificate of an identity ends. */
export const expiry = (identity: Identity): Date =>
  new Date(new X509Certificate(identity.certificate).validTo);

/** A running VM with one NIC on `bridge`. */
export function fakeVm(
  parts: Partial<ObservedVm> & { name: string },
  ip = '10.0.0.1',
  bridge = 'br0',
): ObservedVm {
  const id = parts.id ?? randomUUID();
  return {
    id,
    title: '',
    state: 'running',
    vcpus: 1,
    memoryKiB: 262_144,
    tenant: null,
    labels: {},
    nics: [
      {
        mac: `52:54:00:${id.slice(0, 2)}:${id.slice(2, 4)}:${id.slice(4, 6)}`,
        model: 'virtio',
        link: 'bridge',
        source: bridge,
        bridge,
        vlan: null,
        tap: `tap${id.slice(0, 6)}`,
        addresses: [{ ip, source: 'lease' }],
        protection: 'enforced',
        reason: '',
      },
    ],
    ...parts,
  };
}

let flowNumber = 0n;
/** A flow record that is a whole connection unless `parts` say otherwise. */
export function fakeFlow(parts: Partial<FlowRecord> = {}): FlowRecord {
  const now = Date.now() * 1000;
  return {
    time: now,
    kind: 'start',
    flow: ++flowNumber,
    start: now,
    end: 0,
    network: 'kvm1/br0',
    point: 'both',
    srcVm: '',
    dstVm: '',
    src: '10.0.0.1',
    dst: '10.0.0.2',
    protocol: 6,
    sport: 40_000,
    dport: 443,
    packetsOut: 1,
    packetsIn: 0,
    bytesOut: 60,
    bytesIn: 0,
    verdict: 'allowed',
    ruleOut: '',
    ruleIn: '',
    stagedVerdict: 'none',
    stagedRule: '',
    ...parts,
  };
}

/** An alert about TLS traffic unless `parts` say otherwise. */
export function fakeEvent(parts: Partial<InspectionEvent> = {}): InspectionEvent {
  return {
    time: Date.now() * 1000,
    type: 'alert',
    gateway: 'edge/1',
    network: 'kvm1/br0',
    srcVm: '',
    dstVm: '',
    src: '10.0.0.1',
    dst: '10.0.0.2',
    protocol: 6,
    sport: 40_000,
    dport: 443,
    flow: 1n,
    application: 'tls',
    action: 'allowed',
    signature: 2_001_234,
    title: 'ET TEST Something',
    category: 'Misc activity',
    priority: 3,
    technique: '',
    subject: '',
    detail: '{}',
    ...parts,
  };
}

/** An instance that works unless `parts` say otherwise. */
export function fakeInstance(parts: Partial<GatewayReport> = {}): GatewayReport {
  const id = parts.id ?? 'edge/1';
  return {
    id,
    gateway: id.split('/')[0] ?? '',
    form: 'vm',
    state: 'working',
    reason: '',
    since: Date.now() * 1000,
    image: '0123456789abcdef',
    suricata: '7.0.10',
    rules: '',
    loaded: 0,
    refused: 0,
    rulesError: '',
    latencyMicros: 80,
    residentKiB: 200_000,
    counters: { packets: 0, dropped: 0 },
    ...parts,
  };
}
