/** What one types, chooses and switches: the browser's own controls, labelled. */
// @ts-nocheck

import { useId } from 'react';
import type { InputHTMLAttributes, ReactNode, SelectHTMLAttributes } from 'react';

interface TextProps extends Omit<InputHTMLAttributes<HTMLInputElement>, 'onChange'> {
  label: string;
  value: string;
  onChange: (value: string) => void;
  help?: ReactNode;
  wrong?: boolean;
}

export function TextField({ label, help, wrong = false, onChange, className, ...rest }: TextProps) {
  const id = useId();
  return (
    <div className={className ? `field ${className}` : 'field'}>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        onChange={(event) => onChange(event.target.value)}
        aria-invalid={wrong}
        aria-describedby={help ? `${id}-help` : undefined}
        {...rest}
      />
      {help && (
        <p id={`${id}-help`} className={wrong ? 'hint wrong' : 'hint'}>
          {help}
        </p>
      )}
    </div>
  );
}

interface SelectProps extends Omit<SelectHTMLAttributes<HTMLSelectElement>, 'onChange'> {
  label: string;
  value: string;
  onChange: (value: string) => void;
  options: readonly { value: string; label: string; lang?: string }[];
}

export function Select({ label, options, onChange, ...rest }: SelectProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} onChange={(event) => onChange(event.target.value)} {...rest}>
        {options.map((option) => (
          <option key={option.value} value={option.value} lang={option.lang}>
            {option.label}
          </option>
        ))}
      </select>
    </div>
  );
}

interface SwitchProps {
  label: ReactNode;
  checked: boolean;
  onChange: (on: boolean) => void;
  disabled?: boolean;
}

export function Switch({ label, checked, onChange, disabled }: SwitchProps) {
  return (
    <label className="switch">
      <input
        type="checkbox"
        role="switch"
        checked={checked}
        disabled={disabled}
        onChange={(event) => onChange(event.target.checked)}
      />
      <span>{label}</span>
    </label>
  );
}

interface SliderProps {
  label: string;
  min: number;
  max: number;
  step: number;
  value: number;
  onChange: (value: number) => void;
  /** What is said and shown for the value. */
  text?: string;
  hideLabel?: boolean;
}

export function Slider({ label, text, value, onChange, hideLabel = false, ...range }: SliderProps) {
  const id = useId();
  return (
    <div className={hideLabel ? 'slider bare' : 'slider'}>
      {!hideLabel && <label htmlFor={id}>{label}</label>}
      <input
        id={id}
        type="range"
        {...range}
        value={value}
        aria-label={hideLabel ? label : undefined}
        aria-valuetext={text}
        onChange={(event) => onChange(Number(event.target.value))}
      />
      {text && <output htmlFor={id}>{text}</output>}
    </div>
  );
}
