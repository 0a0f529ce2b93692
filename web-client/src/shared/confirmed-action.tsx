// An action that cannot be undone: a quiet button that asks first. It stands apart from the main button, which a thumb aims at.
import { useEffect, useRef, useState } from "preact/hooks";

interface Props {
  label: string;
  question: string;
  confirm: string;
  decline: string;
  /** Of the button; the confirmation's is this and `-yes`. */
  testId: string;
  disabled?: boolean;
  onConfirm: () => void;
}

export function ConfirmedAction({ label, question, confirm, decline, testId, disabled = false, onConfirm }: Props) {
  const [asked, ask] = useState(false);
  const wasAsked = useRef(false);
  const start = useRef<HTMLButtonElement>(null);
  const keep = useRef<HTMLButtonElement>(null);
  // The focused button is replaced: the focus goes to the answer that changes nothing, and back.
  useEffect(() => {
    if (asked) keep.current?.focus();
    else if (wasAsked.current) start.current?.focus();
    wasAsked.current = asked;
  }, [asked]);

  if (!asked) {
    return (
      <p class="leave">
        <button type="button" class="quiet" data-testid={testId} disabled={disabled} ref={start} onClick={() => ask(true)}>
          {label}
        </button>
      </p>
    );
  }

  return (
    <div class="card leave" role="group" aria-label={label}>
      <p>{question}</p>
      <div class="actions">
        <button type="button" ref={keep} onClick={() => ask(false)}>
          {decline}
        </button>
        <button type="button" class="quiet" data-testid={`${testId}-yes`} disabled={disabled} onClick={onConfirm}>
          {confirm}
        </button>
      </div>
    </div>
  );
}
