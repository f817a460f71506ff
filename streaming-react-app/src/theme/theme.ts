/** The component library's theme, made of the tokens. */
import { createTheme } from '@mui/material/styles';
import type { Theme } from '@mui/material/styles';
import { TOKENS } from './tokens';
import type { Look } from './tokens';

export const FONT =
  "'Atkinson Hyperlegible Next Variable', system-ui, 'Noto Sans', 'Segoe UI', sans-serif";

export function makeTheme(look: Look, direction: 'ltr' | 'rtl' = 'ltr'): Theme {
  const tokens = TOKENS[look];
  const border =
    look === 'contrast' ? `2px solid ${tokens.outline}` : `1px solid ${tokens.divider}`;
  return createTheme({
    direction,
    palette: {
      mode: look === 'light' ? 'light' : 'dark',
      primary: { main: tokens.primary, contrastText: tokens.onPrimary },
      error: { main: tokens.live, contrastText: tokens.onLive },
      background: { default: tokens.ground, paper: tokens.surface },
      text: { primary: tokens.text, secondary: tokens.quiet },
      divider: tokens.divider,
    },
    shape: { borderRadius: 12 },
    typography: {
      fontFamily: FONT,
      h1: {
        fontSize: 'clamp(2.1rem, 5vw, 3.6rem)',
        fontWeight: 700,
        lineHeight: 1.1,
        letterSpacing: '-0.02em',
      },
      h2: { fontSize: '1.15rem', fontWeight: 650, lineHeight: 1.3 },
      button: { textTransform: 'none', fontWeight: 600 },
    },
    components: {
      MuiCssBaseline: {
        styleOverrides: {
          ':root': Object.fromEntries(
            Object.entries(tokens).map(([name, value]) => [`--${name}`, value]),
          ),
          '*:focus-visible': { outline: `3px solid ${tokens.primary}`, outlineOffset: 2 },
          '@media (prefers-reduced-motion: reduce)': {
            '*, *::before, *::after': {
              animationDuration: '0.01ms !important',
              animationIterationCount: '1 !important',
              transitionDuration: '0.01ms !important',
              scrollBehavior: 'auto !important',
            },
          },
        },
      },
      MuiButtonBase: { defaultProps: { disableRipple: true } },
      MuiButton: {
        defaultProps: { disableElevation: true },
        styleOverrides: { root: { minHeight: 44, paddingInline: 18 } },
      },
      MuiIconButton: { styleOverrides: { root: { minWidth: 44, minHeight: 44 } } },
      MuiPaper: { styleOverrides: { root: { backgroundImage: 'none' }, outlined: { border } } },
      MuiToggleButton: {
        styleOverrides: {
          root: {
            minHeight: 44,
            color: tokens.text,
            borderColor: tokens.outline,
            '&.Mui-selected, &.Mui-selected:hover': {
              color: tokens.onPrimary,
              backgroundColor: tokens.primary,
            },
          },
        },
      },
      MuiOutlinedInput: {
        styleOverrides: { notchedOutline: { borderColor: tokens.outline } },
      },
      MuiInputLabel: { styleOverrides: { root: { color: tokens.quiet } } },
      MuiChip: { styleOverrides: { outlined: { borderColor: tokens.outline } } },
      MuiAlert: {
        styleOverrides: {
          root: {
            alignItems: 'center',
            color: tokens.text,
            backgroundColor: tokens.tint,
            '& .MuiAlert-icon': { color: tokens.primary },
            border: look === 'contrast' ? border : 'none',
          },
        },
      },
      MuiTooltip: { defaultProps: { enterDelay: 500 } },
    },
  });
}
