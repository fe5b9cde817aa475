// What every noun of the platform stands on. Made once in main.ts (or by a test) and handed down.
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { Database } from './database/database.ts';
import type { Signals } from './signals.ts';

export interface Context {
  db: Database;
  signals: Signals;
  log: Logger;
  config: Config;
  now(): Date;
}
