// The API client that the CLI, the console and the tests share: typed from the operation table, on fetch.
import {
  OPERATIONS,
  type BodyOf,
  type Operation,
  type OperationId,
  type ParamsOf,
  type QueryOf,
  type ResponseOf,
} from './api.ts';
import type { Problem } from './problem.ts';
import type { Session } from './views.ts';

/** An answer that was not a success, as the platform explained it. */
export class ApiError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.detail || problem.title, options);
    this.problem = problem;
  }
  get code(): string {
    return this.problem.code;
  }
}

export interface CallInput<I extends OperationId> {
  params?: ParamsOf<I>;
  query?: QueryOf<I>;
  body?: BodyOf<I>;
  /** Version that a write is based on; refused as stale-version when it moved on. */
  ifMatch?: number;
  signal?: AbortSignal;
}

export interface ClientOptions {
  /** Origin of the platform, no trailing slash; '' in a browser. */
  baseUrl: string;
  token?: string;
  /** CSRF token of a cookie session. */
  csrf?: () => string | undefined;
  fetch?: typeof fetch;
}

export interface Client {
  call<I extends OperationId>(id: I, input?: CallInput<I>): Promise<ResponseOf<I>>;
  /** The request as it would be sent: for event streams and raw answers. */
  request(id: OperationId, input?: CallInput<OperationId>): { url: string; init: RequestInit };
}

/** Path and query of an operation: `:name` filled and encoded, arrays repeated, undefined left out. */
export function operationUrl(operation: Operation, params: object = {}, query: object = {}): string {
  const values = params as Record<string, unknown>;
  const path = operation.path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(String(values[key])));
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(key, String(one));
  }
  const tail = search.toString();
  return tail ? `${path}?${tail}` : path;
}

/** Makes a client. `call` throws ApiError with the platform's problem, or with code `unreachable`. */
export function createClient(options: ClientOptions): Client {
  const request: Client['request'] = (id, input = {}) => {
    const operation: Operation = OPERATIONS[id];
    const headers: Record<string, string> = { accept: operation.raw ? '*/*' : 'application/json' };
    if (options.token) headers['authorization'] = `Bearer ${options.token}`;
    const csrf = operation.method === 'GET' ? undefined : options.csrf?.();
    if (csrf) headers['x-csrf-token'] = csrf;
    if (input.ifMatch !== undefined) headers['if-match'] = `"${input.ifMatch}"`;
    if (input.body !== undefined) headers['content-type'] = 'application/json';
    return {
      url: options.baseUrl + operationUrl(operation, input.params ?? {}, input.query ?? {}),
      init: {
        method: operation.method,
        headers,
        ...(input.body === undefined ? {} : { body: JSON.stringify(input.body) }),
        ...(input.signal ? { signal: input.signal } : {}),
      },
    };
  };
  return {
    request,
    async call(id, input) {
      const { url, init } = request(id, input);
      let response: Response;
      try {
        response = await (options.fetch ?? fetch)(url, init);
      } catch (cause) {
        if ((cause as Error).name === 'AbortError') throw cause;
        throw new ApiError(
          {
            type: 'about:blank',
            title: 'Unreachable',
            status: 0,
            code: 'unreachable',
            detail: `No answer from ${options.baseUrl || 'the platform'}: ${(cause as Error).message}`,
          },
          { cause },
        );
      }
      if (!response.ok) throw new ApiError(await readProblem(response));
      return (response.status === 204 ? null : await response.json()) as never;
    },
  };
}

/**
 * Opens a session with a password, for programs: a browser keeps cookies by itself.
 * @throws ApiError wrong-credentials, unreachable, …
 */
export async function signIn(
  baseUrl: string,
  name: string,
  password: string,
): Promise<{ client: Client; session: Session }> {
  let cookie = '';
  const anonymous = createClient({
    baseUrl,
    fetch: async (input, options) => {
      const response = await fetch(input, options);
      cookie = response.headers
        .getSetCookie()
        .map((c) => c.split(';')[0])
        .join('; ');
      return response;
    },
  });
  const session = await anonymous.call('session.create', { body: { name, password } });
  const client = createClient({
    baseUrl,
    csrf: () => session.csrf,
    fetch: (input, options) =>
      fetch(input, { ...options, headers: { ...(options?.headers as Record<string, string>), cookie } }),
  });
  return { client, session };
}

/** The problem of a failed answer, also when something else than the platform answered. */
export async function readProblem(response: Response): Promise<Problem> {
  const body = await response.text();
  try {
    const value = JSON.parse(body) as Partial<Problem>;
    if (typeof value.code === 'string') return value as Problem;
  } catch {
    // Not JSON: a proxy's page, say. What follows describes the status alone.
  }
  return {
    type: 'about:blank',
    title: response.statusText,
    status: response.status,
    code: 'unexpected-answer',
    detail: `HTTP ${response.status} from ${response.url}`,
  };
}
