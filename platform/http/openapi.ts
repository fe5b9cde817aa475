// OpenAPI 3.1 made from the operation table; nothing about the API is written down twice.
import { OPERATIONS, type Operation } from '@wocloud/protocol/api.ts';
import { Problem } from '@wocloud/protocol/problem.ts';

type Json = Record<string, unknown>;

/** A schema as plain JSON: TypeBox's own marks and JSON Schema ids (unique per document) left out. */
function plain(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema, (key, value: unknown) => (key === '$id' ? undefined : value)));
}

function parameters(operation: Operation): Json[] {
  const list: Json[] = [];
  for (const [place, schema] of [
    ['path', operation.params],
    ['query', operation.query],
  ] as const) {
    const { properties = {}, required = [] } = (schema ?? {}) as {
      properties?: Record<string, unknown>;
      required?: string[];
    };
    for (const [name, property] of Object.entries(properties))
      list.push({ name, in: place, required: required.includes(name), schema: plain(property) });
  }
  return list;
}

function describe(id: string, operation: Operation): Json {
  const status = String(operation.status ?? 200);
  const type = operation.raw ? 'text/event-stream' : 'application/json';
  const content = status === '204' ? {} : { content: { [type]: { schema: plain(operation.response) } } };
  return {
    operationId: id,
    tags: [id.split('.')[0]],
    summary: operation.summary,
    description: operation.permission ? `Permission: \`${operation.permission}\`` : 'Open to everybody.',
    parameters: parameters(operation),
    ...(operation.body
      ? {
          requestBody: { required: true, content: { 'application/json': { schema: plain(operation.body) } } },
        }
      : {}),
    responses: {
      [status]: { description: 'Success', ...content },
      default: { $ref: '#/components/responses/Problem' },
    },
    ...(operation.permission === null ? { security: [] } : {}),
  };
}

/** The whole description, keys in the table's order. */
export function openapi(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const [id, operation] of Object.entries(OPERATIONS) as [string, Operation][]) {
    const path = operation.path.replace(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[operation.method.toLowerCase()] = describe(id, operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Wocloud',
      version,
      description: 'Security for KVM clouds: see every flow between VMs, control it, and prove it.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { session: [], csrf: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'woc_<id>_<secret>' },
        session: { type: 'apiKey', in: 'cookie', name: 'woc_session' },
        csrf: { type: 'apiKey', in: 'header', name: 'x-csrf-token' },
      },
      responses: {
        Problem: {
          description: 'What went wrong (RFC 9457)',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
      schemas: { Problem: plain(Problem) },
    },
  };
}
