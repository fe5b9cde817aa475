// Where the platform keeps its data and where it listens: flags over environment over defaults.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { paths } from '@wocloud/protocol/paths.ts';

export interface Config {
  /** Data directory; also holds the CA, the audit anchor and the telemetry store. */
  home: string;
  /** PostgreSQL connection string, unix sockets included. */
  databaseUrl: string;
  /** Undefined: chDB in a process of its own. */
  clickhouseUrl: string | undefined;
  http: { host: string; port: number };
  /** The link listener of engines (mutual TLS). `socket`: also on this unix socket, for this host's own engine. */
  link: { host: string; port: number; socket: string | undefined };
  /** Built console; a missing folder means no console. */
  consoleDir: string;
  /** Cookies with the Secure attribute: on when browsers reach us by https. */
  secureCookies: boolean;
  /** On an empty platform make the user `admin`; its password goes to this new file (0600). */
  firstAdmin: string | undefined;
  /** /metrics asks for this bearer token when set. */
  metricsToken: string | undefined;
}

const FLAGS = {
  home: { type: 'string' },
  'database-url': { type: 'string' },
  'clickhouse-url': { type: 'string' },
  'http-host': { type: 'string' },
  'http-port': { type: 'string' },
  'link-host': { type: 'string' },
  'link-port': { type: 'string' },
  'link-socket': { type: 'string' },
  'console-dir': { type: 'string' },
  'secure-cookies': { type: 'boolean' },
  'first-admin': { type: 'string' },
} as const;

/** Reads flags (`--http-port 8080`) and environment (`WOCLOUD_HTTP_PORT`). Throws with the flag's name on a bad value. */
export function readConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Config {
  const { values } = parseArgs({ args: [...args], options: FLAGS, strict: true });
  const home = values.home ?? paths(env).home;
  const setting = (name: keyof typeof FLAGS, fallback: string): string => {
    const flag = values[name];
    return (
      (typeof flag === 'string' ? flag : undefined) ??
      env[`WOCLOUD_${name.toUpperCase().replaceAll('-', '_')}`] ??
      fallback
    );
  };
  const port = (name: 'http-port' | 'link-port', fallback: string): number => {
    const value = Number(setting(name, fallback));
    if (!Number.isInteger(value) || value < 0 || value > 65535)
      throw new Error(`--${name}: ${setting(name, fallback)} is not a port (0 to 65535)`);
    return value;
  };
  return {
    home,
    databaseUrl:
      values['database-url'] ??
      env['DATABASE_URL'] ??
      `postgresql:///wocloud?host=${encodeURIComponent(join(home, 'postgres', 'run'))}&user=wocloud`,
    clickhouseUrl: values['clickhouse-url'] ?? env['CLICKHOUSE_URL'],
    http: { host: setting('http-host', '127.0.0.1'), port: port('http-port', '8080') },
    link: {
      host: setting('link-host', '127.0.0.1'),
      port: port('link-port', '8444'),
      socket: setting('link-socket', '') || undefined,
    },
    consoleDir: setting('console-dir', join(import.meta.dirname, '..', 'console', 'dist')),
    secureCookies: values['secure-cookies'] ?? env['WOCLOUD_SECURE_COOKIES'] === '1',
    firstAdmin: setting('first-admin', '') || undefined,
    metricsToken: env['WOCLOUD_METRICS_TOKEN'] || undefined,
  };
}
