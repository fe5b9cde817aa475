// The rules of a rule set as a file beside its document: how many, how long, to download, to replace, to search.
import { Alert, Button, TextInput } from '@patternfly/react-core';
import DownloadIcon from '@patternfly/react-icons/dist/esm/icons/download-icon';
import { useDeferredValue, useMemo, useState } from 'react';
import { LONGEST, lineCount, whole } from '../documents/long.ts';
import { bytes, count } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { useChange, useParam } from '../screen/address.ts';
import { ChooseRules, WrongFile } from './ChooseRules.tsx';
import { countRules, findRule, nameOfFile } from './rules.ts';
import { rulesIn, withRules } from './text.ts';
import './rule-sets.css';

interface Props {
  /** The document's YAML. */
  text: string;
  name: string;
  readOnly: boolean;
  onText: (text: string) => void;
}

export function RulesFile({ text, name, readOnly, onText }: Props) {
  const { t, language } = useWords();
  const [wrong, setWrong] = useState<string | null>(null);
  const settled = useDeferredValue(text);
  const inText = useMemo(() => rulesIn(settled), [settled]);
  const rules = useMemo(() => (inText === null ? null : whole(inText)), [inText]);
  const counted = useMemo(() => (rules === null ? null : countRules(rules)), [rules]);
  const replace = (next: string, file: string) => {
    const replaced = withRules(text, next, nameOfFile(file));
    if (replaced === null) setWrong(t('ruleSets.unreadable'));
    else onText(replaced);
  };
  return (
    <section className="rules-file" aria-label={t('ruleSets.file')}>
      <div className="rules-file-head">
        <strong>{t('ruleSets.file')}</strong>
        <span role="status" data-testid="rules-summary">
          {rules !== null && counted
            ? t('ruleSets.summary', {
                lines: count(lineCount(rules), language),
                size: bytes(rules.length, language),
                on: count(counted.on, language),
                off: count(counted.off, language),
              })
            : null}
        </span>
        {rules === null ? null : (
          <Button
            variant="secondary"
            size="sm"
            icon={<DownloadIcon />}
            onClick={() => download(`${name}.rules`, rules)}
          >
            {t('ruleSets.download')}
          </Button>
        )}
        {readOnly ? null : (
          <ChooseRules
            title={t('ruleSets.replace')}
            variant="secondary"
            onRules={replace}
            onWrong={setWrong}
          />
        )}
      </div>
      {rules !== null && rules.length > LONGEST && !readOnly ? (
        <p className="subtle">{t('ruleSets.aside')}</p>
      ) : null}
      {inText !== null && rules === null ? (
        <Alert component="p" isInline variant="warning" title={t('ruleSets.lostTitle')}>
          {t('ruleSets.lost')}
        </Alert>
      ) : null}
      <WrongFile message={wrong} onClose={() => setWrong(null)} />
      {rules === null ? null : <FindRule rules={rules} />}
    </section>
  );
}

/** The rule of a number, wherever it stands among tens of thousands; the number is in the address. */
function FindRule({ rules }: { rules: string }) {
  const { t } = useWords();
  const change = useChange();
  const asked = useParam('sid');
  const [typed, setTyped] = useState(asked);
  const sid = /^[0-9]{1,10}$/.test(asked) ? Number(asked) : null;
  const found = useMemo(() => (sid === null ? null : findRule(rules, sid)), [rules, sid]);
  return (
    <>
      <form
        className="rules-find"
        onSubmit={(event) => {
          event.preventDefault();
          change({ sid: typed.trim() }, { replace: true });
        }}
      >
        <TextInput
          aria-label={t('ruleSets.sid')}
          placeholder={t('ruleSets.sid')}
          inputMode="numeric"
          value={typed}
          onChange={(_, value) => setTyped(value)}
        />
        <Button type="submit" variant="secondary">
          {t('ruleSets.look')}
        </Button>
      </form>
      <div aria-live="polite">
        {sid === null ? null : found ? (
          <figure className="rules-found" data-testid="rule">
            <figcaption>
              {t(found.on ? 'ruleSets.foundOn' : 'ruleSets.foundOff', { line: found.number })}
            </figcaption>
            <pre tabIndex={0} aria-label={t('ruleSets.file')}>
              {found.text}
            </pre>
          </figure>
        ) : (
          <p className="subtle">{t('ruleSets.notFound', { sid })}</p>
        )}
      </div>
    </>
  );
}

function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
