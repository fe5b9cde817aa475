// Input against the operation's schemas. Query strings are text and are coerced; bodies are not.
import Ajv, { type ErrorObject, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import type { TSchema } from 'typebox';
import { nearest } from '@wocloud/protocol/documents.ts';
import type { ProblemDetail } from '@wocloud/protocol/problem.ts';
import { PlatformError } from '../errors.ts';

const options = { allErrors: false, strict: false, useDefaults: true, validateFormats: true } as const;
const strict = addFormats.default(new Ajv.default(options));
const coercing = addFormats.default(new Ajv.default({ ...options, coerceTypes: 'array' }));

export type Part = 'params' | 'query' | 'body';

/** A validator that throws bad-request with the path of each error. Defaults are filled in place. */
export function validatorFor(part: Part, schema: TSchema): (value: unknown) => void {
  const check: ValidateFunction = (part === 'body' ? strict : coercing).compile(schema);
  return (value) => {
    if (check(value)) return;
    const details = (check.errors ?? []).map((e) => detailOf(e, schema));
    const first = details[0];
    const where = first?.path ? `${part} ${first.path}` : part;
    throw new PlatformError('bad-request', `${where}: ${first?.message ?? 'is not valid'}`, { details });
  };
}

function detailOf(error: ErrorObject, schema: TSchema): ProblemDetail {
  const { keyword, params, instancePath: path } = error;
  if (keyword === 'additionalProperties') {
    const name = String(params['additionalProperty']);
    const known = Object.keys((schema as { properties?: object }).properties ?? {});
    const hint = path === '' ? nearest(name, known) : undefined;
    return {
      path: `${path}/${name}`,
      message: `${name} is not known here${path === '' && known.length ? `; known: ${known.join(', ')}` : ''}`,
      ...(hint ? { hint: `did you mean ${hint}?` } : {}),
    };
  }
  if (keyword === 'required') return { path, message: `missing: ${String(params['missingProperty'])}` };
  if (keyword === 'enum')
    return { path, message: `must be one of ${(params['allowedValues'] as unknown[]).join(', ')}` };
  return { path, message: error.message ?? keyword };
}
