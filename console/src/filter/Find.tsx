// A field that finds by text as one types.
import { SearchInput } from '@patternfly/react-core';
import { useEffect, useState } from 'react';
import { useWords } from '../i18n/language.ts';
import './filter.css';

/** Finds as one types, without a request per letter. */
export function Find({
  value,
  onFind,
  label,
}: {
  value: string;
  onFind: (q: string) => void;
  label?: string;
}) {
  const { t } = useWords();
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = setTimeout(() => onFind(text), 250);
    return () => clearTimeout(timer);
  }, [text, value, onFind]);
  return (
    <SearchInput
      className="find"
      aria-label={label ?? t('vms.find')}
      placeholder={label ?? t('vms.find')}
      value={text}
      onChange={(_, v) => setText(v)}
      onClear={() => {
        setText('');
        onFind('');
      }}
    />
  );
}
