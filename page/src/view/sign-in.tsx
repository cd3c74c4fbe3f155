import { useState } from "preact/hooks";

interface Properties {
  /** Why the last session ended. */
  readonly refusal: string;
  readonly onToken: (token: string | undefined) => void;
}

/** Asks for what a gateway demands, once a session was ended for good. */
export function SignIn({ refusal, onToken }: Properties) {
  const [token, setToken] = useState("");
  return (
    <main class="sign-in">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          onToken(token === "" ? undefined : token);
        }}
      >
        <h1>The session has ended</h1>
        <p role="alert">{refusal}</p>
        <label>
          Token, if the gateway wants one
          <input type="password" autocomplete="off" value={token} onInput={(event) => setToken(event.currentTarget.value)} />
        </label>
        <button type="submit">Connect</button>
      </form>
    </main>
  );
}
