// What the platform hears of gateways: all instances when one changes and every ten seconds, what stands in the way as
// notices, and an alert for rules that Suricata refuses. Alerts of failed and degraded instances the platform makes of
// the reports, which also say when that is over.
import type { GatewayReport } from '@wocloud/protocol/reports.ts';
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import type { Up } from '@wocloud/protocol/link.ts';
import type { NewAlert } from '../alerts/alerts.ts';
import type { Notice } from '../health/facts.ts';
import type { Member } from './member.ts';
import type { Prober } from './prober.ts';
import { reportOf, signature, stateOf, type Surroundings } from './report.ts';
import type { Steering } from './steering.ts';

const TELL_EVERY_MS = 10_000;
/** Changes that come together are one message. */
const TOGETHER_MS = 20;
const MAX_IMAGES = 64;

export interface TellingOptions {
  steering: Steering;
  prober: Prober;
  desired: () => DesiredState;
  send: (message: Up) => boolean;
  notices: (notices: readonly Notice[]) => void;
  alert: (alert: NewAlert) => void;
}

export class Telling {
  readonly #o: TellingOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #since = new Map<Member, { state: GatewayReport['state']; at: number }>();
  #soon: NodeJS.Timeout | undefined;
  #told = '';

  constructor(options: TellingOptions) {
    this.#o = options;
    const { steering } = options;
    this.#timer = setInterval(() => this.all(), TELL_EVERY_MS);
    steering.on('changed', () => this.soon());
    steering.roster.on('failed', () => this.#changes());
    steering.roster.on('gone', (member) => this.#since.delete(member));
    steering.roster.on('refused', (member, error) => this.#refused(member, error));
  }

  /** Everything, whether it has changed or not. */
  all(): void {
    if (!this.#o.steering.roster.isKnown) return;
    const gateways = this.reports();
    this.#told = this.#signatures(gateways);
    this.#o.notices(this.#o.steering.notices());
    this.#o.send({ type: 'gateways', gateways, images: this.#o.steering.roster.images.slice(0, MAX_IMAGES) });
  }

  /** Something may have changed. */
  soon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#changes();
    }, TOGETHER_MS);
  }

  reports(): GatewayReport[] {
    const { steering, prober } = this.#o;
    const common = this.#surroundings();
    // Remains of what nobody knows have no gateway; they are only taken away.
    const members = steering.roster.members.filter(({ identity }) => identity.gateway !== '');
    return members.map((member) => {
      const state = stateOf(member, { ...common, isRetiring: steering.isRetiring(member) });
      let since = this.#since.get(member);
      if (since?.state !== state.state) {
        since = { state: state.state, at: Date.now() * 1000 };
        this.#since.set(member, since);
      }
      return reportOf(member, state, since.at, prober.status(member.identity.number));
    });
  }

  close(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
  }

  #changes(): void {
    if (this.#signatures(this.reports()) !== this.#told) return this.all();
    this.#o.notices(this.#o.steering.notices());
  }

  #signatures(gateways: GatewayReport[]): string {
    return JSON.stringify([gateways.map(signature), this.#o.steering.roster.images]);
  }

  #surroundings(): Omit<Surroundings, 'isRetiring'> {
    const { insertions, chains, rules } = this.#o.desired();
    const inspecting = chains
      .flatMap((chain) => chain.rules)
      .filter((r) => r.action === 'inspect' && !r.staged);
    const failures = [
      ...insertions.filter(({ mode }) => mode === 'inline').map(({ failure }) => failure),
      ...inspecting.map(({ failure }) => failure ?? 'open'),
    ];
    const isInspecting = insertions.length + inspecting.length > 0;
    return {
      rules: rules[0]?.digest ?? '',
      uncovered: isInspecting ? this.#o.steering.uncovered : 0,
      hasClosed: failures.includes('closed'),
    };
  }

  #refused(member: Member, error: string): void {
    this.#o.alert({
      kind: 'gateway.rules',
      key: member.id,
      severity: 'medium',
      title: `Gateway ${member.id} refused its rules; ${member.rules === '' ? 'it has none' : 'those before are in force'}`,
      vm: null,
      evidence: { message: error, digest: member.refused, inForce: member.rules ?? '' },
    });
  }
}
