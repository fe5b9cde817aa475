// What the gateways of a host see, on its way to the platform: events as rows, alerts added up, drops as flow records.
// However much a gateway says, the platform hears no more than a bounded amount a second, and what was left out as a
// number.
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { InspectionEvent } from '@wocloud/protocol/inspection.ts';
import type { NewAlert } from '../alerts/alerts.ts';
import type { EveLines } from '../channels/gateway-channel.ts';
import type { Directory } from '../directory.ts';
import { alertOf } from './alerts.ts';
import { DropRecords } from './drops.ts';
import { readEve } from './eve.ts';

/** Events of one gateway a second; as many may come at once after a quiet time. */
const EVENTS_PER_SECOND = 10_000;
const BURST = 20_000;
/** Characters of rows handed over at a time: a batch holds 8 MiB. */
const MAX_BATCH = 1024 * 1024;
/** Alerts are added up for this long before they are raised. */
const ALERTS_EVERY_MS = 250;
/** Different ones at a time; more are events without an alert, and counted. */
const MAX_ALERTS = 1_000;
/** What a gateway may say it has lost with one message. */
const MAX_LOST = 1_000_000;

export interface InspectorOptions {
  directory: Directory;
  /** Keeps rows of the stream `inspection`; `lost` were given up before them. */
  records: (rows: readonly InspectionEvent[], lost: number) => void;
  /** Keeps flow records of what was dropped. */
  drops: (records: readonly FlowRecord[]) => void;
  alert: (alert: NewAlert) => void;
  /** Monotonic, ms. */
  clock?: () => number;
}

interface Source {
  tokens: number;
  refilledAt: number;
  lost: number;
  cut: number;
}

export class Inspector {
  readonly counters = {
    'inspection.events': 0,
    'inspection.alerts': 0,
    'inspection.drops': 0,
    /** Lines that were no event. */
    'inspection.malformed': 0,
    /** About no VM of this host. */
    'inspection.unknown': 0,
    /** Lost or cut by gateways, as they say; over the bound; alerts that were too many. */
    'inspection.lost': 0,
    'inspection.cut': 0,
    'inspection.excess': 0,
    'inspection.alertsLost': 0,
  };
  readonly #options: InspectorOptions;
  readonly #drops = new DropRecords(Date.now() * 1_000);
  readonly #sources = new Map<string, Source>();
  readonly #alerts = new Map<string, NewAlert & { count: number }>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: InspectorOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#raise(), ALERTS_EVERY_MS);
    this.#timer.unref();
  }

  /**
   * Takes a channel's message; once it returns everything is handed over, and the message may be acknowledged.
   * @param gateway `<gateway>/<number>`
   * @param clockOffset the channel's
   */
  take(gateway: string, message: EveLines, clockOffset = 0): void {
    const source = this.#source(gateway);
    let lost = this.#lost(source, message);
    const drops: FlowRecord[] = [];
    let rows: InspectionEvent[] = [];
    let size = 0;
    for (const line of message.lines) {
      if (source.tokens < 1) {
        this.counters['inspection.excess']++;
        lost++;
        continue;
      }
      source.tokens--;
      const reading = readEve(line, this.#options.directory, {
        gateway,
        now: Date.now() * 1_000,
        clockOffset,
      });
      if (!reading) {
        this.counters['inspection.malformed']++;
        lost++;
        continue;
      }
      if (!reading.source && !reading.destination) this.counters['inspection.unknown']++;
      rows.push(reading.event);
      size += reading.event.detail.length;
      const alert = alertOf(reading);
      if (alert) this.#add(alert);
      const drop = this.#drops.record(reading);
      if (drop) drops.push(drop);
      if (size > MAX_BATCH) {
        this.#options.records(rows, lost);
        [rows, size, lost] = [[], 0, 0];
      }
      this.counters['inspection.events']++;
    }
    if (rows.length > 0 || lost > 0) this.#options.records(rows, lost);
    if (drops.length > 0) this.#options.drops(drops);
    this.counters['inspection.drops'] += drops.length;
  }

  /** The instance is gone. */
  forget(gateway: string): void {
    this.#sources.delete(gateway);
  }

  /** Raises what is still being added up. */
  close(): void {
    clearInterval(this.#timer);
    this.#raise();
  }

  #source(gateway: string): Source {
    const now = (this.#options.clock ?? (() => performance.now()))();
    let source = this.#sources.get(gateway);
    if (!source) {
      source = { tokens: BURST, refilledAt: now, lost: 0, cut: 0 };
      this.#sources.set(gateway, source);
    }
    source.tokens = Math.min(BURST, source.tokens + ((now - source.refilledAt) / 1_000) * EVENTS_PER_SECOND);
    source.refilledAt = now;
    return source;
  }

  /** How many more the gateway has lost; its counts begin anew with its daemon. */
  #lost(source: Source, { lost, cut }: EveLines): number {
    const more = Math.min(MAX_LOST, lost < source.lost ? lost : lost - source.lost);
    this.counters['inspection.lost'] += more;
    this.counters['inspection.cut'] += Math.min(MAX_LOST, cut < source.cut ? cut : cut - source.cut);
    source.lost = lost;
    source.cut = cut;
    return more;
  }

  #add(alert: NewAlert): void {
    const known = this.#alerts.get(alert.key);
    if (known) {
      known.count++;
      return;
    }
    if (this.#alerts.size >= MAX_ALERTS) {
      this.counters['inspection.alertsLost']++;
      return;
    }
    this.#alerts.set(alert.key, { ...alert, count: 1 });
  }

  #raise(): void {
    for (const alert of this.#alerts.values()) {
      this.counters['inspection.alerts'] += alert.count;
      this.#options.alert(alert);
    }
    this.#alerts.clear();
  }
}
