// Chooses the console's time range: an age that ends now, or two instants; and steps through time.
import {
  Button,
  Divider,
  Dropdown,
  DropdownItem,
  DropdownList,
  Form,
  FormGroup,
  MenuToggle,
  Popover,
} from '@patternfly/react-core';
import AngleLeftIcon from '@patternfly/react-icons/dist/esm/icons/angle-left-icon';
import AngleRightIcon from '@patternfly/react-icons/dist/esm/icons/angle-right-icon';
import CalendarAltIcon from '@patternfly/react-icons/dist/esm/icons/calendar-alt-icon';
import OutlinedClockIcon from '@patternfly/react-icons/dist/esm/icons/outlined-clock-icon';
import { useState } from 'react';
import { useWords, type Key } from '../i18n/language.ts';
import { clock } from '../format/moment.ts';
import {
  PRESETS,
  fixedRange,
  isLive,
  resolveRange,
  shiftRange,
  widenRange,
  type TimeRange,
} from './range.ts';
import { useRange } from './useRange.ts';
import './time.css';

/** The range in words. */
export function useRangeName(range: TimeRange): string {
  const { t, language } = useWords();
  if (range.until === null && (PRESETS as readonly string[]).includes(range.since))
    return t(`time.last${range.since}` as Key);
  const { from, to } = resolveRange(range, Date.now());
  if (range.until === null && !range.since.includes('-')) return t('time.lastOther', { age: range.since });
  return `${clock(from, Date.now(), language)} – ${clock(to, Date.now(), language)}`;
}

export function TimePicker() {
  const { t } = useWords();
  const [range, setRange] = useRange();
  const [open, setOpen] = useState(false);
  const name = useRangeName(range);
  const choose = (next: TimeRange) => {
    setRange(next);
    setOpen(false);
  };
  return (
    <div className="time-picker" role="group" aria-label={t('time.range')}>
      <Button
        variant="plain"
        className="time-step"
        aria-label={t('time.earlier')}
        icon={<AngleLeftIcon />}
        onClick={() => setRange(shiftRange(range, -0.5, Date.now()))}
      />
      <Dropdown
        isOpen={open}
        onOpenChange={setOpen}
        toggle={(ref) => (
          <MenuToggle ref={ref} isExpanded={open} onClick={() => setOpen(!open)} icon={<OutlinedClockIcon />}>
            {name}
          </MenuToggle>
        )}
      >
        <DropdownList>
          {PRESETS.map((p) => (
            <DropdownItem
              key={p}
              isSelected={range.since === p}
              onClick={() => choose({ since: p, until: null })}
            >
              {t(`time.last${p}`)}
            </DropdownItem>
          ))}
          <Divider key="divider" />
          <DropdownItem key="wider" onClick={() => choose(widenRange(range, Date.now()))}>
            {t('time.wider')}
          </DropdownItem>
        </DropdownList>
      </Dropdown>
      <Button
        variant="plain"
        className="time-step"
        aria-label={t('time.later')}
        icon={<AngleRightIcon />}
        isDisabled={isLive(range)}
        onClick={() => setRange(shiftRange(range, 0.5, Date.now()))}
      />
      <CustomRange range={range} setRange={setRange} />
      {isLive(range) ? null : (
        <Button variant="link" isInline onClick={() => setRange({ since: '1h', until: null })}>
          {t('time.toNow')}
        </Button>
      )}
    </div>
  );
}

function CustomRange({ range, setRange }: { range: TimeRange; setRange: (range: TimeRange) => void }) {
  const { t } = useWords();
  const now = Date.now();
  const { from, to } = resolveRange(range, now);
  const [low, setLow] = useState('');
  const [high, setHigh] = useState('');
  const ready = low !== '' && high !== '' && Date.parse(low) < Date.parse(high);
  return (
    <Popover
      headerContent={t('time.custom')}
      onShow={() => {
        setLow(localInput(from));
        setHigh(localInput(to));
      }}
      bodyContent={(hide) => (
        <Form
          onSubmit={(event) => {
            event.preventDefault();
            if (!ready) return;
            setRange(fixedRange(Date.parse(low), Date.parse(high)));
            hide();
          }}
        >
          <FormGroup label={t('time.from')} fieldId="range-from">
            <input
              id="range-from"
              className="time-input"
              type="datetime-local"
              step={1}
              value={low}
              onChange={(e) => setLow(e.target.value)}
            />
          </FormGroup>
          <FormGroup label={t('time.to')} fieldId="range-to">
            <input
              id="range-to"
              className="time-input"
              type="datetime-local"
              step={1}
              value={high}
              onChange={(e) => setHigh(e.target.value)}
            />
          </FormGroup>
          <Button type="submit" isDisabled={!ready}>
            {t('time.apply')}
          </Button>
        </Form>
      )}
    >
      <Button variant="plain" aria-label={t('time.custom')} icon={<CalendarAltIcon />} />
    </Popover>
  );
}

/** An instant as a datetime-local field writes it, in the browser's own zone. */
function localInput(ms: number): string {
  const d = new Date(ms);
  return new Date(ms - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
