// Sign-in: the token is stored only after the server accepted it.
import { useEffect, useState } from "preact/hooks";
import { Problem } from "../../../sdk/problem";
import { useI18n } from "../../i18n/admin";
import { useTitle } from "../../shared/title";
import { Api } from "../api";
import { isUnanswered } from "../problem";
import { readClaims } from "../session";

interface SignInProps {
  signIn: (token: string) => void;
  /** The server rejected the previous token. */
  expired: boolean;
}

export function SignIn({ signIn, expired }: SignInProps) {
  const { t } = useI18n();
  useTitle(t.pageTitle);
  const [token, setToken] = useState("");
  const [error, setError] = useState(expired ? t.signIn.expired : "");
  const development = useDevelopmentToken();

  async function check(candidate: string): Promise<void> {
    setError("");
    try {
      await new Api(() => candidate, () => {}).events();
      signIn(candidate);
    } catch (error) {
      const detail = error instanceof Problem && !isUnanswered(error) ? error.detail : t.noAnswer;
      setError(t.signIn.rejected(detail));
    }
  }

  function submit(event: Event): void {
    event.preventDefault();
    const candidate = token.trim().replace(/^Bearer\s+/i, "");
    if (readClaims(candidate)) void check(candidate);
    else setError(t.signIn.malformed);
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
          aria-invalid={error !== ""}
          aria-describedby="token-error"
          onInput={({ currentTarget }) => setToken(currentTarget.value)}
          data-testid="token"
        />
      </label>
      <p id="token-error" class="error" role="alert" data-testid="refused">
        {error}
      </p>
      <div class="buttons">
        <button type="submit">{t.signIn.button}</button>
        {development && (
          <button type="button" class="quiet" data-testid="development" onClick={() => void check(development)}>
            {t.signIn.development}
          </button>
        )}
      </div>
      {development && <p class="hint">{t.signIn.developmentHint}</p>}
    </form>
  );
}

/** Undefined if the server has no development tokens. */
function useDevelopmentToken(): string | undefined {
  const [token, set] = useState<string>();
  useEffect(() => {
    new Api(() => undefined, () => {}).developmentToken().then(set, () => {});
  }, []);
  return token;
}
