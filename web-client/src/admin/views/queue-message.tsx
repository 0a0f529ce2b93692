// The message to all users in the queue.
import { useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api, Seen } from "../api";
import { ChangedMeanwhile } from "../problem";
import type { Changed, Settings } from "../schemas";
import { ConflictNotice } from "./conflict";
import { ActionOutcome, useAction } from "./use-action";

const MAX_LENGTH = 500;

interface MessageProps {
  api: Api;
  id: string;
  seen: Seen<Settings>;
  changed: (settings: Changed) => void;
}

export function QueueMessage({ api, id, seen, changed }: MessageProps) {
  const { t } = useI18n();
  const action = useAction();
  const [draft, setDraft] = useState<string>();
  /** The settings as they were when this operator began to write. */
  const [base, setBase] = useState<Seen<Settings>>();
  const message = seen.value.message ?? "";
  const text = draft ?? message;
  const [sent, setSent] = useState("");

  function write(text: string): void {
    setBase(base ?? seen);
    setDraft(text);
  }

  function reset(): void {
    setDraft(undefined);
    setBase(undefined);
    action.clear();
  }

  async function send(message: string, from = base ?? seen): Promise<void> {
    setSent(message);
    const done = await action.run(async () => (changed(await api.updateQueue(id, { message }, from)), t.applied));
    if (done) (setDraft(undefined), setBase(undefined));
  }

  const { problem } = action;

  return (
    <form class="card" onSubmit={(event) => (event.preventDefault(), void send(text.trim()))} aria-labelledby="message-title">
      <h2 id="message-title">{t.message.title}</h2>
      <label>
        {t.message.label}
        <textarea rows={3} maxLength={MAX_LENGTH} value={text} data-testid="message" onInput={({ currentTarget }) => write(currentTarget.value)} />
      </label>
      <div class="buttons">
        <button type="submit" disabled={action.busy || text.trim() === message} data-testid="send">
          {t.message.send}
        </button>
        {message !== "" && (
          <button type="button" class="quiet" disabled={action.busy} onClick={() => void send("")}>
            {t.message.remove}
          </button>
        )}
      </div>
      <ActionOutcome action={action} />
      {problem instanceof ChangedMeanwhile && (
        <ConflictNotice
          conflict={problem.conflict}
          wanted={{ message: sent }}
          overwrite={() => void send(sent, { revision: problem.conflict.revision, value: problem.conflict.current as unknown as Settings })}
          keep={reset}
        />
      )}
    </form>
  );
}
