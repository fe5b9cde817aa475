// What a noun offers: one handler per operation of the table. The HTTP layer has already authenticated the
// caller, authorised the operation and validated the input; the handler's answer is checked by the schema.
import type { BodyOf, OperationId, ParamsOf, QueryOf, ResponseOf } from '@wocloud/protocol/api.ts';
import type { User } from '@wocloud/protocol/views.ts';
import type { Readable } from 'node:stream';

/**
 * What a caller may see. `all`: everything (platform roles). Otherwise only `tenant`'s, and when `vms` is not
 * null only those VMs of it (a member's grants). What is outside does not exist: lists omit it, get is 404.
 */
export interface Scope {
  all: boolean;
  tenant: string | null;
  vms: readonly string[] | null;
}

export interface Caller {
  user: User;
  via: 'session' | 'token';
  scope: Scope;
}

export interface Call<I extends OperationId> {
  params: ParamsOf<I>;
  query: QueryOf<I>;
  body: BodyOf<I>;
  /** Version of the If-Match header. */
  ifMatch: number | undefined;
  caller: Caller;
  /** Aborts when the caller goes away. */
  signal: AbortSignal;
  /** Address the request came from. */
  ip: string;
  /** The browser session of this request, if any, and how to start (a cookie value) or end (null) one. */
  session: { id: string | null; set(cookie: string | null): void };
  /** Words for this call's audit entry: never secrets. `object` names what was acted on. */
  audit: { object: string; tenant: string | null; detail: Record<string, unknown> };
}

/** What a `raw` operation answers: bytes as they come. `contentType`: text/event-stream unless said. */
export interface RawAnswer {
  contentType?: string;
  body: Readable;
}

export type Handler<I extends OperationId> = (call: Call<I>) => Promise<ResponseOf<I>>;
export type Handlers = { [I in OperationId]: Handler<I> };
