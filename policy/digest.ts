// Short stable names for content: the same text gives the same name on every machine.
import { createHash } from 'node:crypto';

/** 16 hex digits. */
export const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);
