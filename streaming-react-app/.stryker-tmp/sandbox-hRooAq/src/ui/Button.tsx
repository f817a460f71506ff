// @ts-nocheck
import type { ButtonHTMLAttributes, ReactNode } from 'react';

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: 'filled' | 'outlined' | 'plain';
  /** Something is live, or cannot be undone. */
  strong?: boolean;
  size?: 'small' | 'medium' | 'large';
  icon?: ReactNode;
}

const classes = (...names: (string | false | undefined)[]) => names.filter(Boolean).join(' ');

export function Button({
  look = 'plain',
  strong = false,
  size = 'medium',
  icon,
  className,
  children,
  ...rest
}: Props) {
  return (
    <button
      type="button"
      className={classes('button', look, size, strong && 'strong', className)}
      {...rest}
    >
      {icon}
      <span>{children}</span>
    </button>
  );
}

interface IconProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  label: string;
}

/** A button that only has a picture: its name is said and shown on hovering. */
export function IconButton({ label, className, children, ...rest }: IconProps) {
  return (
    <button
      type="button"
      className={classes('icon-button', className)}
      aria-label={label}
      title={label}
      {...rest}
    >
      {children}
    </button>
  );
}

interface Option<T extends string> {
  value: T;
  label: string;
  icon?: ReactNode;
}

interface ChoiceProps<T extends string> {
  label: string;
  options: readonly Option<T>[];
  value: T;
  onChange: (value: T) => void;
  className?: string;
}

/** A few buttons of which one is pressed. */
export function Choice<T extends string>(props: ChoiceProps<T>) {
  const { label, options, value, onChange, className } = props;
  return (
    <div role="group" aria-label={label} className={classes('choice', className)}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
        >
          {option.icon}
          <span>{option.label}</span>
        </button>
      ))}
    </div>
  );
}
