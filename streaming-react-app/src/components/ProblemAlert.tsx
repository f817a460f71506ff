import Alert from '@mui/material/Alert';
import AlertTitle from '@mui/material/AlertTitle';
import { useTranslation } from 'react-i18next';
import type { CaptureProblem } from '../audio/capture/problems';

interface Props {
  problem: CaptureProblem;
  onClose: () => void;
}

/** What is wrong with the source of sound, and what to do. */
export function ProblemAlert({ problem, onClose }: Props) {
  const { t } = useTranslation();
  return (
    <Alert
      severity="warning"
      onClose={onClose}
      data-problem={problem}
      slotProps={{ closeButton: { 'aria-label': t('problem.dismiss') } }}
    >
      <AlertTitle>{t(`problem.${problem}.title`)}</AlertTitle>
      {t(`problem.${problem}.cure`)}
    </Alert>
  );
}
