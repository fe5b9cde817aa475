// The filter bar: the language of the CLI with completion, its mistakes explained, its terms as chips to take away.
import { Button, HelperText, HelperTextItem, Label, LabelGroup } from '@patternfly/react-core';
import FilterIcon from '@patternfly/react-icons/dist/esm/icons/filter-icon';
import TimesIcon from '@patternfly/react-icons/dist/esm/icons/times-icon';
import {
  parseFilter,
  printFilter,
  withoutTerm,
  type Filter,
  type FilterError,
  type FilterLanguage,
} from '@wocloud/protocol/filter.ts';
import { useEffect, useId, useRef, useState, type KeyboardEvent } from 'react';
import { useWords, type Key } from '../i18n/language.ts';
import { complete, type Completion, type KnownField, type KnownValues } from './completion.ts';
import './filter.css';

interface Props<F extends string> {
  language: FilterLanguage<F>;
  label: Key;
  placeholder: Key;
  query: Filter<F>;
  onQuery: (query: Filter<F>) => void;
  known: KnownValues;
}

export function FilterBar<F extends KnownField>(props: Props<F>) {
  const { language, query, onQuery, known } = props;
  const { t } = useWords();
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const label = t(props.label);
  const printed = printFilter(query, language);
  const [text, setText] = useState(printed);
  const [errors, setErrors] = useState<FilterError[]>([]);
  const [offer, setOffer] = useState<Completion | null>(null);
  const [chosen, setChosen] = useState(-1);
  // A filter changed elsewhere (a click on a cell, back) is what the bar then says.
  useEffect(() => {
    setText(printed ? `${printed} ` : '');
    setErrors([]);
  }, [printed]);

  const offerAt = (value: string) => {
    setOffer(complete(value, input.current?.selectionStart ?? value.length, known, language));
    setChosen(-1);
  };
  const apply = (value: string) => {
    const parsed = parseFilter(value, language);
    setErrors(parsed.errors);
    setOffer(null);
    if (parsed.errors.length === 0) onQuery(parsed.query);
  };
  const take = (option: Completion['options'][number]) => {
    if (!offer) return;
    const next = text.slice(0, offer.from) + option.text + text.slice(offer.to);
    setText(next);
    input.current?.focus();
    if (option.isField) {
      requestAnimationFrame(() => offerAt(next));
    } else apply(next);
  };
  const options = offer?.options ?? [];
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (!offer) return offerAt(text);
      const step = event.key === 'ArrowDown' ? 1 : -1;
      setChosen((chosen + step + options.length + 1) % (options.length + 1));
    } else if (event.key === 'Enter' || (event.key === 'Tab' && offer && chosen >= 0)) {
      event.preventDefault();
      const option = options[chosen];
      if (option) take(option);
      else apply(text);
    } else if (event.key === 'Escape' && offer) {
      event.stopPropagation();
      setOffer(null);
    }
  };
  const expanded = options.length > 0;
  return (
    <div className="filter-bar">
      <div className={`filter-box${errors.length ? ' filter-wrong' : ''}`}>
        <FilterIcon aria-hidden="true" />
        <input
          ref={input}
          role="combobox"
          aria-label={label}
          aria-expanded={expanded}
          aria-controls={`${id}-list`}
          aria-autocomplete="list"
          aria-invalid={errors.length > 0}
          aria-describedby={`${id}-errors`}
          {...(expanded && chosen >= 0 ? { 'aria-activedescendant': `${id}-${chosen}` } : {})}
          className="mono"
          placeholder={t(props.placeholder)}
          spellCheck={false}
          autoComplete="off"
          value={text}
          onChange={(e) => {
            setText(e.target.value);
            offerAt(e.target.value);
          }}
          onFocus={(e) => offerAt(e.target.value)}
          onBlur={() => setOffer(null)}
          onKeyDown={onKeyDown}
        />
        {text ? (
          <Button
            variant="plain"
            size="sm"
            icon={<TimesIcon />}
            aria-label={t('filter.clear')}
            onClick={() => onQuery({})}
          />
        ) : null}
        <ul id={`${id}-list`} role="listbox" aria-label={t('filter.suggestions')} hidden={!expanded}>
          {options.map((o, i) => (
            <li
              key={o.text}
              id={`${id}-${i}`}
              role="option"
              aria-selected={i === chosen}
              onPointerDown={(e) => {
                e.preventDefault();
                take(o);
              }}
            >
              <span className="mono">{o.text}</span>
              {o.isField ? <span className="subtle">{t(`filter.field_${o.field}`)}</span> : null}
            </li>
          ))}
        </ul>
      </div>
      <div id={`${id}-errors`} aria-live="polite">
        {errors.map((e) => (
          <HelperText key={`${e.start}${e.code}`}>
            <HelperTextItem variant="error">
              {t(`filter.${e.code}`, { value: e.value, field: e.field })}{' '}
              {e.nearest ? t('filter.nearest', { nearest: e.nearest }) : ''}
            </HelperTextItem>
          </HelperText>
        ))}
      </div>
      <Chips label={label} language={language} query={query} onQuery={onQuery} />
    </div>
  );
}

function Chips<F extends string>({
  label,
  language,
  query,
  onQuery,
}: Pick<Props<F>, 'language' | 'query' | 'onQuery'> & { label: string }) {
  const { t } = useWords();
  const terms = language.fields.flatMap((field) =>
    (query[field] ?? []).map((value): [F, string] => [field, value]),
  );
  if (terms.length === 0) return null;
  return (
    <LabelGroup numLabels={12} aria-label={label}>
      {terms.map(([field, value]) => {
        const excluded = value.startsWith('!');
        const shown = `${field}: ${excluded ? `${t('filter.not')} ` : ''}${value.replace(/^!/, '')}`;
        return (
          <Label
            key={field + value}
            isCompact
            color={excluded ? 'orangered' : 'blue'}
            closeBtnAriaLabel={t('filter.remove', { term: shown })}
            onClose={() => onQuery(withoutTerm<F>(query, field, value))}
          >
            {shown}
          </Label>
        );
      })}
    </LabelGroup>
  );
}
