// All parts of an engine, wired: libvirt and the kernel on one side, the platform on the other. Reads from top to bottom.
import { mkdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { Session } from '@wocloud/libvirt/session.ts';
import { liveFlowsFile } from '@wocloud/protocol/paths.ts';
import type { Logger } from 'pino';
import { EngineError } from './errors.ts';
import { DesiredStore } from './filter/desired-store.ts';
import { DriftWatch } from './filter/drift.ts';
import { Enforcer } from './filter/enforcer.ts';
import { Kernel } from './filter/kernel.ts';
import { Nft } from './filter/nft.ts';
import { Slots } from './filter/slots.ts';
import { Switches } from './filter/switches.ts';
import { NftWatch } from './filter/watch.ts';
import { startFlows, type Flows } from './flows/flows.ts';
import { RoutedNics } from './flows/routes.ts';
import { Images } from './gateways/images.ts';
import { gatewaysDir } from './gateways/places.ts';
import { openRunners } from './gateways/runners.ts';
import { Facts } from './health/facts.ts';
import { HealthReport } from './health/health.ts';
import { AddressBook } from './inventory/addresses.ts';
import { AddressSources } from './inventory/address-sources.ts';
import { Inventory } from './inventory/inventory.ts';
import { LinkWatch } from './inventory/link-watch.ts';
import { nicFacts } from './inventory/observed.ts';
import { Reporter } from './inventory/reporter.ts';
import { Limits } from './limits/limits.ts';
import { Link } from './link/link.ts';
import type { Identity } from './link/identity.ts';
import { LiveDirectory } from './live-directory.ts';
import type { Options } from './options.ts';
import { startSteering } from './steering/start.ts';

const LINKS_EVERY_MS = 50;
const RESYNC_EVERY_MS = 60_000;
const TELL_ALL_EVERY_MS = 300_000;
/** Without libvirt, taps are known by their MACs alone; worth doing only when libvirt does not come. */
const WITHOUT_LIBVIRT_MS = 10_000;
const LIBVIRT_GRACE_MS = 5_000;
/** A snooped address that is not confirmed for this long is forgotten. */
const SNOOPED_MS = 24 * 3_600_000;

export interface Engine {
  /** Stops; what stands in the kernel goes on standing. */
  stop(): Promise<void>;
}

/** Starts everything. Throws EngineError when this host cannot do what is needed. */
export async function startEngine(options: Options, identity: Identity, log: Logger): Promise<Engine> {
  const { platform, state: dir } = options;
  if (platform === undefined) throw new EngineError('option', '--platform is missing');

  const session = new Session({
    target: { unix: options.libvirt },
    events: [
      'domain-lifecycle',
      'domain-device-added',
      'domain-device-removed',
      'domain-agent-lifecycle',
      'domain-metadata-change',
      'network-lifecycle',
    ],
    backoff: { minMs: 100, maxMs: 2_000 },
  });
  const inventory = new Inventory(session, log);
  const book = new AddressBook();
  const facts = new Facts(session);
  const health = new HealthReport();

  const slots = new Slots(join(dir, 'slots.json'));
  const directory = new LiveDirectory((slot) => slots.rule(slot));
  const desired = new DesiredStore(join(dir, 'desired.json'), (error) =>
    log.error({ err: error }, 'the desired state cannot be kept on disk'),
  );
  directory.setState(desired.state);

  const nft = new Nft();
  const watch = new NftWatch();
  const kernel = new Kernel(nft, watch);
  const routed = new RoutedNics(directory);
  let flows: Flows | undefined;

  const link = new Link({
    endpoint: platform,
    identity,
    dir,
    spoolBytes: options.spoolBytes,
    generation: () => enforcer.generation,
    facts: () => facts.get(),
    health: () => health.report(),
    log: log.child({ part: 'link' }),
  });
  const alert = (raised: Parameters<typeof link.alerts.raise>[0]) => link.alerts.raise(raised);
  const tellFacts = () => link.send({ type: 'facts', facts: facts.get() });

  const limits = new Limits({
    bridges: () => inventory.bridges,
    onNotices: (notices) => {
      if (facts.notice('limits', notices)) tellFacts();
    },
    log: log.child({ part: 'limits' }),
  });
  const images = new Images();
  const steering = startSteering({
    dir,
    desired: () => desired.state,
    directory,
    runner: openRunners({ libvirt: session, dir: gatewaysDir(dir), images }),
    images: () => images.versions(),
    send: (message) => link.send(message),
    notices: (notices) => {
      if (facts.notice('gateways', notices)) tellFacts();
    },
    alert: (raised) => alert(raised),
    events: (rows, lost) => link.records('inspection', rows as never, lost),
    drops: (records) => link.records('flows', records as never),
    onBuckets: () => enforcer.signal(),
    wrote: (generations) => kernel.own(generations),
    log: log.child({ part: 'steering' }),
  });

  const enforcer: Enforcer = new Enforcer({
    dir,
    kernel,
    switches: new Switches(join(dir, 'switches.json')),
    slots,
    desired,
    inventory,
    directory,
    ends: {
      routed: (ip) => routed.byAddress(ip),
      get own() {
        return new Set(
          Object.values(networkInterfaces()).flatMap((list) => list?.map((a) => a.address) ?? []),
        );
      },
    },
    bridgedFrames: options.bridgedFrames,
    buckets: () => steering.buckets,
    onPlaced: (placement) => {
      steering.placed(placement);
      limits.placed(placement);
    },
    identity: () => ({ host: link.identity.host, key: link.identity.key }),
    onReceipt: (receipt) => link.send({ type: 'receipt', receipt }),
    // What is enforced is no longer observed, and the other way round.
    underWay: async () => (await flows?.underWay()) ?? [],
    onBridges: () => {
      flows
        ?.reconcile()
        .catch((error: unknown) => log.warn({ err: error }, 'bridges cannot be observed now'));
    },
    onProtection: () => reporter.changed(inventory.vms.keys()),
    onNotices: (notices) => {
      if (facts.notice('foreign-firewall', notices)) tellFacts();
    },
    onTurned: (paths) =>
      alert({
        kind: 'firewall.drift',
        key: 'switches',
        severity: 'high',
        title: 'Someone turned back kernel switches that enforcing needs; they were set again',
        vm: null,
        evidence: { switches: paths.join(', ') },
      }),
    log: log.child({ part: 'filter' }),
  });
  const refresh = () => directory.setFacts(nicFacts(inventory.vms.values(), (mac) => book.of(mac)));
  const addressesChanged = (macs: ReadonlySet<string>) => {
    refresh();
    reporter.changed(inventory.vmsWith(macs));
  };
  const sources = new AddressSources(
    session,
    { unix: options.libvirt },
    inventory,
    book,
    addressesChanged,
    log,
  );
  const reporter: Reporter = new Reporter(
    inventory,
    book,
    (nic) => enforcer.protectionOf(nic),
    (message) => link.send(message),
  );
  const drift = new DriftWatch({ enforcer, kernel, watch, alert, log: log.child({ part: 'filter' }) });

  const changed = () => {
    refresh();
    enforcer.signal();
    steering.hostChanged();
  };
  inventory.on('vm', changed).on('gone', changed).on('resynced', changed);

  const desiredChanged = () => {
    directory.setState(desired.state);
    enforcer.signal(performance.now());
    steering.desiredChanged();
  };
  link.on('desired', (state) => {
    if (!desired.set(state))
      return log.warn(
        { ours: desired.state.generation, theirs: state.generation },
        'an older desired state was refused',
      );
    desiredChanged();
  });
  link.on('delta', (delta) => {
    if (!desired.change(delta)) return link.hello();
    desiredChanged();
  });
  link.on('open', () => {
    reporter.all();
    steering.linkOpened();
    if (enforcer.receipt) link.send({ type: 'receipt', receipt: enforcer.receipt });
  });
  link.on('rules', (digest, text) => steering.rules(digest, text));
  link.on(
    'resync',
    () =>
      void inventory.resync().then(
        () => reporter.all(),
        () => {},
      ),
  );

  const libvirt = watchLibvirt(session, alert, tellFacts, log);
  session.on('connected', () => void facts.refresh().then(tellFacts, () => {}));
  session.on('reconnected', () => void facts.refresh().then(tellFacts, () => {}));

  flows = await startFlows({
    directory,
    emit: (records) => link.records('flows', records as never),
    alert: (raised) => alert(raised),
    learned: (mac, ip) => {
      if (inventory.vmsWith(new Set([mac])).length > 0 && book.learn(mac, ip, 'snooped', SNOOPED_MS))
        addressesChanged(new Set([mac]));
    },
    observeBridges: () => {
      const { bridges } = enforcer;
      // Before the first round it is not known what is enforced: nothing is seen twice meanwhile.
      return bridges ? [...inventory.bridges.bridges.keys()].filter((bridge) => !bridges.has(bridge)) : [];
    },
    log: log.child({ part: 'flows' }),
    tableFile: liveFlows(dir),
  });

  for (const part of [session, inventory, sources, nft, enforcer, drift, limits, flows, steering])
    health.add(() => part.counters as never);
  health.add(() => ({ ...link.counters, ...desired.counters, 'addresses.overflows': book.overflows }));

  const links = new LinkWatch();
  const timers = [
    setInterval(() => {
      if (links.poll()) void inventory.refreshBridges().then(changed, () => {});
    }, LINKS_EVERY_MS),
    setInterval(() => {
      if (session.isConnected) void inventory.resync().catch(() => {});
      const expired = book.expire();
      if (expired.length > 0) addressesChanged(new Set(expired));
    }, RESYNC_EVERY_MS),
    setInterval(() => reporter.all(), TELL_ALL_EVERY_MS),
  ];
  const without = setTimeout(() => {
    if (!inventory.isKnown) void inventory.withoutLibvirt().then(changed, () => {});
  }, WITHOUT_LIBVIRT_MS);

  session.start();
  sources.start();
  link.start();
  return {
    async stop() {
      for (const timer of timers) clearInterval(timer);
      clearTimeout(without);
      libvirt.stop();
      links.close();
      await drift.close();
      await enforcer.close();
      await steering.stop();
      await limits.close();
      await sources.stop();
      await flows?.stop();
      await link.close();
      await session.close();
      await desired.close();
      routed.close();
      await nft.close();
      kernel.close();
      watch.close();
    },
  };
}

function liveFlows(dir: string): string {
  const file = liveFlowsFile(dir);
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
  return file;
}

/** A libvirt that is away for longer than a restart takes is told. */
function watchLibvirt(
  session: Session,
  alert: Link['alerts']['raise'],
  tellFacts: () => void,
  log: Logger,
): { stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const away = (reason: string) => {
    tellFacts();
    timer ??= setTimeout(() => {
      log.warn({ reason }, 'libvirt is away');
      alert({
        kind: 'libvirt.down',
        key: 'libvirt',
        severity: 'high',
        title:
          'libvirt does not answer on this host: changes of VMs are not seen; the rules that stand go on standing',
        vm: null,
        evidence: { reason },
      });
    }, LIBVIRT_GRACE_MS);
  };
  const back = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  session.on('disconnected', (reason) => away(reason.message));
  session.on('retry', (reason) => away(reason.message));
  session.on('connected', back);
  session.on('reconnected', back);
  return { stop: back };
}
