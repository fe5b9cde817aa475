// The half of the platform where facts come up: hosts and their links, inventory, telemetry, flows, events, alerts.
// Made of its parts here and nowhere else.
import { join } from 'node:path';
import { openAlerts, type Alerts } from './alerts/store.ts';
import { openAuthority, type Authority } from './ca/authority.ts';
import * as ca from './ca/tokens.ts';
import type { Context } from './context.ts';
import type { Apply } from './documents/apply.ts';
import * as alertHandlers from './alerts/handlers.ts';
import * as events from './events/handlers.ts';
import { openHub, type ReadPublication } from './events/hub.ts';
import * as flows from './flows/handlers.ts';
import type { FlowBlock } from './flows/block.ts';
import { openFlowIntake } from './flows/intake.ts';
import * as gateways from './gateways/handlers.ts';
import { openGateways, type GatewayNotes } from './gateways/store.ts';
import type { Handlers } from './handler.ts';
import * as hosts from './hosts/handlers.ts';
import { watchLiveness } from './hosts/liveness.ts';
import type { Intake } from './ingest/intake.ts';
import type { InspectionBlock } from './inspection/block.ts';
import * as inspection from './inspection/handlers.ts';
import { openInspectionIntake } from './inspection/intake.ts';
import { startListener, type Listener, type ListenerDeps } from './link/listener.ts';
import type { Plans } from './link/intent.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { openTelemetry, type Telemetry } from './telemetry/store.ts';
import * as vms from './vms/handlers.ts';
import { openDirectory, type Directory } from './vms/directory.ts';

export interface FactsOptions {
  /** What hosts should be; without it nothing is sent down. */
  plans?: Plans;
  /** Writes the audit entry of a join. */
  joined?: NonNullable<ListenerDeps['joined']>;
  /** Writes what becomes of gateways into the audit log, in the surrounding transaction. */
  gatewayNotes?: GatewayNotes;
  /** Writes documents, for operations on VMs that are about theirs. */
  apply?: Apply;
  /** For the topic `publication` of event streams. */
  readPublication?: ReadPublication;
  certificateDays?: number;
  retentionDays?: number;
}

export interface Facts {
  authority: Authority;
  telemetry: Telemetry;
  directory: Directory;
  alerts: Alerts;
  flows: Intake<FlowBlock>;
  inspection: Intake<InspectionBlock>;
  listener: Listener;
  metrics: Metrics;
  handlers: Partial<Handlers>;
  /** Looks now for hosts that have gone silent and VMs that two hosts claim; else it is done every few seconds. */
  checkHosts(): Promise<void>;
  /** Ends now the event streams of those who may not read any more; else it is done every few seconds. */
  checkReaders(): Promise<void>;
  close(): Promise<void>;
}

const NO_PLANS: Plans = { current: () => undefined, onChange: () => () => undefined };

/** Starts everything; resolves when engines can join and connect. */
export async function openFacts(context: Context, options: FactsOptions = {}): Promise<Facts> {
  const { config, log } = context;
  const metrics = createMetrics();
  const authority = await openAuthority(join(config.home, 'ca'));
  const telemetry = await openTelemetry({
    url: config.clickhouseUrl,
    dir: join(config.home, 'telemetry'),
    log,
    retentionDays: options.retentionDays ?? 30,
  });
  const directory = await openDirectory(context);
  const alerts = openAlerts(context);
  const intakes = {
    flows: openFlowIntake(context, { telemetry, directory, metrics }),
    inspection: openInspectionIntake(context, { telemetry, directory, metrics }),
  };
  const liveness = watchLiveness(context, alerts);
  const listener = await startListener({
    context,
    authority,
    intakes,
    directory,
    alerts,
    metrics,
    plans: options.plans ?? NO_PLANS,
    gateways: openGateways(context, {
      alerts,
      metrics,
      notes: options.gatewayNotes ?? (() => Promise.resolve()),
    }),
    certificateDays: options.certificateDays ?? 30,
    ...(options.joined ? { joined: options.joined } : {}),
  });
  const hub = openHub(context, {
    directory,
    ...intakes,
    metrics,
    readPublication: options.readPublication,
  });
  const forgotten = context.signals.on('host', ({ host }) => {
    context.db
      .outside(() => context.db.one('SELECT 1 FROM hosts WHERE id = $1 AND forgotten', [host]))
      .then((row) => row && listener.disconnect(host, 'the host was forgotten'))
      .catch((error: unknown) => log.warn({ err: error }, 'a host could not be looked up'));
  });
  const lost = Object.values(intakes).map((intake) =>
    intake.onLost((host, count) => {
      const { stream } = intake;
      const words = stream === 'flows' ? 'Flow records' : 'Inspection events';
      context.db
        .outside(() =>
          alerts.raise({
            kind: 'records.lost',
            key: stream,
            severity: 'medium',
            title: `${words} of host ${directory.hostName(host) ?? host} were lost`,
            vm: null,
            host,
            time: Date.now() * 1000,
            count,
            evidence: { stream, lost: count },
          }),
        )
        .catch((error: unknown) => log.warn({ err: error, host, count }, 'a loss could not be alerted'));
    }),
  );
  return {
    authority,
    telemetry,
    directory,
    alerts,
    ...intakes,
    listener,
    metrics,
    handlers: {
      ...ca.handlers(context, authority),
      ...vms.handlers(context, { directory, apply: options.apply }),
      ...hosts.handlers(context),
      ...flows.handlers(context, { telemetry, directory }),
      ...inspection.handlers(context, { telemetry, directory }),
      ...gateways.handlers(context),
      ...alertHandlers.handlers(context, { directory }),
      ...events.handlers(context, { directory, hub }),
    },
    checkHosts: () => liveness.check(),
    checkReaders: () => hub.check(),
    async close() {
      liveness.close();
      forgotten();
      for (const stop of lost) stop();
      hub.close();
      await listener.close();
      for (const intake of Object.values(intakes)) await intake.close();
      directory.close();
      await telemetry.close();
    },
  };
}
