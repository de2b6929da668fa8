// Who are you? The address stays, so a link survives the sign-in.
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { signIn } from "./api";
import { Failure } from "./parts";

export function SignIn(): JSX.Element {
  const failure = useSignal<unknown>(null);
  const isBusy = useSignal(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const values = new FormData(event.currentTarget as HTMLFormElement);
    isBusy.value = true;
    try {
      await signIn(String(values.get("user")), String(values.get("password")));
    } catch (error) {
      failure.value = error;
    }
    isBusy.value = false;
  };
  const isOpenWire = location.protocol === "http:" && !["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  return (
    <main class="signin">
      <form onSubmit={(event) => void submit(event)}>
        <h1><span aria-hidden="true">╱</span> Baton</h1>
        <label class="field"><span>User</span><input name="user" autocomplete="username" required autofocus /></label>
        <label class="field"><span>Password</span><input name="password" type="password" autocomplete="current-password" required /></label>
        <Failure of={failure.value} />
        <button type="submit" class="primary" disabled={isBusy.value}>Sign in</button>
        <p class="dim">The users are the broker's; their tags say what they may do.</p>
        {isOpenWire ? <p class="banner">This connection is not encrypted: the password can be read on its way. docs/operating.md tells how to turn TLS on.</p> : null}
      </form>
    </main>
  );
}
