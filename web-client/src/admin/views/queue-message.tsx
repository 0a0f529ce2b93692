// The message to all users in the queue.
import { useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api } from "../api";
import { ActionOutcome, useAction } from "./use-action";

const MAX_LENGTH = 500;

interface MessageProps {
  api: Api;
  id: string;
  /** The current message; empty if there is none. */
  message: string;
  changed: () => void;
}

export function QueueMessage({ api, id, message, changed }: MessageProps) {
  const { t } = useI18n();
  const action = useAction();
  const [draft, setDraft] = useState<string>();
  const text = draft ?? message;

  async function send(message: string): Promise<void> {
    const done = await action.run(async () => (await api.updateQueue(id, { message }), t.applied));
    if (done) (setDraft(undefined), changed());
  }

  return (
    <form class="card" onSubmit={(event) => (event.preventDefault(), void send(text.trim()))} aria-labelledby="message-title">
      <h2 id="message-title">{t.message.title}</h2>
      <label>
        {t.message.label}
        <textarea rows={3} maxLength={MAX_LENGTH} value={text} data-testid="message" onInput={({ currentTarget }) => setDraft(currentTarget.value)} />
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
    </form>
  );
}
