// Chooses one value to filter by, or all.
import { FormSelect, FormSelectOption } from '@patternfly/react-core';
import './filter.css';

interface ChoiceProps {
  label: string;
  /** What no choice is called; without it one must be chosen. */
  all?: string;
  value: string;
  options: readonly (readonly [value: string, name: string])[];
  onChoose: (value: string) => void;
}

export function Choice({ label, all, value, options, onChoose }: ChoiceProps) {
  return (
    <FormSelect className="choice" aria-label={label} value={value} onChange={(_, v) => onChoose(v)}>
      {all === undefined ? null : <FormSelectOption value="" label={all} />}
      {options.map(([v, name]) => (
        <FormSelectOption key={v} value={v} label={name} />
      ))}
    </FormSelect>
  );
}
