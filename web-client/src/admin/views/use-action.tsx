// An operator's action: in progress, done, or failed; and its outcome for the eye and for screen readers.
import { useState } from "preact/hooks";
import { Problem } from "../../../sdk/problem";
import { useI18n } from "../../i18n/admin";
import { isUnanswered } from "../problem";

export interface Action {
  busy: boolean;
  done: string;
  problem: Problem | undefined;
  /** Resolves to true if `work` succeeded. The string that `work` returns is shown. */
  run: (work: () => Promise<string | void>) => Promise<boolean>;
  /** Reports a problem that this page found before any request. */
  reject: (problem: Problem) => void;
}

export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState("");
  const [problem, setProblem] = useState<Problem>();

  async function run(work: () => Promise<string | void>): Promise<boolean> {
    setBusy(true);
    setDone("");
    setProblem(undefined);
    try {
      setDone((await work()) ?? "");
      return true;
    } catch (error) {
      setProblem(error instanceof Problem ? error : Problem.noAnswer());
      return false;
    } finally {
      setBusy(false);
    }
  }

  return { busy, done, problem, run, reject: (found) => (setDone(""), setProblem(found)) };
}

/** Renders empty live regions at first, because screen readers announce only changes. */
export function ActionOutcome({ action }: { action: Action }) {
  const { t } = useI18n();
  const { done, problem } = action;
  const message = problem && (isUnanswered(problem) ? t.noAnswer : problem.field ? t.form.check : t.failed(problem.detail));

  return (
    <div class="outcome">
      <p role="status">{done}</p>
      <p role="alert">{message}</p>
    </div>
  );
}
