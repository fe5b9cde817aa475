// Finds anything by name, address or id, and screens by name; Enter opens.
import { Modal, ModalBody, ModalHeader, TextInput } from '@patternfly/react-core';
import { useDeferredValue, useEffect, useId, useState, type KeyboardEvent } from 'react';
import { useNavigate } from 'react-router';
import { useCall } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { changed, useAddress } from '../screen/address.ts';
import { Failure } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { quoted } from '../screen/quoted.ts';
import { hitAddress } from './hits.ts';
import type { Place } from './places.ts';

interface Item {
  key: string;
  name: string;
  kind: string;
  detail: string;
  to: { path: string; panel: string | null };
}

export default function SearchDialog({ places, onClose }: { places: readonly Place[]; onClose: () => void }) {
  const { t } = useWords();
  const [text, setText] = useState('');
  const q = useDeferredValue(text.trim());
  const [chosen, setChosen] = useState(0);
  const id = useId();
  const navigate = useNavigate();
  const address = useAddress();
  const found = useCall('search.get', { query: { q } }, { enabled: q !== '', keep: true });
  useEffect(() => setChosen(0), [q]);
  const lower = q.toLowerCase();
  const items: Item[] = [
    ...places
      .filter((p) => lower && t(p.name).toLowerCase().includes(lower))
      .map((p) => ({
        key: p.path,
        name: t(p.name),
        kind: t('shell.screens'),
        detail: '',
        to: { path: p.path, panel: null },
      })),
    ...(q ? (found.data?.items ?? []) : []).map((h) => ({
      key: `${h.kind}/${h.id}`,
      name: h.name,
      kind: h.kind,
      detail: [h.tenant, h.detail].filter(Boolean).join(' · '),
      to: hitAddress(h),
    })),
  ];
  const go = (item: Item | undefined) => {
    if (!item) return;
    onClose();
    void navigate(address(item.to.path) + (item.to.panel ? changed('', { panel: item.to.panel }) : ''));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setChosen((chosen + step + items.length) % Math.max(1, items.length));
    } else if (event.key === 'Enter') {
      event.preventDefault();
      go(items[chosen]);
    }
  };
  return (
    <Modal isOpen variant="medium" position="top" onClose={onClose} aria-labelledby={`${id}-title`}>
      <ModalHeader title={t('shell.searchLabel')} labelId={`${id}-title`} />
      <ModalBody>
        <TextInput
          autoFocus
          type="search"
          role="combobox"
          aria-expanded={items.length > 0}
          aria-controls={`${id}-hits`}
          aria-label={t('shell.searchLabel')}
          {...(items.length ? { 'aria-activedescendant': `${id}-${chosen}` } : {})}
          placeholder={t('shell.searchPlaceholder')}
          value={text}
          onChange={(_, value) => setText(value)}
          onKeyDown={onKeyDown}
        />
        <ul id={`${id}-hits`} role="listbox" aria-label={t('shell.objects')} className="hits">
          {items.map((item, i) => (
            <li
              key={item.key}
              id={`${id}-${i}`}
              role="option"
              aria-selected={i === chosen}
              onClick={() => go(item)}
              onPointerMove={() => setChosen(i)}
            >
              <span className="hit-kind">{item.kind}</span>
              <strong>{item.name}</strong>
              <span className="subtle mono">{item.detail}</span>
            </li>
          ))}
        </ul>
        <p className="subtle" aria-live="polite">
          {q && found.data && items.length === 0 ? t('shell.searchEmpty', { q }) : t('shell.searchHelp')}
        </p>
        {q ? <Cli command={`wocloud search ${quoted(q)}`} /> : null}
        {found.error ? <Failure error={found.error} retry={() => void found.refetch()} /> : null}
      </ModalBody>
    </Modal>
  );
}
