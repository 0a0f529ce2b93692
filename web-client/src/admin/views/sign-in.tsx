// Signing in: the token is tried before it is kept.
import { useEffect, useState } from "preact/hooks";
import { Api } from "../api";
import { Refusal } from "../refusal";
import { claimsOf } from "../session";
import { useWords } from "../words/words";

interface SignInProps {
  enter: (token: string) => void;
  /** The token before was sent back. */
  ended: boolean;
}

export function SignIn({ enter, ended }: SignInProps) {
  const { t } = useWords();
  const [token, setToken] = useState("");
  const [trouble, setTrouble] = useState(ended ? t.signIn.ended : "");
  const development = useDevelopmentToken();

  async function offer(candidate: string): Promise<void> {
    setTrouble("");
    try {
      await new Api(() => candidate, () => {}).events();
      enter(candidate);
    } catch (error) {
      const detail = error instanceof Refusal && error.detail ? error.detail : t.noAnswer;
      setTrouble(t.signIn.refused(detail));
    }
  }
  function submit(event: Event): void {
    event.preventDefault();
    const candidate = token.trim().replace(/^Bearer\s+/i, "");
    if (claimsOf(candidate)) void offer(candidate);
    else setTrouble(t.signIn.malformed);
  }

  return (
    <form class="card narrow" onSubmit={submit} noValidate>
      <h1>{t.signIn.title}</h1>
      <p>{t.signIn.lead}</p>
      <label>
        {t.signIn.token}
        <input
          type="password"
          value={token}
          autocomplete="off"
          spellcheck={false}
          aria-invalid={trouble !== ""}
          aria-describedby="token-trouble"
          onInput={({ currentTarget }) => setToken(currentTarget.value)}
          data-testid="token"
        />
      </label>
      <p id="token-trouble" class="trouble" role="alert" data-testid="refused">
        {trouble}
      </p>
      <div class="buttons">
        <button type="submit">{t.signIn.button}</button>
        {development && (
          <button type="button" class="quiet" data-testid="development" onClick={() => void offer(development)}>
            {t.signIn.development}
          </button>
        )}
      </div>
      {development && <p class="hint">{t.signIn.developmentHint}</p>}
    </form>
  );
}

/** Nothing wherever the server has no development tokens. */
function useDevelopmentToken(): string | undefined {
  const [token, set] = useState<string>();
  useEffect(() => {
    new Api(() => undefined, () => {}).developmentToken().then(set, () => {});
  }, []);
  return token;
}
