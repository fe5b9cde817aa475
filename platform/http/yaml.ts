// Documents may be sent as YAML: then every error also says the line.
import { MAX_DOCUMENT_BYTES, parseDocuments } from '@wocloud/protocol/documents.ts';
import type { FastifyInstance } from 'fastify';
import { PlatformError } from '../errors.ts';

/** The operations that take YAML, and what their body is made of. */
const BODY: Record<string, (documents: unknown[]) => unknown> = {
  'documents.apply': (documents) => ({ documents }),
};
const single = (documents: unknown[]): unknown => {
  if (documents.length === 1) return documents[0];
  throw new PlatformError('bad-request', `One document is expected here, not ${documents.length}.`);
};

class YamlText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export function acceptYaml(app: FastifyInstance): void {
  app.addContentTypeParser(
    ['application/yaml', 'application/x-yaml', 'text/yaml'],
    { parseAs: 'string' },
    (_request, text, done) => {
      // What a text of YAML expands to costs far more than JSON of that length.
      if (text.length <= MAX_DOCUMENT_BYTES) done(null, new YamlText(text as string));
      else
        done(
          new PlatformError(
            'too-large',
            `YAML is taken up to ${MAX_DOCUMENT_BYTES} characters; split the file, or send it as JSON.`,
          ),
        );
    },
  );
}

/** The body of operation `id`: YAML text becomes documents; anything else is itself. */
export function bodyOf(id: string, body: unknown): unknown {
  if (!(body instanceof YamlText)) return body;
  const shape = BODY[id] ?? (id.endsWith('.put') ? single : undefined);
  if (!shape) throw new PlatformError('bad-request', 'Send application/json here.');
  const { documents, errors } = parseDocuments(body.text);
  if (errors.length > 0)
    throw new PlatformError('invalid-document', `${errors.length} error(s); nothing was changed.`, {
      details: errors,
    });
  return shape(documents);
}
