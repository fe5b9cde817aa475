// Stands in for typebox/compile in the browser: the same checks by interpretation, for a page whose security policy
// forbids making code out of text must not even try.
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';

export function Compile(schema: TSchema) {
  return {
    Check: (value: unknown) => Value.Check(schema, value),
    Errors: (value: unknown) => Value.Errors(schema, value),
  };
}
