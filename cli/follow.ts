// Past and future of one kind of record as one list, for `flows -f` and its siblings: nothing is missed and nothing is
// shown twice where the two meet.
import type { Client } from '@wocloud/protocol/client.ts';
import type { ServerEvent } from '@wocloud/protocol/views.ts';
import { CliError } from './errors.ts';
import { openEvents } from './events.ts';
import { paint } from './output.ts';

type Recorded = 'flow' | 'inspection';
type DataOf<T extends Recorded> = Extract<ServerEvent, { topic: T }>['data'];

/** Prints what was, then what comes, until the person has seen enough. @throws CliError when the platform ends it */
export async function follow<T extends Recorded>(
  client: Client,
  topic: T,
  options: {
    /** What of the topic, without times. */
    query: object;
    past: () => Promise<DataOf<T>[]>;
    /** The same for the same record, listed or live. */
    key: (record: DataOf<T>) => string;
    print: (record: DataOf<T>) => void;
  },
): Promise<void> {
  const { query, past, key, print } = options;
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  try {
    // Watching begins before the past is read: between the two nothing is missed, and what is in both is shown once.
    const events = await openEvents(client, { ...query, topics: [topic] }, stop.signal);
    const before = await past();
    const shown = new Set(before.map(key));
    // A live log is in the order in which things happened, not in which they are listed.
    before.toSorted((a, b) => a.time.localeCompare(b.time)).forEach(print);
    for await (const event of events) {
      if (event.topic === topic) {
        const record = event.data as DataOf<T>;
        if (!shown.delete(key(record))) print(record);
      } else if (event.topic === 'lost')
        console.error(
          paint(`… ${event.data.count} not shown: this terminal is slower than they come`, 'yellow'),
        );
    }
    if (!stop.signal.aborted)
      throw new CliError('The platform closed the stream', 'unreachable', 'Run the command again.');
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}
