// The state of a sale in a word and a colour.
import { useWords } from "../words/words";

export function Chip({ state }: { state: string }) {
  const { t } = useWords();
  return (
    <span class={`chip ${state}`} data-testid="state" data-state={state}>
      {t.states[state] ?? state}
    </span>
  );
}
