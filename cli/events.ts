// Server-sent events by fetch: the live side of `flows -f` and `status --wait`.
import type { Client } from '@wocloud/protocol/client.ts';
import { readProblem, ApiError } from '@wocloud/protocol/client.ts';
import type { ServerEvent } from '@wocloud/protocol/views.ts';

/** Bytes of an event stream → events. Comments and unknown fields are skipped (HTML standard, 9.2.6). */
export async function* parseEvents(stream: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      let topic = '';
      let data = '';
      for (const line of block.split(/\r?\n/)) {
        if (line.startsWith('event:')) topic = line.slice(6).trim();
        else if (line.startsWith('data:')) data += line.slice(5);
      }
      if (topic && data) yield { topic, data: JSON.parse(data) } as ServerEvent;
    }
  }
}

/**
 * Opens the event stream; resolves when the platform has begun to watch, so that what is asked for afterwards leaves
 * no gap. Ends when the server closes it or `signal` aborts.
 */
export async function openEvents(
  client: Client,
  query: object,
  signal: AbortSignal,
): Promise<AsyncGenerator<ServerEvent>> {
  const { url, init } = client.request('events.stream', { query, signal });
  const response = await fetch(url, { ...init, signal });
  if (!response.ok || !response.body) throw new ApiError(await readProblem(response));
  return parseEvents(response.body);
}
