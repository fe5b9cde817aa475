// One link: the frames of one engine, handled in the order they came. What a frame says is about this host only,
// because the certificate says which host it is.
import type { KeyObject } from 'node:crypto';
import { X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { BatchError, decodeBatch, type Batch, type StreamName } from '@wocloud/protocol/columns.ts';
import { HEARTBEAT_SECONDS, LINK_VERSION, LINK_WINDOW, type Down, type Up } from '@wocloud/protocol/link.ts';
import type { WebSocket } from 'ws';
import type { Alerts } from '../alerts/store.ts';
import type { Authority } from '../ca/authority.ts';
import type { Context } from '../context.ts';
import { PlatformError } from '../errors.ts';
import type { Gateways } from '../gateways/store.ts';
import { renew } from '../hosts/join.ts';
import * as hosts from '../hosts/store.ts';
import type { Intakes } from '../ingest/intake.ts';
import { rulesText } from '../inspection/rules-store.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Directory } from '../vms/directory.ts';
import { reportAll, reportGone, reportOne, type Outcome } from '../vms/inventory.ts';
import { parseUp } from './control.ts';
import { Intent, type Plans } from './intent.ts';

export interface Peer {
  host: string;
  name: string;
  /** hex sha256 of the public key. */
  key: string;
  publicKey: KeyObject;
}

export interface SessionDeps {
  context: Context;
  authority: Authority;
  intakes: Intakes;
  directory: Directory;
  alerts: Alerts;
  metrics: Metrics;
  plans: Plans;
  gateways: Gateways;
  certificateDays: number;
}

const HELLO_MS = 10_000;
const MALFORMED_MAX = 5;
const MALFORMED_MS = 60_000;
/** Frames or bytes under way before reading from the socket stops for a while. */
const BACKLOG_FRAMES = LINK_WINDOW * 2;
const BACKLOG_BYTES = 32 * 1024 * 1024;
const RETRY_MS = 500;

export class Session {
  readonly peer: Peer;
  readonly #ws: WebSocket;
  readonly #deps: SessionDeps;
  readonly #keys: KeyObject[];
  #tail: Promise<void> = Promise.resolve();
  #frames = 0;
  #bytes = 0;
  #strikes: number[] = [];
  #boot: string | undefined;
  #since = '';
  #intent: Intent | undefined;
  /** The socket is closed: nothing can be sent. */
  #closed = false;
  /** We ended it: what came before is not handled any more. */
  #ended = false;
  /** Something came since this was last set to false. */
  heard = true;
  #silent = 0;

  constructor(ws: WebSocket, peer: Peer, deps: SessionDeps) {
    this.#ws = ws;
    this.peer = peer;
    this.#deps = deps;
    this.#keys = [peer.publicKey];
    const hello = setTimeout(() => this.#end(1002, 'no hello'), HELLO_MS);
    ws.on('message', (data: Buffer, binary) => {
      this.heard = true;
      clearTimeout(hello);
      this.#queue(data, binary);
    });
    ws.on('pong', () => (this.heard = true));
    ws.on('ping', () => (this.heard = true));
    ws.on('error', (error) => deps.context.log.info({ host: peer.name, err: error }, 'a link failed'));
    ws.on('close', () => {
      clearTimeout(hello);
      this.#closed = true;
      this.#intent?.close();
    });
  }

  get boot(): string | undefined {
    return this.#boot;
  }

  send(message: Down): void {
    if (!this.#closed) this.#ws.send(JSON.stringify(message));
  }

  /** To be called every HEARTBEAT_SECONDS: asks for a sign of life, ends the link after three without one. */
  beat(): void {
    this.#silent = this.heard ? 0 : this.#silent + 1;
    if (this.#silent * HEARTBEAT_SECONDS >= hosts.STALE_SECONDS) this.#ws.terminate();
    else this.#ws.ping();
  }

  /** Ends the link at once. */
  close(code: number, reason: string): void {
    this.#end(code, reason);
  }

  /** Resolves when everything that came has been handled, and the host is noted as disconnected. */
  async ended(): Promise<void> {
    await this.#tail;
    if (this.#since)
      await hosts
        .linkDown(this.#deps.context, this.peer.host, this.#since)
        .catch((error: unknown) =>
          this.#deps.context.log.warn(
            { err: error },
            'a lost link could not be noted; it will be seen as stale',
          ),
        );
  }

  #end(code: number, reason: string): void {
    this.#closed = true;
    this.#ended = true;
    this.#ws.close(code, reason);
    setTimeout(() => this.#ws.terminate(), 1_000).unref();
  }

  #queue(data: Buffer, binary: boolean): void {
    this.#frames++;
    this.#bytes += data.length;
    if (this.#frames > BACKLOG_FRAMES || this.#bytes > BACKLOG_BYTES) this.#ws.pause();
    this.#tail = this.#tail
      .then(() => this.#handle(data, binary))
      .catch((error: unknown) => {
        this.#deps.context.log.error({ err: error, host: this.peer.name }, 'a frame could not be handled');
        this.#end(1011, 'internal error');
      })
      .finally(() => {
        this.#frames--;
        this.#bytes -= data.length;
        if (this.#ws.isPaused && this.#frames < LINK_WINDOW && this.#bytes < BACKLOG_BYTES / 2)
          this.#ws.resume();
      });
  }

  async #handle(data: Buffer, binary: boolean): Promise<void> {
    if (this.#ended) return;
    if (binary) return this.#batch(data);
    const parsed = parseUp(data);
    if ('malformed' in parsed) return this.#malformed('control', parsed.malformed);
    if (this.#boot === undefined && parsed.message.type !== 'hello')
      return this.#malformed('order', `${parsed.message.type} before hello`);
    await this.#untilStored(() => this.#control(parsed.message));
  }

  #batch(data: Buffer): void {
    if (this.#boot === undefined) return this.#malformed('order', 'a batch before hello');
    let batch: Batch;
    try {
      batch = decodeBatch(data);
    } catch (error) {
      if (!(error instanceof BatchError)) throw error;
      return this.#malformed('batch', error.message);
    }
    const durable = this.#deps.intakes[batch.stream].take(this.peer.host, this.#boot, batch);
    if (durable !== undefined) this.send({ type: 'ack', stream: batch.stream, sequence: durable });
  }

  /** Counts, logs and drops what is not the protocol; a host that repeats it loses its link. */
  #malformed(kind: string, why: string): void {
    const { context, metrics } = this.#deps;
    metrics.framesMalformed.inc({ kind });
    context.log.warn({ host: this.peer.name, kind, why: why.slice(0, 200) }, 'a malformed frame was dropped');
    const now = Date.now();
    this.#strikes = [...this.#strikes.filter((at) => now - at < MALFORMED_MS), now];
    if (this.#strikes.length >= MALFORMED_MAX) this.#end(1008, 'repeatedly malformed frames');
  }

  /** A fact is not dropped because the database is away: the link waits with it. */
  async #untilStored(work: () => Promise<void>): Promise<void> {
    for (;;)
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof PlatformError) || error.code !== 'unavailable' || this.#closed) throw error;
        await delay(RETRY_MS);
      }
  }

  async #control(message: Up): Promise<void> {
    const { context, directory, alerts, metrics } = this.#deps;
    const { host } = this.peer;
    switch (message.type) {
      case 'hello':
        return this.#hello(message);
      case 'inventory':
        return this.#inventory(await reportAll(context, host, message.vms));
      case 'vm':
        return this.#inventory(await reportOne(context, host, message.vm));
      case 'vmGone':
        return this.#inventory(await reportGone(context, host, message.id));
      case 'facts':
        return hosts.setFacts(context, host, message.facts);
      case 'health':
        return hosts.setHealth(context, host, message.health);
      case 'receipt':
        if (hosts.receiptIsGenuine(host, message.receipt, this.#keys))
          return hosts.storeReceipt(context, host, message.receipt);
        metrics.receiptsRefused.inc();
        return this.#malformed('receipt', 'the signature is not by the key of this host’s certificate');
      case 'alert': {
        const { vm } = message.alert;
        const known = vm === null ? undefined : directory.vm(vm);
        const own = known && (known.host === host || directory.justMoved(known, host));
        if (vm !== null && known && !own) metrics.alertsForeign.inc();
        await alerts.raise({ ...message.alert, vm: own ? vm : null, host });
        return;
      }
      case 'gateways':
        return this.#deps.gateways.report(this.peer, message);
      case 'rulesWanted': {
        const text = await rulesText(context.db, message.digest);
        // Not known: newer ones are on their way, or there are none any more. The plan will say.
        if (text !== undefined) this.send({ type: 'rules', digest: message.digest, text });
        return;
      }
      case 'renew': {
        const made = await this.#renew(message.csr);
        if (made) this.send({ type: 'certificate', ...made });
        return;
      }
    }
  }

  async #hello(message: Extract<Up, { type: 'hello' }>): Promise<void> {
    const { context, intakes, plans } = this.#deps;
    const { host } = this.peer;
    if (message.version !== LINK_VERSION) {
      this.send({
        type: 'error',
        code: 'version',
        message: `This platform speaks version ${LINK_VERSION} of the link, the engine ${message.version}.`,
      });
      return this.#end(1002, 'version');
    }
    const durable: [StreamName, number][] = [];
    for (const intake of Object.values(intakes))
      durable.push([intake.stream, await intake.open(host, message.boot)]);
    this.#boot = message.boot;
    this.#since = await hosts.linkUp(context, host, message);
    this.send({ type: 'welcome', host, time: Date.now() * 1000 });
    for (const [stream, sequence] of durable) if (sequence > 0) this.send({ type: 'ack', stream, sequence });
    this.#intent ??= new Intent(host, plans, (down) => this.send(down));
    if (this.#closed) this.#intent.close();
    else this.#intent.full();
  }

  async #inventory(outcome: Outcome): Promise<void> {
    const { directory, alerts, metrics } = this.#deps;
    metrics.nicsDropped.inc(outcome.droppedNics);
    // Batches behind this frame are to see its VMs.
    if (outcome.changed.length) await directory.refresh(outcome.changed);
    for (const { vm, from } of outcome.seized)
      await alerts.raise({
        kind: 'vm.moved',
        key: vm,
        severity: 'medium',
        title: `${directory.vm(vm)?.name ?? vm} runs on ${this.peer.name} now; ${directory.hostName(from) ?? from}, where it was, has gone silent`,
        vm,
        host: this.peer.host,
        time: Date.now() * 1000,
        count: 1,
        evidence: { from, to: this.peer.host },
      });
  }

  async #renew(csr: string): Promise<{ pem: string; ca: string } | undefined> {
    const { context, authority, certificateDays } = this.#deps;
    try {
      const made = await renew(context, authority, this.peer.host, this.peer.key, csr, certificateDays);
      this.#keys.push(new X509Certificate(made.pem).publicKey);
      return made;
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'bad-request') throw error;
      this.#malformed('renew', error.message);
      return undefined;
    }
  }
}
