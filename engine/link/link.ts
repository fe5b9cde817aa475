// The engine's side of the link as a whole: says hello with what stands, keeps batches and alerts until they are
// through, tells health with each heartbeat, and renews the certificate in time.
import { EventEmitter } from 'node:events';
import { hostname } from 'node:os';
import type { StreamName } from '@wocloud/protocol/columns.ts';
import type { DesiredDelta, DesiredState } from '@wocloud/protocol/desired.ts';
import { HEARTBEAT_SECONDS, LINK_VERSION, type Down, type Up } from '@wocloud/protocol/link.ts';
import type { Health, HostFacts } from '@wocloud/protocol/reports.ts';
import type { Logger } from 'pino';
import { Alerts } from '../alerts/alerts.ts';
import { ENGINE_VERSION } from '../version.ts';
import { Batches, type Rows } from './batches.ts';
import { Channel } from './channel.ts';
import type { Endpoint } from './endpoint.ts';
import { keepCertificate, signingRequest, type Identity } from './identity.ts';

export interface LinkOptions {
  endpoint: Endpoint;
  identity: Identity;
  /** The state directory. */
  dir: string;
  spoolBytes: number;
  /** Generation that stands in the kernel. */
  generation: () => number;
  facts: () => HostFacts;
  health: () => Health;
  log: Logger;
}

export type LinkEvents = {
  /** Hello has been said: tell what the platform should know. */
  open: [];
  desired: [DesiredState];
  delta: [DesiredDelta];
  resync: [];
  /** Rules of the gateways, by digest: zstd, base64. */
  rules: [digest: string, text: string];
};

const RENEW_AFTER = 2 / 3;
const RENEW_RETRY_MS = 60_000;

export class Link extends EventEmitter<LinkEvents> {
  readonly alerts: Alerts;
  readonly #options: LinkOptions;
  readonly #channel: Channel;
  readonly #batches: Batches;
  readonly #timers: NodeJS.Timeout[];
  #identity: Identity;
  #renewAskedAt = -Infinity;

  constructor(options: LinkOptions) {
    super();
    this.#options = options;
    this.#identity = options.identity;
    this.#batches = new Batches(`${options.dir}/spool`, options.spoolBytes);
    this.#channel = new Channel(options.endpoint, () => this.#identity, options.log);
    this.alerts = new Alerts((alert) => this.send({ type: 'alert', alert }));
    this.#channel.on('open', () => {
      options.log.info('the platform is there');
      this.hello();
      this.#batches.connected((frame) => this.#channel.transmit(frame));
      this.alerts.flush();
    });
    this.#channel.on('closed', () => this.#batches.disconnected());
    this.#channel.on('drained', () => this.#batches.pump());
    this.#channel.on('down', (message) => this.#receive(message));
    this.#timers = [
      setInterval(() => {
        this.#batches.tidy();
        this.alerts.flush();
      }, 1_000),
      setInterval(() => {
        this.send({ type: 'health', health: options.health() });
        void this.#renewInTime();
      }, HEARTBEAT_SECONDS * 1_000),
    ];
  }

  get counters(): Record<string, number> {
    return {
      ...this.#channel.counters,
      ...this.#batches.counters,
      ...this.alerts.counters,
      'spool.pendingRows': this.#batches.pending,
    };
  }
  get identity(): Identity {
    return this.#identity;
  }

  start(): void {
    this.#channel.start();
  }

  /** Sends a message now; false when there is no connection. What must not be lost is told anew on `open`. */
  send(message: Up): boolean {
    return this.#channel.send(message);
  }

  /** Takes records on their way; see Batches.add. */
  records(stream: StreamName, rows: Rows, lost = 0): void {
    this.#batches.add(stream, rows, lost);
  }

  /** Says what stands, and gets the whole desired state as the answer. */
  hello(): void {
    const { generation, facts } = this.#options;
    this.send({
      type: 'hello',
      version: LINK_VERSION,
      boot: this.#batches.boot,
      engine: ENGINE_VERSION,
      generation: generation(),
      facts: facts(),
    });
    this.emit('open');
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#channel.close();
    this.#batches.close();
  }

  #receive(message: Down): void {
    const { log, dir } = this.#options;
    switch (message.type) {
      case 'welcome':
        if (message.host !== this.#identity.host)
          log.error({ host: message.host }, 'the platform takes this host for another');
        return;
      case 'desired':
        return void this.emit('desired', message.state);
      case 'delta':
        return void this.emit('delta', message.delta);
      case 'ack':
        return this.#batches.acknowledge(message.stream, message.sequence);
      case 'resync':
        return void this.emit('resync');
      case 'rules':
        return void this.emit('rules', message.digest, message.text);
      case 'certificate':
        try {
          this.#identity = keepCertificate(dir, message.pem, message.ca);
          log.info({ until: new Date(this.#identity.notAfter) }, 'certificate renewed');
        } catch (error) {
          log.error({ err: error }, 'the renewed certificate cannot be used; the old one stays');
        }
        return;
      case 'error':
        log.error({ code: message.code }, `the platform says: ${message.message}`);
    }
  }

  async #renewInTime(): Promise<void> {
    const { notBefore, notAfter } = this.#identity;
    if (Date.now() < notBefore + (notAfter - notBefore) * RENEW_AFTER) return;
    if (performance.now() - this.#renewAskedAt < RENEW_RETRY_MS) return;
    this.#renewAskedAt = performance.now();
    this.send({ type: 'renew', csr: await signingRequest(this.#options.dir, hostname()) });
  }
}
