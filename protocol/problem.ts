// One way to say that something went wrong: problem details (RFC 9457) with a stable code.
import { Type, type Static } from 'typebox';

export const Problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  code: Type.String({ description: 'Stable, for programs: not-found, invalid-document, stale-version, …' }),
  detail: Type.String({ description: 'What happened, to what, and what to do' }),
  errors: Type.Optional(
    Type.Array(
      Type.Object({
        path: Type.String({ description: 'JSON pointer into the document' }),
        message: Type.String(),
        hint: Type.Optional(Type.String()),
        document: Type.Optional(Type.Integer({ description: 'Which document of the file, from 0' })),
        line: Type.Optional(Type.Integer()),
        column: Type.Optional(Type.Integer()),
      }),
    ),
  ),
});
export type Problem = Static<typeof Problem>;
export type ProblemDetail = NonNullable<Problem['errors']>[number];

/** Codes and their HTTP status. 404 also stands for "not yours": existence is a secret. */
export const PROBLEMS = {
  'bad-request': 400,
  'invalid-document': 422,
  unauthenticated: 401,
  'wrong-credentials': 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  'stale-version': 412,
  'too-large': 413,
  'too-many-requests': 429,
  unavailable: 503,
  internal: 500,
} as const;
export type ProblemCode = keyof typeof PROBLEMS;
