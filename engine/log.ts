// One logger: JSON lines on standard error, or readable ones when a person looks on.
import { pino, type Logger } from 'pino';

export const openLog = (level: string): Logger =>
  pino({ level, base: null }, pino.destination({ fd: 2, sync: true }));
