// Everything about gateways on this host, wired: runner, prober, channels, rules, reports, and what they see.
import { readFileSync } from 'node:fs';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import type { InspectionEvent } from '@wocloud/protocol/inspection.ts';
import type { Up } from '@wocloud/protocol/link.ts';
import type { Logger } from 'pino';
import type { NewAlert } from '../alerts/alerts.ts';
import { GatewayChannel } from '../channels/gateway-channel.ts';
import type { Directory } from '../directory.ts';
import type { Placement } from '../filter/placement.ts';
import type { Runner } from '../gateways/runner.ts';
import type { Notice } from '../health/facts.ts';
import { Inspector } from '../inspection/inspector.ts';
import { DRAIN_MS } from './instances.ts';
import { Prober } from './prober.ts';
import { RulesStore } from './rules-store.ts';
import { RulesSupply } from './rules-supply.ts';
import { Steering } from './steering.ts';
import { Telling } from './telling.ts';

const ETHERNET_MTU = 1_500;

export interface SteeringSetup {
  /** The state directory. */
  dir: string;
  desired: () => DesiredState;
  directory: Directory;
  runner: Runner;
  /** Versions of the gateway image on this host, newest first. */
  images: () => Promise<readonly string[]>;
  send: (message: Up) => boolean;
  notices: (notices: readonly Notice[]) => void;
  alert: (alert: NewAlert) => void;
  events: (rows: readonly InspectionEvent[], lost: number) => void;
  drops: (records: readonly FlowRecord[]) => void;
  /** Connections are shared out anew: the firewall's rules have to follow. */
  onBuckets: () => void;
  /** nftables generations that are the prober's doing, and nobody else's. */
  wrote: (generations: readonly number[]) => void;
  log: Logger;
}

export interface StartedSteering {
  readonly counters: Readonly<Record<string, number>>;
  /** Instance number by sixteenth of the connections. */
  readonly buckets: readonly number[];
  /** The enforcer has done a round. */
  placed(placement: Placement): void;
  /** A device or a domain of this host is another. */
  hostChanged(): void;
  desiredChanged(): void;
  /** The link is there (again). */
  linkOpened(): void;
  /** The platform sent rules: zstd, base64. */
  rules(digest: string, text: string): void;
  /** Gateways go on, and so does what the kernel sends them. */
  stop(): Promise<void>;
}

export function startSteering(setup: SteeringSetup): StartedSteering {
  const { dir, desired, runner, images, directory, send, notices, alert, events, drops, log } = setup;
  const prober = new Prober(log);
  prober.on('wrote', setup.wrote);
  const inspector = new Inspector({ directory, records: events, drops, alert });
  const steering = new Steering({
    dir,
    desired,
    runner,
    images,
    prober,
    open: (path) => new GatewayChannel(path),
    mtu,
    drainMs: DRAIN_MS,
    eve: (gateway, lines, offset) => inspector.take(gateway, lines, offset),
    log,
  });
  steering.on('buckets', setup.onBuckets);
  steering.roster.on('gone', (member) => inspector.forget(member.id));
  const store = new RulesStore(dir);
  const supply = new RulesSupply({
    store,
    desired,
    ask: (digest) => send({ type: 'rulesWanted', digest }),
    give: (rules) => steering.setRules(rules),
    log,
  });
  const telling = new Telling({ steering, prober, desired, send, notices, alert });
  supply.look();
  steering.signal();
  return {
    get counters() {
      const parts = [steering, prober, supply, store, inspector].map((part) => part.counters);
      return Object.assign({}, ...parts, channelCounters(steering)) as Record<string, number>;
    },
    get buckets() {
      return steering.buckets;
    },
    placed: (placement) => steering.placed(placement),
    hostChanged: () => steering.signal(),
    desiredChanged() {
      supply.look();
      steering.signal();
      telling.soon();
    },
    linkOpened() {
      supply.look(true);
      telling.all();
    },
    rules: (digest, text) =>
      void supply
        .take(digest, text)
        .catch((error: unknown) => log.error({ err: error }, 'rules of the gateways could not be taken')),
    async stop() {
      telling.close();
      supply.close();
      await steering.stop();
      await prober.stop();
      inspector.close();
    },
  };
}

/** Of the channels that are there now. */
function channelCounters({ roster }: Steering): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { channel } of roster.members)
    for (const [name, count] of Object.entries(channel?.counters ?? {})) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

function mtu(bridges: readonly string[]): number {
  const of = (bridge: string): number => {
    try {
      return Number(readFileSync(`/sys/class/net/${bridge}/mtu`, 'utf8')) || ETHERNET_MTU;
    } catch {
      return ETHERNET_MTU;
    }
  };
  return Math.max(ETHERNET_MTU, ...bridges.map(of));
}
