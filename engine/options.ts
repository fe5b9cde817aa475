// What an engine is told when it starts: flags over configuration file over defaults, checked before anything is touched.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { paths } from '@wocloud/protocol/paths.ts';
import { parse } from 'yaml';
import { EngineError } from './errors.ts';
import { parseEndpoint, type Endpoint } from './link/endpoint.ts';
import { readStateFile } from './state-file.ts';

/** `observe`: where other firewalls would drop bridged frames, protection waits. `accept`: rules of ours let them pass there. */
export type BridgedFrames = 'observe' | 'accept';

export interface Options {
  /** Undefined with `remove` only. */
  platform: Endpoint | undefined;
  joinTokenFile: string | undefined;
  state: string;
  libvirt: string;
  logLevel: string;
  hostname: string;
  bridgedFrames: BridgedFrames;
  spoolBytes: number;
  /** Take everything of ours away from the kernel, and end. */
  remove: boolean;
  help: boolean;
}

export const USAGE = `Usage: engine --platform https://host:port|unix:/path/link.sock [options]

  --platform ADDRESS       where the platform's link listens
  --join-token-file FILE   a one-time token, needed once
  --state DIR              key, certificate, desired state, spool (default $WOCLOUD_HOME/engine)
  --libvirt SOCKET         libvirt's socket (default /run/libvirt/libvirt-sock)
  --bridged-frames MODE    observe (default): where other firewalls would drop bridged frames, VMs stay observed;
                           accept: insert rules of ours there that let them pass
  --spool-mib N            room for records while the platform is away (default 256)
  --config FILE            YAML with the same names (default /etc/wocloud/engine.yaml, or $WOCLOUD_HOME/engine.yaml)
  --hostname NAME          how the platform shall call this host (default: its name)
  --log-level LEVEL        trace, debug, info (default), warn, error, fatal
  --remove                 take all rules and settings of ours away from the kernel, and end
`;

const FLAGS = {
  platform: { type: 'string' },
  'join-token-file': { type: 'string' },
  state: { type: 'string' },
  libvirt: { type: 'string' },
  'bridged-frames': { type: 'string' },
  'spool-mib': { type: 'string' },
  config: { type: 'string' },
  hostname: { type: 'string' },
  'log-level': { type: 'string' },
  remove: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;
const IN_FILE = [
  'platform',
  'join-token-file',
  'state',
  'libvirt',
  'bridged-frames',
  'spool-mib',
  'hostname',
  'log-level',
];
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Throws EngineError `option` with the flag's name. */
export function readOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Options {
  let values: Record<string, string | boolean | undefined>;
  try {
    values = parseArgs({ args: [...args], options: FLAGS, strict: true }).values;
  } catch (cause) {
    throw new EngineError('option', `${(cause as Error).message}\n\n${USAGE}`, { cause });
  }
  const home = env['WOCLOUD_HOME'];
  const file = readConfig(values['config'] as string | undefined, home);
  const text = (name: string, fallback: string): string => String(values[name] ?? file[name] ?? fallback);
  const oneOf = <T extends string>(name: string, allowed: readonly T[], fallback: T): T => {
    const value = text(name, fallback);
    if (!(allowed as readonly string[]).includes(value))
      throw new EngineError('option', `--${name} ${value}: expected one of ${allowed.join(', ')}`);
    return value as T;
  };
  const mib = Number(text('spool-mib', '256'));
  if (!Number.isInteger(mib) || mib < 16 || mib > 1 << 20)
    throw new EngineError(
      'option',
      `--spool-mib ${text('spool-mib', '')}: expected a number of MiB, 16 at least`,
    );
  const platform = text('platform', '');
  const remove = values['remove'] === true;
  const help = values['help'] === true;
  if (platform === '' && !remove && !help)
    throw new EngineError('option', `--platform is missing: where is the platform?\n\n${USAGE}`);
  return {
    platform: platform === '' ? undefined : parseEndpoint(platform),
    joinTokenFile: text('join-token-file', '') || undefined,
    state: text('state', join(paths(env).home, 'engine')),
    libvirt: text('libvirt', '/run/libvirt/libvirt-sock'),
    logLevel: oneOf('log-level', LEVELS, 'info'),
    hostname: text('hostname', hostname()),
    bridgedFrames: oneOf('bridged-frames', ['observe', 'accept'], 'observe'),
    spoolBytes: mib * 1024 * 1024,
    remove,
    help,
  };
}

function readConfig(path: string | undefined, home: string | undefined): Record<string, unknown> {
  const file = path ?? (home === undefined ? '/etc/wocloud/engine.yaml' : join(home, 'engine.yaml'));
  const content = readStateFile(file);
  if (content === undefined) {
    if (path === undefined) return {};
    throw new EngineError('option', `--config ${path}: there is no such file`);
  }
  let value: unknown;
  try {
    value = parse(content) ?? {};
  } catch (cause) {
    throw new EngineError('option', `${file}: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new EngineError('option', `${file}: expected names and values`);
  for (const key of Object.keys(value))
    if (!IN_FILE.includes(key))
      throw new EngineError('option', `${file}: ${key} is no setting; settings are ${IN_FILE.join(', ')}`);
  return value as Record<string, unknown>;
}
